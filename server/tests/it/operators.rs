//! What operators see of the running program: readiness, figures, the audit log.

use super::process::{Program, refused};
use super::support::{Answer, account, send};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

pub(super) struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// A folder with a configuration that is this and what every test here needs.
    pub(super) fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let world = Self { folder };
        let accounts = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/accounts.toml");
        let config = format!(
            "listen = \"127.0.0.1:0\"\naccounts = {accounts:?}\n[store]\ndata_dir = {:?}\n[audit]\nfile = {:?}\n\
             [limits]\nclient_per_second = 0\n{text}",
            world.path("data"),
            world.path("audit.jsonl")
        );
        std::fs::write(world.path("c.toml"), config).unwrap();
        world
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(super) fn start(&self) -> Program {
        Program::start(&["--config", &self.path("c.toml")])
    }

    pub(super) fn audit(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(super) fn ask(operators: SocketAddr, path: &str) -> Answer {
    send(operators, "GET", path, &[], b"")
}

/// Asks again and again until the answer is this, for a minute.
pub(super) fn wait_for(operators: SocketAddr, path: &str, done: impl Fn(&Answer) -> bool) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = ask(operators, path);
        if done(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{answer:?}");
    }
}

pub(super) fn signal(program: &Program, name: &str) {
    let process = program.child.id().to_string();
    assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
}

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

#[test]
fn readiness_figures_and_audit_tell_what_happened_and_to_whom() {
    let world = World::new(ADMIN);
    let mut program = world.start();
    let operators = program.operators();
    assert_eq!(ask(operators, "/healthz").json(), json!({ "status": "ok" }));
    assert_eq!(ask(operators, "/readyz").json(), json!({ "status": "ready" }));
    assert_eq!(send(program.address, "GET", "/metrics", &[], b"").status, 404, "not for strangers");

    let (username, password) = account("ethgas");
    let login = |password: &str| {
        program.post("/api/v1/user/login", &json!({ "username": username, "password": password }))
    };
    let refresh = |token: &str| program.post("/api/v1/user/login/refresh", &json!({ "refreshToken": token }));
    let good = login(&password);
    let refused = login("wrong");
    assert_eq!((good.checked(), refused.checked()), (200, 401));
    let first = good.text("/data/refreshToken");
    let second = refresh(&first).text("/data/refreshToken");
    let third = refresh(&second);
    assert_eq!((third.checked(), refresh(&first).checked()), (200, 401), "a copy is found out");
    let access = format!("Bearer {}", login(&password).text("/data/accessToken"));
    let out = send(program.address, "POST", "/api/v1/user/logout", &[("Authorization", &access)], b"");
    assert_eq!(out.checked(), 200);
    let wallet = json!({ "wallet_address": "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23" });
    assert_eq!(program.post("/login_random_secret", &wallet).checked(), 200);
    for path in ["/nowhere", "/nowhere/else"] {
        assert_eq!(send(program.address, "GET", path, &[], b"").status, 404);
    }

    let figures = String::from_utf8(ask(operators, "/metrics").body).unwrap();
    for line in [
        "countersign_requests_total{scheme=\"ethgas\",operation=\"login\",outcome=\"ok\"} 2",
        "countersign_requests_total{scheme=\"ethgas\",operation=\"login\",outcome=\"denied\"} 1",
        "countersign_requests_total{scheme=\"none\",operation=\"other\",outcome=\"ok\"} 3",
        "countersign_request_duration_seconds_count{scheme=\"ethgas\",operation=\"refresh\"} 3",
        "countersign_logins_total{scheme=\"ethgas\",outcome=\"ok\"} 2",
        "countersign_logins_total{scheme=\"ethgas\",outcome=\"denied\"} 1",
        "countersign_refresh_reuse_total{scheme=\"ethgas\"} 1",
        "countersign_hashes_waiting 0",
        "countersign_hashes_shed_total 0",
        "countersign_audit_lost_total 0",
    ] {
        assert!(figures.lines().any(|found| found == line), "{line} in {figures}");
    }
    assert!(
        figures.contains("countersign_store_call_duration_seconds_bucket{le=")
            && figures.ends_with("# EOF\n")
    );
    assert!(!figures.contains(&username) && !figures.contains("nowhere"), "labels are ours");

    signal(&program, "-TERM");
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    let told = world.audit("audit.jsonl");
    let events: Vec<&str> = told.iter().map(|line| line["event"].as_str().unwrap()).collect();
    let expected = [
        "start",
        "login",
        "refusal",
        "refresh",
        "refresh",
        "reuse",
        "refusal",
        "login",
        "logout",
        "challenge",
        "stop",
    ];
    assert_eq!(events, expected, "{told:?}");
    let (login, wrong, reuse) = (&told[1], &told[2], &told[5]);
    assert_eq!(login["request_id"].as_str(), good.header("x-request-id"));
    assert_eq!((&login["source"], &login["scheme"]), (&json!("127.0.0.1"), &json!("ethgas")));
    assert_eq!(login["operation"], "login");
    assert!(login["subject"].is_string() && login["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!((&wrong["cause"], &wrong["reason"]), (&json!("denied/credentials"), &json!("wrong password")));
    assert_eq!(wrong["request_id"].as_str(), refused.header("x-request-id"));
    assert_eq!(reuse["cause"], "reuse-older");
    assert_eq!((&reuse["generation"], &reuse["presented"]), (&json!(2), &json!(0)));
}

#[test]
fn a_moved_audit_file_is_followed_by_another_on_a_hangup() {
    let world = World::new(ADMIN);
    let mut program = world.start();
    let (username, _) = account("ethgas");
    let fail =
        || program.post("/api/v1/user/login", &json!({ "username": username, "password": "x" })).status;
    assert_eq!(fail(), 401);
    std::fs::rename(world.path("audit.jsonl"), world.path("old.jsonl")).unwrap();
    signal(&program, "-HUP");
    let begun = Instant::now();
    while !std::path::Path::new(&world.path("audit.jsonl")).exists() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::yield_now();
    }
    assert_eq!(fail(), 401);
    signal(&program, "-TERM");
    assert_eq!(program.child.wait().unwrap().code(), Some(0), "a hangup ends nothing");
    let events = |name: &str| {
        world.audit(name).iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(events("old.jsonl"), ["start", "refusal"]);
    assert_eq!(events("audit.jsonl"), ["refusal", "stop"]);
}

#[test]
fn an_admin_listener_that_others_reach_is_refused_unless_it_is_meant() {
    let world = World::new("[admin]\nlisten = \"0.0.0.0:0\"\n");
    let (code, text) = refused(&["--config", &world.path("c.toml")]);
    assert_eq!(code, Some(2));
    assert!(text.contains("allow_remote = true") && text.trim().lines().count() == 1, "{text}");
    let mut program = World::new("[admin]\nlisten = \"0.0.0.0:0\"\nallow_remote = true\n").start();
    signal(&program, "-TERM");
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    let (code, text) = refused(&["--store", "memory", "--listen", "127.0.0.1:0", "--config", &{
        let file = world.path("d.toml");
        std::fs::write(&file, "[audit]\nfile = \"/nonexistent/audit.jsonl\"\n").unwrap();
        file
    }]);
    assert_eq!(code, Some(2));
    assert!(text.contains("audit.file: /nonexistent/audit.jsonl cannot be opened"), "{text}");
}
