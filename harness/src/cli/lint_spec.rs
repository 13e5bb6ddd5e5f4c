//! `countersign lint-spec`: whether a folder of schemes can be judged by, and what will be judged.

use super::{CONFORMS, Failure};
use crate::check::{Check, Group};
use clap::{Args, ValueEnum as _};
use countersign_spec::{Auth, Level, ProofKind, Scheme, Spec, Step, gaps};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

/// Check a folder of schemes and say what will be judged by it
///
/// All mistakes are told at once, each with its file and key. A folder without mistakes is summed up: its operations,
/// clauses and checks, and which groups of checks apply.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:\n  0  the folder can be judged by\n  2  it has mistakes")]
pub(super) struct Options {
    /// One scheme (a folder with scheme.toml), or a folder of such folders
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// The verb.
pub(super) fn run(options: &Options) -> Result<u8, Failure> {
    let spec =
        Spec::load(&options.folder).map_err(|errors| mistakes(errors.0.iter().map(ToString::to_string)))?;
    let missing: Vec<String> =
        spec.schemes().iter().flat_map(gaps).map(|mistake| mistake.to_string()).collect();
    if !missing.is_empty() {
        return Err(mistakes(missing.into_iter()));
    }
    let mut text = String::new();
    for scheme in spec.schemes() {
        text.push_str(&summary(&spec, scheme));
        text.push('\n');
    }
    let count = spec.schemes().len();
    let _ = writeln!(text, "{count} {}, no mistakes", if count == 1 { "scheme" } else { "schemes" });
    // Whoever reads may have seen enough and be gone.
    drop(anstream::stdout().write_all(text.as_bytes()));
    Ok(CONFORMS)
}

fn mistakes(lines: impl ExactSizeIterator<Item = String>) -> Failure {
    let count = lines.len();
    let told: Vec<String> = lines.collect();
    let sum = format!("{count} {} to mend", if count == 1 { "mistake" } else { "mistakes" });
    Failure::usage(format!("{}\n{sum}", told.join("\n")))
}

/// What a scheme holds and what it will be judged by.
fn summary(spec: &Spec, scheme: &Scheme) -> String {
    let checks = crate::checks::of_scheme(spec, scheme);
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{}: {} ({})", scheme.id, scheme.title, scheme.document);
    for operation in &scheme.operations {
        let step = format!("{:?}", operation.step).to_lowercase();
        let _ = writeln!(text, "  {step:<10} {:<6} {}", operation.method, operation.path);
    }
    let level = |level: Level| scheme.clauses.iter().filter(|clause| clause.level == level).count();
    let _ = writeln!(
        text,
        "  {} clauses: {} must, {} should, {} may",
        scheme.clauses.len(),
        level(Level::Must),
        level(Level::Should),
        level(Level::May)
    );
    let cited: BTreeSet<&str> = checks.iter().flat_map(|check| &check.clauses).map(String::as_str).collect();
    let unchecked = scheme.clauses.iter().filter(|clause| clause.except.is_none());
    for clause in unchecked.filter(|clause| !cited.contains(clause.id.as_str())) {
        let _ = writeln!(text, "    no check cites {}", clause.id);
    }
    let _ = writeln!(text, "  {} checks, by group:", checks.len());
    let mut counts: BTreeMap<Group, usize> = BTreeMap::new();
    for Check { group, .. } in &checks {
        *counts.entry(*group).or_default() += 1;
    }
    for group in Group::value_variants() {
        match counts.get(group) {
            Some(count) => {
                let note = remark(scheme, *group).map(|note| format!("  {note}")).unwrap_or_default();
                let _ = writeln!(text, "    {:<10} {count:>4}{note}", group.word());
            }
            None => {
                let _ = writeln!(text, "    {:<10} none: {}", group.word(), absence(scheme, *group));
            }
        }
    }
    text
}

/// Why a group has no check for a scheme.
fn absence(scheme: &Scheme, group: Group) -> &'static str {
    match (group, scheme.proof.kind) {
        (Group::Proof, _) => "the proof is a secret, and nothing is signed",
        (Group::Challenge, _) => "no operation has step = \"challenge\"",
        (Group::Refresh, _) => "no operation has step = \"refresh\"",
        (Group::Credential, _) => "the proof is a signature, and no account has a secret",
        (Group::Token, _) => "there is no [tokens.access]",
        (Group::Time, _) => "nothing in it ends: no token, no challenge",
        _ => "it has nothing of what these checks ask for",
    }
}

/// What a target or profile must have beside the data, or what the data leave out.
fn remark(scheme: &Scheme, group: Group) -> Option<&'static str> {
    let protected = scheme.operations.iter().any(|operation| {
        operation.auth == Auth::Access && matches!(operation.step, Step::Protected | Step::Verify)
    });
    match group {
        Group::Flow if scheme.proof.kind == ProofKind::Secret => Some("needs accounts in the profile"),
        Group::Token if !protected && scheme.tokens.access.is_some() => {
            Some("no step \"protected\" or \"verify\" takes one")
        }
        Group::Time => Some("needs [clock] in the profile"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_what_applies_and_why_the_rest_does_not() {
        let spec = Spec::embedded();
        let of = |id: &str| summary(spec, spec.scheme(id).unwrap());
        let ethgas = of("ethgas");
        assert!(ethgas.contains("  login      POST   /api/v1/user/login\n"), "{ethgas}");
        assert!(ethgas.contains("    proof      none: the proof is a secret"), "{ethgas}");
        assert!(ethgas.contains("    challenge  none: no operation has step = \"challenge\""), "{ethgas}");
        let web3mq = of("web3mq");
        assert!(
            web3mq.contains("    time       none: nothing in it ends: no token, no challenge"),
            "{web3mq}"
        );
        assert!(web3mq.contains("    refresh    none: no operation has step = \"refresh\""), "{web3mq}");
        let swapchat = of("swapchat");
        assert!(swapchat.contains("  protected  GET    /my_rooms\n"), "{swapchat}");
        for text in [&ethgas, &web3mq, &swapchat] {
            assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        }
    }
}
