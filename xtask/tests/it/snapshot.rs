//! A record against its snapshots: found, shown, asked about, written.

use super::text;
use countersign::record::folder::Folder;
use countersign::record::transcript::{Body, Message, Step, Transcript};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Leaves a record of two flows whose second answers with this status.
fn record(folder: &Path, status: &str) {
    let message = |first: &str| Message { first: first.to_owned(), headers: Vec::new(), body: Body::None };
    let flow = |flow: &str, status: &str| {
        let step = Step { title: "one".to_owned(), request: message("GET /"), answer: message(status) };
        Transcript { scheme: "badge".into(), flow: flow.into(), about: "it".into(), steps: vec![step] }
    };
    let transcripts = [flow("login", "HTTP 200"), flow("use", status)];
    Folder::prepare(folder).unwrap().write(&["badge".to_owned()], &transcripts).unwrap();
}

/// The part of the verb that compares, with insta told what the verb tells it.
fn part(root: &Path, update: &str, flags: &[&str], answers: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("snapshot-part")
        .args(["--record".as_ref(), root.join("record").as_os_str()])
        .args(["--snapshots".as_ref(), root.join("snapshots").as_os_str()])
        .args(flags)
        .env("INSTA_UPDATE", update)
        .env("INSTA_FORCE_PASS", "1")
        .env("INSTA_OUTPUT", "diff")
        .env("INSTA_WORKSPACE_ROOT", root)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn check(output: &Output, code: i32, said: &str) {
    let stdout = text(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{stdout}{}", text(&output.stderr));
    assert!(stdout.contains(said), "{said}:\n{stdout}");
}

#[test]
fn a_change_is_shown_and_written_only_when_told() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    record(&root.join("record"), "HTTP 200");
    check(&part(root, "no", &[], ""), 1, "not as the server is: 2 of 2");
    assert!(!root.join("snapshots").exists());
    check(&part(root, "always", &["--write"], ""), 0, "wrote badge/use.snap");
    check(&part(root, "no", &[], ""), 0, "snapshots as the server is: 2");
    record(&root.join("record"), "HTTP 500");
    let shown = part(root, "no", &[], "");
    check(&shown, 1, "not as the server is: 1 of 2");
    let stdout = text(&shown.stdout);
    assert!(stdout.contains("-< HTTP 200") && stdout.contains("+< HTTP 500"), "{stdout}");
    check(&part(root, "no", &[], ""), 1, "HTTP 500");
}

#[test]
fn what_is_asked_about_is_written_after_a_yes_only() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    record(&root.join("record"), "HTTP 200");
    check(&part(root, "always", &["--write"], ""), 0, "wrote badge/login.snap");
    record(&root.join("record"), "HTTP 500");
    for answer in ["", "n\n", "\n"] {
        check(&part(root, "no", &["--ask"], answer), 1, "badge/use: is this meant?");
        check(&part(root, "no", &[], ""), 1, "not as the server is: 1 of 2");
    }
    check(&part(root, "no", &["--ask"], "y\n"), 0, "wrote badge/use.snap");
    check(&part(root, "no", &[], ""), 0, "snapshots as the server is: 2");
}

#[test]
fn a_snapshot_of_a_flow_that_is_gone_is_found_and_removed() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    record(&root.join("record"), "HTTP 200");
    check(&part(root, "always", &["--write"], ""), 0, "wrote badge/use.snap");
    let gone = root.join("snapshots/badge/gone.snap");
    std::fs::write(&gone, "---\n---\n").unwrap();
    check(&part(root, "no", &[], ""), 1, "badge/gone.snap belongs to no flow");
    assert!(gone.exists());
    check(&part(root, "always", &["--write"], ""), 0, "removed badge/gone.snap");
    assert!(!gone.exists());
    check(&part(root, "no", &[], ""), 0, "snapshots as the server is: 2");
}
