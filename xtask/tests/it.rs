//! The program as a developer calls it: help, exit codes, and the verbs against this very workspace.

#[path = "it/snapshot.rs"]
mod snapshot;

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
