//! `countersign init`: what it finds, how politely, and what it writes.

use crate::program::{Run, countersign, path};
use crate::stub::{Asked, Reply, Stub, empty_object, examples};
use countersign::profile::Profile;
use countersign_spec::Spec;
use serde_json::json;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

fn init(url: &str, more: &[&str]) -> Run {
    countersign(&[&["init", "--url", url, "--out", "-"][..], more].concat())
}

fn read(text: &str) -> Profile {
    Profile::parse_leniently(text, "t", Path::new("."), Spec::embedded()).expect("what is written is read").0
}

fn schemes(profile: &Profile) -> Vec<&str> {
    profile.schemes.keys().map(String::as_str).collect()
}

#[test]
fn every_scheme_that_is_served_is_written_and_nobody_is_disturbed() {
    let stub = Stub::start(examples);
    let run = init(&stub.url(), &[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let profile = read(&run.stdout);
    assert_eq!(schemes(&profile), ["cbs", "ethgas", "nftrainbow", "swapchat", "web3mq"]);
    assert!(profile.clock.is_none());
    assert_eq!(profile.url.as_deref(), Some(stub.url().as_str()));
    let asked = stub.asked();
    assert!(asked.len() <= 20, "{} requests", asked.len());
    for asked in &asked {
        assert!(
            ["{}", "", "{\"advance_seconds\":0}"].contains(&asked.text().lines().last().unwrap_or_default()),
            "{}",
            asked.text()
        );
    }
    assert!(!asked.iter().any(|asked| asked.path == "/__reset" && asked.method == "POST"));
}

/// One scheme under another path, with a clock.
fn cbs_elsewhere(asked: &Asked) -> Reply {
    match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/gate/api/v1/auth/login") => Reply::json(400, &json!({ "code": 400 })),
        ("POST", "/gate/__clock") => Reply::json(200, &json!({ "now": 1 })),
        ("GET", "/gate/__reset") => Reply::json(405, &json!({})),
        _ => Reply::json(404, &json!({})),
    }
}

#[test]
fn other_paths_prefixes_and_clocks_are_found() {
    let stub = Stub::start(cbs_elsewhere);
    let run = init(&format!("{}/gate/", stub.url()), &[]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let profile = read(&run.stdout);
    assert_eq!(schemes(&profile), ["cbs"]);
    assert_eq!(profile.schemes["cbs"].paths["login"], "/api/v1/auth/login");
    assert_eq!(profile.schemes["cbs"].paths["refresh"], "/api/v1/auth/refresh");
    let clock = profile.clock.expect("a clock was found");
    assert_eq!((clock.advance.as_str(), clock.reset.as_deref()), ("/__clock", Some("/__reset")));
    let root = Stub::start(examples);
    let run = init(&format!("{}/v1", root.url()), &["--scheme", "nftrainbow"]);
    assert_eq!(read(&run.stdout).url.as_deref(), Some(root.url().as_str()), "{}", run.stderr);
}

#[test]
fn a_target_that_says_yes_to_everything_serves_nothing() {
    let stub = Stub::start(empty_object);
    let run = init(&stub.url(), &[]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(4), ""), "{}", run.stderr);
    assert!(run.stderr.contains("no login of"), "{}", run.stderr);
}

#[test]
fn the_first_answer_that_asks_for_patience_ends_it() {
    let stub = Stub::start(|_| Reply::json(429, &json!({})));
    let run = init(&stub.url(), &[]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""), "{}", run.stderr);
    assert_eq!(stub.asked().len(), 1);
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    assert_eq!(init(&format!("http://127.0.0.1:{port}"), &[]).code, Some(3));
}

#[test]
fn a_file_that_is_there_is_kept_unless_forced() {
    let stub = Stub::start(examples);
    let kept = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(kept.path(), "mine").unwrap();
    let arguments = ["init", "--url", &stub.url(), "--scheme", "ethgas", "--out", path(&kept)];
    let run = countersign(&arguments);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("--force"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(kept.path()).unwrap(), "mine");
    assert!(stub.asked().is_empty());
    let run = countersign(&[&arguments[..], &["--force"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stderr.contains("export ETHGAS_USERNAME=… ETHGAS_PASSWORD=…"), "{}", run.stderr);
    assert_eq!(schemes(&read(&std::fs::read_to_string(kept.path()).unwrap())), ["ethgas"]);
    assert_eq!(init(&stub.url(), &["--scheme", "ethgaz"]).code, Some(2));
    assert_eq!(init("ftp://host", &[]).code, Some(2));
}

#[test]
fn what_is_written_is_judged_once_its_secrets_are_there() {
    let stub = Stub::start(examples);
    let written = tempfile::NamedTempFile::new().unwrap();
    let run = countersign(&[
        "init",
        "--url",
        &stub.url(),
        "--scheme",
        "ethgas",
        "--force",
        "--out",
        path(&written),
    ]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let without = countersign(&["doctor", "--profile", path(&written)]);
    assert_eq!(without.code, Some(2), "{}", without.stdout);
    assert!(without.stdout.contains("ETHGAS_PASSWORD"), "{}", without.stdout);
    let text = std::fs::read_to_string(written.path()).unwrap();
    let text = text.replace("\"env:ETHGAS_USERNAME\"", "\"test-only.alder\"");
    let text = text.replace("\"env:ETHGAS_PASSWORD\"", "\"test-only Alder7-Quay-Lantern\"");
    std::fs::write(written.path(), text).unwrap();
    let name = "ethgas::flow::the-documented-login-works";
    let run = countersign(&["conformance", "--profile", path(&written), "--exact", name]);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
}
