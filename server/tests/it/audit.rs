//! The audit log of a running program whose disk fills up, and that is stopped under load.

use super::operators::{World, ask, signal, wait_for};
use super::process::{Program, refused};
use super::support::{Answer, account, try_send};
use serde_json::{Value, json};
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

/// A world whose audit file is a disk that takes nothing.
fn full(more: &str) -> World {
    let world = World::new(&format!("{ADMIN}{more}"));
    symlink("/dev/full", world.path("audit.jsonl")).unwrap();
    world
}

/// As [`World::new`], with this in the table of the audit log.
fn required(text: &str) -> String {
    text.replace("[audit]\n", "[audit]\nrequired = true\n")
}

fn login(program: &Program) -> Answer {
    let (username, password) = account("ethgas");
    program.post("/api/v1/user/login", &json!({ "username": username, "password": password }))
}

fn figures(operators: SocketAddr, line: &str) -> bool {
    String::from_utf8(ask(operators, "/metrics").body).unwrap().lines().any(|found| found == line)
}

fn events(world: &World) -> Vec<String> {
    let all = world.audit("audit.jsonl");
    all.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_of_while_logins_go_on_and_nothing_is_lost_once_there_is_room() {
    let world = full("");
    let mut program = world.start();
    let operators = program.operators();
    wait_for(operators, "/metrics", |_| figures(operators, "countersign_audit_failing 1"));
    assert_eq!(login(&program).checked(), 200);
    assert_eq!(ask(operators, "/readyz").status, 200, "nobody said that it must be written");
    assert!(figures(operators, "countersign_audit_lost_total 0"), "it waits");
    std::fs::remove_file(world.path("audit.jsonl")).unwrap();
    signal(&program, "-HUP");
    wait_for(operators, "/metrics", |_| figures(operators, "countersign_audit_failing 0"));
    signal(&program, "-TERM");
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    assert_eq!(events(&world), ["start", "login", "stop"]);
}

#[cfg(target_os = "linux")]
#[test]
fn with_audit_required_everything_is_refused_while_it_cannot_be_written() {
    let world = full("");
    let config = std::fs::read_to_string(world.path("c.toml")).unwrap();
    std::fs::write(world.path("c.toml"), required(&config)).unwrap();
    let mut program = world.start();
    let operators = program.operators();
    let unready = wait_for(operators, "/readyz", |answer| answer.status == 503);
    assert_eq!(unready.json()["audit"], "cannot be written");
    let refused = login(&program);
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")), "{refused:?}");
    assert!(refused.json()["code"].is_number(), "in the scheme's own words: {refused:?}");
    assert!(!String::from_utf8_lossy(&refused.body).contains("audit"), "{refused:?}");
    std::fs::remove_file(world.path("audit.jsonl")).unwrap();
    signal(&program, "-HUP");
    wait_for(operators, "/readyz", |answer| answer.status == 200);
    assert_eq!(login(&program).checked(), 200);
    signal(&program, "-TERM");
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    assert_eq!(events(&world), ["start", "refusal", "login", "stop"]);
}

/// A world whose audit file is a pipe, with these settings of the log and of stopping, and the pipe's other end.
fn pipe(audit: &str, more: &str) -> (World, std::thread::JoinHandle<File>) {
    let world = World::new(&format!("{ADMIN}{more}"));
    let path = world.path("audit.jsonl");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let config = std::fs::read_to_string(world.path("c.toml")).unwrap();
    let config = config.replace("[audit]\n", &format!("[audit]\n{audit}\n"));
    std::fs::write(world.path("c.toml"), config).unwrap();
    // Each end is opened once the other is.
    (world, std::thread::spawn(move || File::open(path).unwrap()))
}

/// Asks for so many challenges, each of which is an event; all must be given.
fn flood(program: &Program, count: usize) {
    let wallet = json!({ "wallet_address": "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23" });
    for _ in 0..count {
        assert_eq!(program.post("/login_random_secret", &wallet).checked(), 200);
    }
}

#[test]
fn a_flood_takes_no_more_room_than_it_may_and_each_event_is_written_or_counted() {
    let (world, reader) = pipe("queue = 50", "");
    let mut program = world.start();
    let reader = reader.join().unwrap();
    flood(&program, 1_500);
    let figures = String::from_utf8(ask(program.operators(), "/metrics").body).unwrap();
    let figure = |name: &str| {
        let line = figures.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit_once(' ').unwrap().1.parse::<usize>().unwrap()
    };
    assert_eq!(figure("countersign_audit_waiting"), 50);
    assert!(figure("countersign_audit_lost_total") > 500, "{figures}");
    let reading = std::thread::spawn(move || std::io::read_to_string(reader).unwrap());
    signal(&program, "-TERM");
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    let text = reading.join().unwrap();
    let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |event: &str| told.iter().filter(|line| line["event"] == event).count();
    let lost: usize = told
        .iter()
        .filter(|line| line["event"] == "lost")
        .map(|line| line["cause"].as_str().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(of("challenge") + of("start") + of("stop") + lost, 1_502);
}

#[test]
fn a_log_that_takes_nothing_holds_no_stop_up() {
    let (world, reader) = pipe("queue = 5", "[http]\ngrace_seconds = 1\n");
    let mut program = world.start();
    let held = reader.join().unwrap();
    flood(&program, 900);
    signal(&program, "-TERM");
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    drop(held);
}

#[test]
fn audit_required_without_a_file_is_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml").display().to_string();
    std::fs::write(&file, "[audit]\nrequired = true\n").unwrap();
    let (code, text) = refused(&["--store", "memory", "--listen", "127.0.0.1:0", "--config", &file]);
    assert_eq!(code, Some(2));
    assert!(text.contains("audit.required has no audit.file") && text.trim().lines().count() == 1, "{text}");
}

#[test]
fn whatever_was_answered_before_a_stop_under_load_is_written() {
    let world = World::new("");
    let mut program = world.start();
    let address = program.address;
    let wallet = json!({ "wallet_address": "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23" }).to_string();
    let headers = [("Content-Type", "application/json")];
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(answer) =
                    try_send(address, "POST", "/login_random_secret", &headers, wallet.as_bytes())
                {
                    assert_eq!(answer.status, 200, "{answer:?}");
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        while answered.load(Ordering::SeqCst) < 500 {
            std::thread::yield_now();
        }
        signal(&program, "-TERM");
    });
    assert_eq!(program.child.wait().unwrap().code(), Some(0));
    let told = world.audit("audit.jsonl");
    let of = |event: &str| told.iter().filter(|line| line["event"] == event).count();
    let lost: Vec<&Value> = told.iter().filter(|line| line["event"] == "lost").collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(of("challenge") >= answered.load(Ordering::SeqCst), "{} of {answered:?}", of("challenge"));
    assert_eq!((of("start"), of("stop")), (1, 1));
}
