//! What checks say they need is what they need: held against what a run skips where the profile has none of it.

use crate::stub::{Stub, examples};
use countersign::finding::Outcome;
use countersign::need::Need;
use countersign::profile::Profile;
use countersign::report::Record;
use countersign::target::Target;
use countersign_spec::{Level, Spec};
use std::path::Path;
use std::sync::Arc;

/// One account each that has nothing special, wallets that are named, no clock and no key.
const POOR: &str = r#"
[[scheme.ethgas.account]]
username = "test-only.alder"
password = "test-only Alder7-Quay-Lantern"
[[scheme.nftrainbow.account]]
app_id = "t3stQnLy"
app_secret = "teStOnLy8fK2vQ0b"
[[scheme.cbs.account]]
user = "test-only.dogwood"
password = "test-only Dogwood4-Harbour-Mill"
[scheme.swapchat]
wallet = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
[scheme.web3mq]
wallet = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
"#;

fn profile(url: &str) -> Profile {
    let text = format!("url = \"{url}\"\n{POOR}");
    Profile::parse(&text, "poor.toml", Path::new("."), Spec::embedded()).expect("the profile is one")
}

fn unmet(profile: &Profile, record: &Record) -> Vec<Need> {
    let scheme = Spec::embedded().scheme(&record.check.scheme).expect("the scheme is known");
    record.check.needs.iter().copied().filter(|need| need.unmet(profile, scheme).is_some()).collect()
}

/// Runs checks that fulfil a condition; `forgetful` ones know nothing of their needs and find out.
fn run(profile: &Profile, forgetful: bool) -> Vec<Record> {
    let spec = Spec::embedded();
    let ids = spec.schemes().iter().map(|scheme| scheme.id.clone()).collect();
    let target = Target::new(spec.clone(), ids, profile.clone(), 1, 1).expect("the target is one");
    let mut checks = countersign::checks::all(spec);
    if forgetful {
        let lacks = |check: &countersign::check::Check| {
            let scheme = spec.scheme(&check.scheme).expect("the scheme is known");
            check.needs.iter().any(|need| need.unmet(profile, scheme).is_some())
        };
        checks.retain(lacks);
        checks.iter_mut().for_each(|check| check.needs.clear());
    }
    // What libtest says of a careless target is not what this test is about.
    let log = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let logfile = Some(log.path().display().to_string());
    let arguments = libtest_mimic::Arguments { quiet: true, logfile, ..Default::default() };
    countersign::run::run(&arguments, Arc::new(target), checks, Level::Must)
}

/// Checks that were skipped for what the profile lacks, and had not said that they need it.
fn undeclared(profile: &Profile) -> Vec<(String, String)> {
    run(profile, false)
        .into_iter()
        .filter_map(|record| {
            let Outcome::Skipped(reason) = &record.outcome else { return None };
            let of_profile = ["the profile", "raw requests"].iter().any(|part| reason.contains(part));
            let told = !unmet(profile, &record).is_empty();
            (of_profile && !told).then(|| (record.check.name.clone(), reason.clone()))
        })
        .collect()
}

#[test]
fn whatever_is_skipped_for_want_of_something_had_said_that_it_needs_it() {
    let stub = Stub::start(examples);
    assert_eq!(undeclared(&profile(&stub.url())), []);
}

#[test]
fn whatever_says_that_it_needs_something_reaches_no_verdict_without() {
    let stub = Stub::start(examples);
    let profile = profile(&stub.url());
    let records = run(&profile, true);
    assert!(records.len() > 80, "only {} checks need something", records.len());
    let judged: Vec<&str> = records
        .iter()
        .filter(|record| matches!(record.outcome, Outcome::Held | Outcome::Violated(..)))
        .map(|record| record.check.name.as_str())
        .collect();
    assert_eq!(judged, [""; 0]);
}

#[test]
fn every_need_is_one_of_some_check() {
    let checks = countersign::checks::all(Spec::embedded());
    for need in Need::ALL {
        assert!(checks.iter().any(|check| check.needs.contains(&need)), "{need:?} is for nothing");
    }
}
