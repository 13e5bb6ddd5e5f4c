//! One fault, and what the harness says of a server that has it.

use crate::bend::Bend;
use crate::host::{ACCENTED, Host, SECRET};
use countersign::checks;
use countersign::finding::Outcome;
use countersign::profile::{Clock, Profile, SigningKeys};
use countersign::report::Record;
use countersign::target::Target;
use countersign_spec::{Level, Scheme, Spec};
use libtest_mimic::Arguments;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// A server that is wrong in one way.
pub(crate) struct Fault {
    /// What it is called, `{scheme}::{group}::{words}`.
    pub(crate) name: String,
    /// The scheme it is about.
    pub(crate) scheme: String,
    /// What is wrong, in a sentence.
    pub(crate) does: String,
    /// Names of the checks it must trip.
    pub(crate) trips: Vec<String>,
    /// Whether unrelated checks may be tripped as well, because the fault is as broad as it sounds.
    pub(crate) broad: bool,
    /// Whether the accounts with long secrets beyond ASCII log in.
    pub(crate) accented: bool,
    /// Whether the harness is given no clock that it could move.
    pub(crate) clockless: bool,
    /// Other schemes that have to be judged beside it.
    pub(crate) beside: Vec<String>,
    pub(crate) make: Box<dyn Fn() -> Bend + Send + Sync>,
}

impl Fault {
    pub(crate) fn new(
        scheme: &str,
        name: &str,
        does: &str,
        trips: &[String],
        make: impl Fn() -> Bend + Send + Sync + 'static,
    ) -> Self {
        let group = trips.first().and_then(|check| check.split("::").nth(1)).unwrap_or("other");
        Self {
            name: format!("{scheme}::{group}::{}", spelt(name)),
            scheme: scheme.to_owned(),
            does: does.to_owned(),
            trips: trips.to_vec(),
            broad: false,
            accented: false,
            clockless: false,
            beside: Vec::new(),
            make: Box::new(make),
        }
    }

    pub(crate) fn accented(mut self) -> Self {
        self.accented = true;
        self
    }

    pub(crate) fn clockless(mut self) -> Self {
        self.clockless = true;
        self
    }

    pub(crate) fn beside(mut self, scheme: &str) -> Self {
        self.beside.push(scheme.to_owned());
        self
    }

    /// Judges a server with this fault.
    ///
    /// # Errors
    /// What the harness overlooked, or accused wrongly.
    pub(crate) fn judge(&self) -> Result<(), String> {
        // A stopwatch on a busy machine may have to say that it cannot tell; then it is asked again.
        let unsure = |outcome: &Result<(), String>| {
            outcome.as_ref().is_err_and(|problem| problem.contains("the times scatter too much"))
        };
        let mut outcome = self.judge_once();
        for _ in 0..4 {
            if !unsure(&outcome) {
                break;
            }
            outcome = self.judge_once();
        }
        outcome
    }

    fn judge_once(&self) -> Result<(), String> {
        let host = Host::start((self.make)());
        let mut wanted: BTreeSet<&str> = self.trips.iter().map(String::as_str).collect();
        let controls = if self.broad { Vec::new() } else { self.controls() };
        wanted.extend(controls.iter().map(String::as_str));
        let mut schemes = self.beside.clone();
        schemes.push(self.scheme.clone());
        // One check after the other: what a fault remembers must not hang on which is first.
        let profile = profile(&host, self.accented, self.clockless);
        let records = run(&host, profile, &schemes, Level::May, 1, |name| wanted.contains(name));
        let mut problems = Vec::new();
        for check in &self.trips {
            match records.iter().find(|record| record.check.name == *check).map(|record| &record.outcome) {
                Some(Outcome::Violated(..)) => {}
                Some(other) => problems.push(format!("{check} is not violated: {}", shown(other))),
                None => problems.push(format!("there is no check {check}")),
            }
        }
        for record in &records {
            if controls.contains(&record.check.name) && !matches!(record.outcome, Outcome::Held) {
                let outcome = shown(&record.outcome);
                problems.push(format!("the unrelated check {} does not hold: {outcome}", record.check.name));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(format!("{}\n  {}", self.does, problems.join("\n  "))) }
    }

    /// Checks of other groups that such a fault leaves alone.
    fn controls(&self) -> Vec<String> {
        let groups: BTreeSet<&str> = self.trips.iter().filter_map(|check| check.split("::").nth(1)).collect();
        [
            ("robustness", "a login in one chunk works"),
            ("flow", "the documented login works"),
            ("form", "a login with a final line feed works"),
            ("credential", "a wrong secret is refused"),
            ("proof", "a signature by another wallet is refused"),
        ]
        .iter()
        .filter(|(group, _)| !groups.contains(group))
        .map(|(group, sentence)| check(&self.scheme, group, sentence))
        .filter(|name| exists(name))
        .take(2)
        .collect()
    }
}

fn shown(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Held => "it holds".to_owned(),
        Outcome::Violated(_, finding) => format!("violated: {}: {}", finding.did, finding.got),
        Outcome::Skipped(reason) => format!("skipped: {reason}"),
        Outcome::Inconclusive(reason) => format!("inconclusive: {reason}"),
        Outcome::Blocked(by) => format!("blocked by {by}"),
    }
}

/// The name of a check, as the harness spells it.
pub(crate) fn check(scheme: &str, group: &str, sentence: &str) -> String {
    format!("{scheme}::{group}::{}", spelt(sentence))
}

pub(crate) fn spelt(sentence: &str) -> String {
    let kept = sentence.replace('\'', "").to_ascii_lowercase();
    let words: Vec<_> =
        kept.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// Names of all checks.
pub(crate) static CHECKS: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| countersign::catalogue(Spec::embedded()).into_iter().map(|entry| entry.name).collect());

pub(crate) fn exists(name: &str) -> bool {
    CHECKS.contains(name)
}

/// Where nested runs write what they would print.
static LOG: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// What the harness is told of a server.
pub(crate) fn profile(host: &Host, accented: bool, clockless: bool) -> Profile {
    let spec = Spec::embedded();
    let accounts = if accented { ACCENTED } else { countersign_fixtures::ACCOUNTS };
    let accounts = [accounts, countersign_fixtures::ACCOUNTS]
        .map(|text| Profile::parse(text, "accounts", Path::new("."), spec).expect("the accounts are valid"));
    let clock = Clock { advance: "/__clock".to_owned(), reset: Some("/__reset".to_owned()) };
    let mut profile =
        Profile { url: Some(host.url()), clock: Some(clock).filter(|_| !clockless), ..Profile::default() };
    accounts.iter().for_each(|accounts| profile.fill_accounts(accounts));
    if host.plain_tokens {
        let key = String::from_utf8_lossy(SECRET).into_owned();
        let keys = |scheme: &Scheme| (scheme.id.clone(), SigningKeys { hs256: key.clone().into() });
        profile.keys = spec.schemes().iter().map(keys).collect();
    }
    profile
}

/// Runs the chosen checks of these schemes against a server.
pub(crate) fn run(
    host: &Host,
    profile: Profile,
    schemes: &[String],
    fail_on: Level,
    threads: usize,
    chosen: impl Fn(&str) -> bool,
) -> Vec<Record> {
    let spec = Spec::embedded();
    let target = Target::new(spec.clone(), schemes.to_vec(), profile, SEED, CASES).expect("a target");
    let list = checks::all(spec).into_iter().filter(|check| chosen(&check.name)).collect();
    let log = LOG.path().join(format!("{}.log", host.address.port()));
    let arguments = Arguments {
        test_threads: Some(threads),
        logfile: Some(log.display().to_string()),
        ..Arguments::default()
    };
    countersign::run::run(&arguments, Arc::new(target), list, fail_on, Vec::new())
}

/// Seed of all chance in the harness: a fault is killed each time or never.
const SEED: u64 = 7;
/// Generated cases for each property; faults here need few.
const CASES: u32 = 12;
