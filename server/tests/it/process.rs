//! The program itself: what it prints, what it refuses, what a kill leaves.

use super::support::{Answer, account, send};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub(super) struct Program {
    pub(super) child: Child,
    pub(super) address: SocketAddr,
    printed: Vec<String>,
}

impl Program {
    pub(super) fn start(arguments: &[&str]) -> Self {
        Self::logging(arguments, Stdio::null())
    }

    pub(super) fn logging(arguments: &[&str], log: Stdio) -> Self {
        Self::of(command(arguments), arguments, log)
    }

    /// Logging everything there is.
    pub(super) fn tracing(arguments: &[&str], log: std::fs::File) -> Self {
        let mut command = command(arguments);
        command.env("COUNTERSIGN_LOG", "trace");
        Self::of(command, arguments, log.into())
    }

    /// What it printed when it started.
    pub(super) fn printed(&self) -> &[String] {
        &self.printed
    }

    fn of(mut command: Command, arguments: &[&str], log: Stdio) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.strip_prefix("countersign-server listening on http://").unwrap().parse().unwrap();
        let dev = arguments.contains(&"--dev");
        let mut printed = vec![first];
        for line in lines {
            let line = line.unwrap();
            let last = line.contains("curl") || (!dev && line.starts_with("OpenAPI"));
            printed.push(line);
            if last {
                break;
            }
        }
        Self { child, address, printed }
    }

    /// Where operators ask.
    pub(super) fn operators(&self) -> SocketAddr {
        let line = self.printed.iter().find_map(|line| line.strip_prefix("Operators: http://"));
        line.and_then(|line| line.split('/').next()).unwrap().parse().unwrap()
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.address, "POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-server"));
    // The tests' own; the server takes every variable that begins so for a setting.
    command.args(arguments).env_remove("COUNTERSIGN_REQUIRE_ALL");
    command
}

/// Exit code and standard error of a start that must fail.
pub(super) fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(arguments).output().unwrap();
    assert!(output.stdout.is_empty(), "{arguments:?}");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Tells it to stop, and waits; its exit code.
pub(super) fn terminate(program: &mut Program) -> Option<i32> {
    let pid = program.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    program.child.wait().unwrap().code()
}

#[test]
fn a_development_server_prints_where_it_listens_and_a_curl_that_works() {
    let mut program = Program::start(&["--dev", "--listen", "127.0.0.1:0", "--store", "memory"]);
    let curl = program.printed.last().unwrap().trim();
    let body = curl.rsplit_once(" -d '").unwrap().1.strip_suffix('\'').unwrap();
    let answer = program.post("/api/v1/user/login", &serde_json::from_str(body).unwrap());
    assert_eq!(answer.checked(), 200);
    assert!(curl.contains(&program.address.to_string()));
    assert_eq!(program.post("/__clock", &json!({ "advance_seconds": 1 })).checked(), 200);
    assert_eq!(terminate(&mut program), Some(0));
}

#[test]
fn what_cannot_be_used_ends_with_2_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let misspelt = file("a.toml", "lissten = \"127.0.0.1:0\"\n");
    let weak = file("b.toml", "[token]\nsecret = \"secret\"\n");
    let accounts = file("c.toml", "[[scheme.ethgas.account]]\nusername = \"a\"\n");
    let twins = file(
        "d.toml",
        "[[scheme.ethgas.account]]\nusername = \"a\"\npassword = \"x\"\n[[scheme.ethgas.account]]\nusername = \"A\"\npassword = \"x\"\n",
    );
    let cheap = file("e.toml", "[password]\nmemory_kib = 64\npasses = 1\n");
    let network = file("f.toml", "[proxy]\ntrusted = [\"10.0.0.0/33\"]\n");
    let cases: [(&[&str], &str); 9] = [
        (&["--store", "memory", "--listen", "127.0.0.1:0", "--config", &cheap], "19456"),
        (&["--config", &network], "`10.0.0.0/33` is no network"),
        (&["--dev", "--listen", "0.0.0.0:0"], "--dev is refused"),
        (&["--config", &misspelt], "did you mean `listen`?"),
        (&["--store", "memory", "--listen", "127.0.0.1:0", "--config", &weak], "openssl rand"),
        (
            &["--dev", "--store", "memory", "--listen", "127.0.0.1:0", "--accounts", &accounts],
            "`password` is missing",
        ),
        (&["--dev", "--store", "memory", "--listen", "127.0.0.1:0", "--accounts", &twins], "too much like"),
        (&["--config", "/nonexistent/file.toml"], "cannot be read"),
        (
            &["--dev", "--store", "memory", "--listen", "127.0.0.1:0", "--data-dir", "/proc/nonexistent"],
            "cannot make the folder",
        ),
    ];
    for (arguments, expected) in cases {
        let (code, text) = refused(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected) && text.trim().lines().count() == 1, "{arguments:?}: {text}");
    }
    assert_eq!(refused(&["--unknown"]).0, Some(2));
}

#[cfg(not(any(feature = "postgres", feature = "redis")))]
#[test]
fn a_store_that_was_left_out_is_refused_by_the_name_of_its_feature() {
    for name in ["postgres", "redis"] {
        let (code, text) = refused(&["--dev", "--listen", "127.0.0.1:0", "--store", name]);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(&format!("--features {name}")) && text.trim().lines().count() == 1, "{text}");
    }
}

#[test]
fn a_production_server_has_no_development_controls_and_keeps_its_key_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let program = Program::start(&["--listen", "127.0.0.1:0", "--data-dir", &data]);
    assert_eq!(program.post("/__clock", &json!({ "advance_seconds": 1 })).checked(), 404);
    assert_eq!(program.post("/__reset", &json!({})).checked(), 404);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let key = Path::new(&data).join("keys.json");
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        drop(program);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let (code, text) = refused(&["--listen", "127.0.0.1:0", "--data-dir", &data]);
        assert_eq!(code, Some(2));
        assert!(text.contains("chmod 600"), "{text}");
    }
}

#[test]
fn a_kill_loses_no_session_no_logout_and_brings_no_token_back() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let accounts = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/accounts.toml");
    let arguments = ["--listen", "127.0.0.1:0", "--data-dir", &data, "--accounts", accounts];
    let (username, password) = account("ethgas");
    let (refresh, bearer) = ("/api/v1/user/login/refresh", "/api/v1/user/logout");
    let mut live = Vec::new();
    let mut ended = Vec::new();
    for _ in 0..5 {
        let mut program = Program::start(&arguments);
        for token in live.drain(..) {
            assert_eq!(
                program.post(refresh, &json!({ "refreshToken": token })).checked(),
                200,
                "a session was lost"
            );
        }
        for token in &ended {
            assert_eq!(
                program.post(refresh, &json!({ "refreshToken": token })).checked(),
                401,
                "a session came back"
            );
        }
        for _ in 0..3 {
            let login =
                || program.post("/api/v1/user/login", &json!({ "username": username, "password": password }));
            live.push(login().text("/data/refreshToken"));
            let out = login();
            let access = format!("Bearer {}", out.text("/data/accessToken"));
            let answer = send(program.address, "POST", bearer, &[("Authorization", &access)], b"");
            assert_eq!(answer.checked(), 200);
            ended.push(out.text("/data/refreshToken"));
        }
        // SIGKILL, with nothing said before.
        program.child.kill().unwrap();
        program.child.wait().unwrap();
    }
}
