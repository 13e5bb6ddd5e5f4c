//! The README's page for production, followed as it stands there but for building and for its ports.

use super::process::command;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

const README: &str = include_str!("../../../README.md");

/// The fenced blocks of the page, each with its kind.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let page = README.split_once("\n## In production\n").unwrap().1.split("\n## ").next().unwrap();
    let fenced = page.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

fn has(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// A port that was free a moment ago.
fn port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[test]
fn the_page_leads_to_a_server_with_tls_an_account_figures_and_an_audit_log() {
    for program in ["openssl", "curl", "sh"] {
        if !has(program) {
            assert!(std::env::var_os("COUNTERSIGN_REQUIRE_ALL").is_none(), "{program} is not installed");
            drop(writeln!(std::io::stderr(), "skipped the page for production: no {program}"));
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (public, operators) = (port(), port());
    let local = |text: &str| text.replace("8443", &public).replace("9090", &operators);
    let blocks = blocks();
    let kinds: Vec<&str> = blocks.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["sh", "sh", "toml", "sh", "sh", "text"]);
    assert!(blocks[0].1.contains("cargo install") && blocks[0].1.lines().count() == 2);
    std::fs::write(folder.path().join("countersign.toml"), local(blocks[2].1)).unwrap();
    let script = [blocks[1].1, blocks[3].1, blocks[4].1].map(local).concat();
    // No answer waits until its event is written; whoever types has waited for it, a script has to.
    let look = script.lines().find(|line| line.contains("audit.jsonl") && line.starts_with("grep")).unwrap();
    let patient =
        format!("tries=0; until {look}; do tries=$((tries+1)); [ $tries -lt 100 ]; sleep 0.1; done");
    let script = script.replace(look, &patient);
    // The server ends with the script, whatever becomes of that.
    let script = format!("set -e\ntrap 'kill $!; wait' EXIT\n{script}");

    let binary = Path::new(command(&[]).get_program()).parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", binary.display()))
        .env_remove("COUNTERSIGN_REQUIRE_ALL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"correct horse battery staple\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut printed = out.lines();
    for expected in blocks[5].1.lines() {
        let parts: Vec<&str> = expected.split('…').collect();
        let is_like = |line: &str| {
            let mut rest = line;
            parts.iter().all(|part| rest.find(part).map(|at| rest = &rest[at + part.len()..]).is_some())
        };
        assert!(printed.any(is_like), "{expected} is not in:\n{out}\n{err}");
    }
    assert!(out.contains("tls.cert = \"cert.pem\"  # countersign.toml"), "{out}");
    assert!(out.contains("ethgas: `alice` was added"), "{out}");
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap();
    assert!(log.lines().count() > 0 && log.lines().all(|line| line.starts_with('{')), "{log}");
}
