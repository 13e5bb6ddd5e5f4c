//! Judges any implementation of the login documents by URL, clause by clause.
//!
//! A run goes one way: [`cli`] and [`profile`] say what is wanted, [`checks`] lists every check of the specification, [`mod@run`]
//! turns them into trials, a check drives the target through [`context`] and [`flow`], every exchange is recorded and passes
//! [`hygiene`], and [`report`] folds what was found by cause and shows it.
//!
//! Nothing here depends on a server. Texts are built, signed and read with code of this crate ([`wallet`], [`jwt`]), so that
//! a misreading has to be made twice to go unseen.

pub mod actor;
pub mod baseline;
pub mod beyond;
pub mod chance;
pub mod check;
pub mod checks;
pub mod cli;
pub mod client;
pub mod confirm;
pub mod context;
pub mod deviation;
pub mod diff;
pub mod digests;
pub mod draft;
pub mod event;
pub mod exchange;
pub mod finding;
pub mod fingerprint;
pub mod flow;
pub mod gate;
pub mod generate;
pub mod hygiene;
pub mod internals;
pub mod judge;
pub mod jwks;
pub mod jwt;
pub mod listing;
pub mod lockout;
pub mod need;
pub mod passing;
pub mod patience;
pub mod presenting;
pub mod probe;
pub mod profile;
pub mod progress;
pub mod proxy;
pub mod raw;
pub mod record;
pub mod redact;
pub mod refusal;
pub mod replay;
pub mod report;
pub mod run;
pub mod sign;
pub mod statistics;
pub mod target;
pub mod wallet;
mod words;

pub use cli::{Judge, LocalTarget, Started, conformance};

use countersign_spec::{Level, Spec};
use std::path::PathBuf;
use std::process::ExitCode;

/// What is known of a check without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckEntry {
    /// `{scheme}::{group}::{sentence}`.
    pub name: String,
    /// Ids of the clauses it rests on, the scheme's own first.
    pub clauses: Vec<String>,
    /// Level of its finding.
    pub level: Level,
    /// The sentence, for people.
    pub sentence: String,
    /// What the profile has to give for it, beyond a login that works.
    pub needs: Vec<need::Need>,
}

/// Judges the target of a profile as a test of another project: the whole `main` of a test without a harness of its own.
///
/// The same as [`Judge`], for a target that runs already: the profile says `url`, or the variable `COUNTERSIGN_URL` does.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     countersign::run("tests/target.toml")
/// }
/// ```
#[must_use]
pub fn run(profile: impl Into<PathBuf>) -> ExitCode {
    Judge::of(profile).run()
}

/// Every check of a specification, in the order they run in.
///
/// ```
/// let entries = countersign::catalogue(countersign_spec::Spec::embedded());
/// assert!(entries.iter().any(|entry| entry.name == "ethgas::flow::the-documented-login-works"));
/// ```
#[must_use]
pub fn catalogue(spec: &Spec) -> Vec<CheckEntry> {
    checks::all(spec)
        .into_iter()
        .map(|check| CheckEntry {
            name: check.name,
            clauses: check.clauses,
            level: check.level,
            sentence: check.sentence,
            needs: check.needs.into_iter().collect(),
        })
        .collect()
}
