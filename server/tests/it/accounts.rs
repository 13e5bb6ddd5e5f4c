//! Accounts changed by the program's own commands.

use super::process::{Program, command, terminate};
use super::support::send;
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

    /// A server that writes down what happens in `server.jsonl`.
    fn serve(&self) -> Program {
        let config = self.path("c.toml");
        std::fs::write(&config, format!("[audit]\nfile = {:?}\n", self.path("server.jsonl"))).unwrap();
        Program::start(&["--listen", "127.0.0.1:0", "--data-dir", &self.path("data"), "--config", &config])
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

#[cfg(unix)]
#[test]
fn a_running_server_makes_the_change_and_a_new_password_ends_the_sessions() {
    let world = World::new();
    world.done(&["add", "ethgas", "ada"], "one\n");
    let offline = std::fs::read_to_string(world.path("audit.jsonl")).unwrap();
    let mut program = world.serve();
    let login = |password: &str| {
        program.post("/api/v1/user/login", &json!({ "username": "ada", "password": password }))
    };
    let session = login("one");
    let bearer = format!("Bearer {}", session.text("/data/accessToken"));
    let info =
        || send(program.address, "GET", "/api/v1/user/info", &[("Authorization", &bearer)], b"").status;
    let refresh = json!({ "refreshToken": session.text("/data/refreshToken") });
    assert_eq!(info(), 200);

    assert_eq!(
        world.done(&["passwd", "ethgas", "ada"], "Canary-Word\n"),
        "ethgas: `ada` was given another password\n"
    );
    assert_eq!((login("one").checked(), login("Canary-Word").checked()), (401, 200));
    assert_eq!((info(), program.post("/api/v1/user/login/refresh", &refresh).checked()), (401, 401));
    world.done(&["add", "cbs", "bob", "--mark", "must_change_password"], "two\n");
    let bob = json!({ "user": "bob", "password": "two" });
    assert_eq!(program.post("/v1/api/auth/login", &bob).checked(), 200);
    world.done(&["disable", "cbs", "bob"], "");
    assert_eq!(program.post("/v1/api/auth/login", &bob).checked(), 401);
    assert_eq!(
        world.done(&["list"], ""),
        "ethgas            1  enabled   ada\ncbs               1  disabled  bob  must_change_password\n"
    );
    assert!(world.refused(&["enable", "cbs", "eve"], "").contains("has no account `eve`"));
    assert!(world.refused(&["add", "cbs", "bob"], "two\n").contains("already"));
    assert!(world.refused(&["add", "cbs", "eve"], "\n").contains("between 1 and 1024 bytes"));

    // Who ran the command wrote nothing: the server did, once for each.
    assert_eq!(std::fs::read_to_string(world.path("audit.jsonl")).unwrap(), offline);
    terminate(&mut program);
    let told = std::fs::read_to_string(world.path("server.jsonl")).unwrap();
    let changes: Vec<&str> =
        told.lines().filter(|line| line.contains("\"event\":\"account-changed\"")).collect();
    assert_eq!(changes.len(), 3, "{told}");
    assert!(changes[0].contains("given another password") && !told.contains("Canary-Word"), "{told}");
    assert!(!std::path::Path::new(&world.path("data/control.sock")).exists());
    assert_eq!(world.login("Canary-Word"), 200, "it was kept");
}

#[cfg(unix)]
#[test]
fn the_socket_is_its_owner_s_alone_and_one_left_by_a_crash_is_in_nobody_s_way() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let mode = |name: &str| std::fs::metadata(world.path(name)).unwrap().permissions().mode() & 0o777;
    let mut program = world.serve();
    assert_eq!((mode("data"), mode("data/control.sock"), mode("data/store.redb")), (0o700, 0o600, 0o600));
    program.child.kill().unwrap();
    program.child.wait().unwrap();
    assert!(std::path::Path::new(&world.path("data/control.sock")).exists(), "it was not given the time");
    world.done(&["add", "ethgas", "ada"], "one\n");
    let program = world.serve();
    world.done(&["disable", "ethgas", "ada"], "");
    assert_eq!(world.done(&["list"], ""), "ethgas            1  disabled  ada\n");
    drop(program);
}

#[cfg(unix)]
#[test]
fn a_folder_too_deep_for_a_socket_costs_no_more_than_that() {
    let world = World::new();
    let deep = world.path(&"a-long-name/".repeat(20));
    let mut program = Program::start(&["--listen", "127.0.0.1:0", "--data-dir", &deep]);
    let body = json!({ "username": "ada", "password": "one" });
    assert_eq!(program.post("/api/v1/user/login", &body).checked(), 401, "it serves");
    let accounts = |input: &str| {
        let mut child = command(&["accounts", "add", "ethgas", "ada", "--data-dir", &deep])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, err) = accounts("one\n");
    assert_eq!(code, Some(2));
    assert!(err.contains("takes no changes") || !cfg!(target_os = "linux"), "{err}");
    terminate(&mut program);
    assert_eq!(accounts("one\n"), (Some(0), String::new()));
}

#[cfg(unix)]
#[test]
fn what_is_no_change_is_answered_and_a_socket_that_is_gone_names_the_process() {
    use std::io::Read as _;
    let world = World::new();
    let program = world.serve();
    let socket = world.path("data/control.sock");
    for sent in ["", "{}\n", "{\"add\":{\"who\":{}}}\n", &"x".repeat(20_000)] {
        let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        // It may have answered before it was told everything.
        let _ = stream.write_all(sent.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.contains("does not understand") || sent.len() > 10_000, "{answer}");
    }
    assert_eq!(world.done(&["list"], ""), "", "it still listens");
    std::fs::remove_file(&socket).unwrap();
    let err = world.refused(&["list"], "");
    if cfg!(target_os = "linux") {
        assert!(
            err.contains(&format!("kill {}", program.child.id())) && err.contains("control.sock"),
            "{err}"
        );
    }
}
