//! The program as a developer calls it: help, exit codes, and the verbs against this very workspace.

#[path = "it/snapshot.rs"]
mod snapshot;

use std::io::Write as _;
use std::process::{Command, Output};

fn xtask(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_verb_explains_itself_within_80_columns() {
    let verbs = [
        "conformance",
        "serve",
        "test",
        "faults",
        "torture",
        "bench",
        "tidy",
        "catalogue",
        "demo-faults",
        "new-scheme",
        "openapi",
        "snapshot",
        "trace",
    ];
    let overview = xtask(&["--help"]);
    assert_eq!(overview.status.code(), Some(0));
    let overview = text(&overview.stdout);
    for verb in verbs {
        assert!(overview.contains(&format!("\n  {verb} ")), "{verb} is missing:\n{overview}");
        let help = xtask(&[verb, "--help"]);
        assert_eq!(help.status.code(), Some(0), "{verb}");
        let help = text(&help.stdout);
        assert!(help.lines().count() > 3, "{verb}:\n{help}");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{verb}: {line}");
        }
    }
}

#[test]
fn what_makes_no_sense_exits_2_and_says_what() {
    for (args, named) in [
        (&["conform"][..], "conform"),
        (&["tidy", "--fix"], "--fix"),
        (&["trace", "--chek"], "--chek"),
        (&["openapi", "spec"], "spec"),
        (&["snapshot", "--check", "--review"], "--review"),
        (&["test", "--require"], "--require"),
        (&["torture", "--only", "rain"], "rain"),
        (&["bench", "--rounds", "0"], "0"),
        (&["conformance", "--store"], "--store"),
    ] {
        let output = xtask(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).contains(named), "{args:?}: {}", text(&output.stderr));
    }
    assert_eq!(xtask(&[]).status.code(), Some(2));
}

/// What the README shows of findings: a target with three faults, judged by one command.
#[test]
fn three_faults_for_demonstration_give_three_findings() {
    if Command::new("python3").arg("--version").output().is_err() {
        assert!(std::env::var_os("COUNTERSIGN_REQUIRE_ALL").is_none(), "python3 is not installed");
        drop(writeln!(std::io::stderr(), "skipped: python3 is not installed"));
        return;
    }
    let checks = [
        "ethgas::credential::a-secret-in-another-letter-case-is-refused",
        "ethgas::form::the-answer-of-login-has-data-expiresin-as-documented",
        "ethgas::refresh::an-access-token-does-not-refresh",
    ];
    // One that none of the faults trips.
    let mut args = vec![
        "demo-faults",
        "--judge",
        "--",
        "--check",
        "ethgas::refresh::a-refresh-without-a-token-is-refused",
    ];
    args.extend(checks.iter().flat_map(|check| ["--check", check]));
    let output = xtask(&args);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", text(&output.stderr));
    let found = said
        .lines()
        .filter(|line| line.starts_with("FAIL "))
        .filter_map(|line| line.split_whitespace().nth(1));
    assert_eq!(found.collect::<Vec<_>>(), checks, "{said}");
    let listed = xtask(&["demo-faults", "--list"]);
    assert!(text(&listed.stdout).contains("password-case"), "{}", text(&listed.stderr));
    let wrong = xtask(&["demo-faults", "--", "--check", checks[0]]);
    assert_eq!(wrong.status.code(), Some(2), "{}", text(&wrong.stderr));
}

#[test]
fn this_workspace_is_tidy() {
    let output = xtask(&["tidy"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn committed_documents_are_fresh_and_no_clause_lacks_a_fate() {
    for verb in ["catalogue", "openapi", "trace"] {
        let output = xtask(&[verb, "--check"]);
        assert!(output.status.success(), "{verb}: {}", text(&output.stderr));
    }
}
