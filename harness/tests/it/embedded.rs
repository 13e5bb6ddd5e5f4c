//! The harness as a test of another project: what it exits with, as cargo and nextest call it.

use crate::program::{file, path};
use crate::stub::{Stub, empty_object, examples};
use countersign::report::model;
use countersign::{Judge, Started};
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const LOGIN: &str = "nftrainbow::flow::the-documented-login-works";
const CLOCK: &str = "nftrainbow::time::";

/// Runs with these arguments and a target to be started; says how it ended and whether it was.
fn run(
    arguments: &[&str],
    start: impl FnOnce() -> Result<Stub, String> + Send + 'static,
) -> (ExitCode, bool) {
    let profile = file("[scheme.nftrainbow]\n");
    let started = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&started);
    let judge = Judge::of(path(&profile)).starting(move || {
        seen.store(true, Ordering::SeqCst);
        start().map(|stub| Started::at(stub.url(), stub))
    });
    let mut arguments: Vec<OsString> = arguments.iter().map(Into::into).collect();
    // Its lines would stand between those of this program, and read like them.
    let lines = file("");
    if !arguments.iter().any(|argument| argument == "--list") {
        arguments.extend(["--logfile".into(), path(&lines).into()]);
    }
    let code = judge.run_with(arguments);
    (code, started.load(Ordering::SeqCst))
}

#[test]
fn one_check_is_run_as_nextest_asks_for_it() {
    let asked = |stub: fn() -> Stub| run(&[LOGIN, "--exact", "--nocapture"], move || Ok(stub()));
    assert_eq!(asked(|| Stub::start(examples)), (ExitCode::SUCCESS, true));
    assert_eq!(asked(|| Stub::start(empty_object)), (ExitCode::from(1), true));
}

#[test]
fn a_check_that_is_skipped_passes_alone_and_a_run_of_nothing_else_does_not() {
    let alone = countersign::catalogue(countersign_spec::Spec::embedded())
        .into_iter()
        .find(|check| check.name.starts_with(CLOCK))
        .expect("a check that moves the clock")
        .name;
    let of_examples = || Ok(Stub::start(examples));
    assert_eq!(run(&[&alone, "--exact"], of_examples), (ExitCode::SUCCESS, true));
    assert_eq!(run(&["--check", &alone], of_examples), (ExitCode::from(4), true));
    // Reports say of it what the exit code does.
    let folder = tempfile::tempdir().unwrap();
    let place = |kind: &str| folder.path().join(kind);
    let reports = ["json", "junit", "tap", "github", "sarif"];
    let wanted: Vec<String> = reports.map(|kind| format!("{kind}={}", place(kind).display())).into();
    for (name, says) in [(alone.as_str(), "1 check was skipped"), ("tests::of_the_database", "no check")] {
        let mut arguments = vec![name, "--exact"];
        arguments.extend(wanted.iter().flat_map(|report| ["--report", report]));
        assert_eq!(run(&arguments, of_examples).0, ExitCode::SUCCESS);
        let read = |kind: &str| std::fs::read_to_string(place(kind)).unwrap();
        let report: model::Run = serde_json::from_str(&read("json")).unwrap();
        assert_eq!((report.exit, report.verdict), (0, model::Verdict::NotJudged));
        assert!(report.says.contains(says), "{}", report.says);
        assert!(read("junit").contains("errors=\"0\"") && !read("tap").contains("not ok"), "{}", read("tap"));
        assert!(!read("github").contains("::error"), "{}", read("github"));
        let sarif: serde_json::Value = serde_json::from_str(&read("sarif")).unwrap();
        let invocation = &sarif["runs"][0]["invocations"][0];
        assert_eq!((&invocation["exitCode"], &invocation["executionSuccessful"]), (&0.into(), &true.into()));
    }
    // What is blocked is no pass, even where the check that blocks it is not asked for.
    let blocked = "nftrainbow::flow::an-account-logs-in-again";
    assert_eq!(run(&[blocked, "--exact"], || Ok(Stub::start(empty_object))), (ExitCode::from(4), true));
}

#[test]
fn a_filter_for_other_tests_starts_nothing_and_fails_nothing() {
    let never = || Err("started for nothing".to_owned());
    assert_eq!(run(&["tests::of_the_database"], never), (ExitCode::SUCCESS, false));
    assert_eq!(run(&["--list", "--format", "terse"], never), (ExitCode::SUCCESS, false));
    assert_eq!(run(&["--list", "--format", "terse", "--ignored"], never), (ExitCode::SUCCESS, false));
}

#[test]
fn what_cannot_be_used_or_started_is_no_success() {
    let never = || Err("no port is free".to_owned());
    assert_eq!(run(&["--chek", "x"], never), (ExitCode::from(2), false));
    assert_eq!(run(&["--check", "x"], never), (ExitCode::from(2), false));
    assert_eq!(run(&[LOGIN, "--exact"], never), (ExitCode::from(3), true));
}
