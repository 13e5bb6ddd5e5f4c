//! Accounts changed by the program's own commands.

use super::process::{Program, command};
use serde_json::json;
use std::io::Write as _;
use std::process::Stdio;

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Exit code, standard output and standard error of an `accounts` command that is given this on standard input.
    fn accounts(&self, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
        let audit = self.path("audit.jsonl");
        let mut child = command(&["accounts", "--data-dir", &self.path("data")])
            .args(arguments)
            .env("COUNTERSIGN_AUDIT_FILE", audit)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that needs no password reads none.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    fn done(&self, arguments: &[&str], input: &str) -> String {
        let (code, out, err) = self.accounts(arguments, input);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}: {out}");
        out
    }

    fn refused(&self, arguments: &[&str], input: &str) -> String {
        let (code, out, err) = self.accounts(arguments, input);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        assert_eq!(err.trim().lines().count(), 1, "{err}");
        err
    }

    /// The status of a login at a server that is started for it.
    fn login(&self, password: &str) -> u16 {
        let program = Program::start(&["--listen", "127.0.0.1:0", "--data-dir", &self.path("data")]);
        let body = json!({ "username": "ada", "password": password });
        program.post("/api/v1/user/login", &body).checked()
    }
}

#[test]
fn an_account_is_added_logs_in_and_is_changed() {
    let world = World::new();
    assert_eq!(world.done(&["add", "ethgas", "ada"], "pass word \nnot this\n"), "ethgas: `ada` was added\n");
    assert_eq!(world.login("pass word "), 200, "one line, as it is");
    assert_eq!(world.done(&["list"], ""), "ethgas            1  enabled   ada\n");
    world.done(&["disable", "ethgas", "ada"], "");
    assert_eq!(world.done(&["list", "ethgas"], ""), "ethgas            1  disabled  ada\n");
    assert_eq!(world.login("pass word "), 401);
    world.done(&["enable", "ethgas", "ada"], "");
    world.done(&["passwd", "ethgas", "ada"], "other\r\n");
    assert_eq!((world.login("pass word "), world.login("other")), (401, 200));
    world.done(&["remove", "ethgas", "ada"], "");
    assert_eq!(world.done(&["list"], ""), "");
    assert_eq!(world.login("other"), 401);
    let told = std::fs::read_to_string(world.path("audit.jsonl")).unwrap();
    let changes: Vec<String> = told
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| format!("{} {} {}", line["event"], line["subject"], line["cause"]).replace('"', ""))
        .collect();
    let expected = ["added", "disabled", "enabled", "given another password", "removed"];
    assert_eq!(changes, expected.map(|change| format!("account-changed ada {change}")));
    assert!(!told.contains("other\"") && !told.contains("pass word"));
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    let world = World::new();
    world.done(&["add", "cbs", "ada", "--mark", "must_change_password"], "one\n");
    for (arguments, input, expected) in [
        (&["add", "cbs", "ada"][..], "two\n", "already"),
        (&["add", "cbs", "ADA"], "two\n", "too much like `ada`"),
        (&["add", "cbs", "bob"], "\n", "between 1 and 1024 bytes"),
        (&["add", "cbs", "bob"], "", "between 1 and 1024 bytes"),
        (
            &["add", "cbs", "bob", "--mark", "must_change_pasword"],
            "two\n",
            "did you mean `must_change_password`?",
        ),
        (&["add", "cb", "bob"], "two\n", "did you mean `cbs`?"),
        (&["add", "swapchat", "bob"], "two\n", "has no accounts"),
        (&["passwd", "cbs", "bob"], "two\n", "has no account `bob`"),
        (&["disable", "cbs", "bob"], "", "has no account `bob`"),
        (&["enable", "cbs", "bob"], "", "see `accounts list cbs`"),
        (&["remove", "cbs", "bob"], "", "has no account `bob`"),
        (&["list", "--store", "memory"], "", "end with it"),
    ] {
        let err = world.refused(arguments, input);
        assert!(err.contains(expected), "{arguments:?}: {err}");
    }
    assert_eq!(
        world.done(&["list", "cbs"], ""),
        "cbs               1  enabled   ada  must_change_password\n"
    );
    let output = command(&["accounts", "add", "cbs", "bob", "two"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "a password is no argument");
}

#[test]
fn a_running_server_that_has_the_store_for_itself_is_named() {
    let world = World::new();
    let program = Program::start(&["--listen", "127.0.0.1:0", "--data-dir", &world.path("data")]);
    let err = world.refused(&["list"], "");
    assert!(err.contains("has this store for itself") || !cfg!(target_os = "linux"), "{err}");
    if cfg!(target_os = "linux") {
        assert!(err.contains(&format!("kill {}", program.child.id())), "{err}");
    }
}
