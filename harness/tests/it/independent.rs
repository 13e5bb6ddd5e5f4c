//! A server that shares nothing with ours, in another language, is judged without a finding.

use crate::program::countersign;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A process that is stopped however its test ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The server and its address; none where there is no Python and there need not be.
pub(crate) fn start() -> Option<(impl Drop, String)> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let spawned = Command::new("python3")
        .arg(fixtures.join("servers/ethgas.py"))
        .arg("--accounts")
        .arg(fixtures.join("accounts.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(child) = spawned else {
        assert!(std::env::var_os("COUNTERSIGN_REQUIRE_ALL").is_none(), "python3 is not installed");
        drop(writeln!(std::io::stderr(), "skipped: python3 is not installed"));
        return None;
    };
    let mut server = Server(child);
    let mut line = String::new();
    let stdout = server.0.stdout.take().expect("stdout is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
    let url = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
    Some((server, url))
}

#[test]
fn a_server_in_python_conforms() {
    let Some((_server, url)) = start() else { return };
    let profile = tempfile::NamedTempFile::new().unwrap();
    let text =
        format!("url = \"{url}\"\n[clock]\nadvance = \"/__clock\"\nreset = \"/__reset\"\n[scheme.ethgas]\n");
    std::fs::write(profile.path(), text).unwrap();
    let run =
        countersign(&["conformance", "--profile", &profile.path().display().to_string(), "--seed", "7"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert!(run.findings().is_empty(), "{}", run.stdout);
    let judged =
        run.stdout.lines().find_map(|line| line.split_once(" checks judged").map(|(before, _)| before));
    let count =
        judged.and_then(|before| before.rsplit(' ').next()).and_then(|count| count.parse::<u32>().ok());
    assert!(count.is_some_and(|count| count >= 150), "{}", run.stdout);
}
