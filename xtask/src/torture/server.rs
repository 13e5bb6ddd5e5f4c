//! The server under torture: a process with a configuration, a folder, and a way to end.

use countersign_fixtures::keeper::{self, Keeper};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What stands before the address in a server's first line.
const READY: &str = " listening on ";
/// What stands before the process id in the line the shell writes.
const PROCESS: &str = "countersign-torture runs ";
/// The flag of a server for development.
const DEV: &str = "--dev";
/// How long it may take to say so, on a machine with other work.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Descriptors a server needs for the largest crowd of connections here, with some to spare.
pub(crate) const DESCRIPTORS: u64 = 8_192;

/// Where a server keeps its state and how it is set up, over any number of lives.
#[derive(Debug)]
pub(crate) struct Home {
    binary: PathBuf,
    /// Removed when this goes.
    folder: TempDir,
    arguments: Vec<String>,
    /// The cores it is kept on, as `taskset` takes them, where that can be done.
    cores: Option<String>,
}

impl Home {
    /// A fresh home. `--dev` gives the server the accounts of `fixtures/accounts.toml`, cheap hashes where the
    /// configuration names no others, and no limits on how often one caller asks.
    ///
    /// # Errors
    /// Why its folder could not be made.
    pub(crate) fn new(binary: &Path, config: &str) -> Result<Self, String> {
        let mut home = Self::of(binary, Vec::new())?;
        let file = home.folder.path().join("countersign.toml");
        std::fs::write(&file, config).map_err(|error| format!("{}: {error}", file.display()))?;
        let (file, data) =
            (file.display().to_string(), home.folder.path().join("data").display().to_string());
        let arguments = ["--listen", "127.0.0.1:0", "--config", &file, "--data-dir", &data, DEV];
        home.arguments = arguments.map(str::to_owned).to_vec();
        Ok(home)
    }

    /// A home of another program that says in its first line where it listens.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn of(binary: &Path, arguments: Vec<String>) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("countersign-torture-")
            .tempdir()
            .map_err(|error| format!("no temporary folder for a server: {error}"))?;
        Ok(Self { binary: binary.to_owned(), folder, arguments, cores: None })
    }

    /// Without `--dev`.
    pub(crate) fn production(mut self) -> Self {
        self.arguments.retain(|argument| argument != DEV);
        self
    }

    /// Kept on these cores, such as `0` or `0-3`, if there is a `taskset`.
    pub(crate) fn on_cores(mut self, cores: &str) -> Self {
        self.cores = Some(cores.to_owned());
        self
    }

    /// The folder, in which the server keeps its own.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a server on what earlier ones left here, and waits until it listens.
    ///
    /// # Errors
    /// Why it does not, with the end of what it wrote to standard error.
    pub(crate) fn start(&self) -> Result<Server, String> {
        let begun = Instant::now();
        // The shell becomes the server, so its process id is the server's.
        let run = match &self.cores {
            Some(cores) => {
                format!("taskset -c {cores} true 2>/dev/null && exec taskset -c {cores} \"$0\" \"$@\"; ")
            }
            None => String::new(),
        };
        let script =
            format!("echo \"{PROCESS}$$\"; ulimit -n {DESCRIPTORS} 2>/dev/null; {run}exec \"$0\" \"$@\"");
        let mut arguments = vec!["-c".to_owned(), script, self.binary.display().to_string()];
        arguments.extend(self.arguments.iter().cloned());
        // The keeper removes its folder where a life ends in good order; nothing is kept there.
        let life = self.folder.path().join("life");
        std::fs::create_dir_all(&life).map_err(|error| format!("{}: {error}", life.display()))?;
        let mut keeper = Keeper::spawn(&life, keeper::Ending::Kill, Path::new("sh"), &arguments)?;
        let mut process = None;
        let url = keeper
            .wait_for(START_LIMIT, |line| {
                process = process.or_else(|| line.strip_prefix(PROCESS)?.parse().ok());
                address(line).map(str::to_owned)
            })
            .map_err(|reason| format!("the server {reason}"))?;
        let process = process.ok_or("the shell did not name the server's process")?;
        Ok(Server { url, process, opened_in: begun.elapsed(), keeper })
    }
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    url: String,
    process: u32,
    opened_in: Duration,
    keeper: Keeper,
}

impl Server {
    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub(crate) const fn process(&self) -> u32 {
        self.process
    }

    /// From the start of the process until it listened.
    pub(crate) const fn opened_in(&self) -> Duration {
        self.opened_in
    }

    /// `SIGKILL`, at once.
    pub(crate) fn kill(self) {
        self.keeper.end_and_leave_folder();
    }

    /// `SIGTERM`; the server takes its time.
    ///
    /// # Errors
    /// That no signal could be sent.
    pub(crate) fn terminate(&self) -> Result<(), String> {
        let status = Command::new("kill")
            .args(["-TERM", &self.process.to_string()])
            .stderr(Stdio::null())
            .status()
            .map_err(|error| format!("kill could not be started: {error}"))?;
        if status.success() { Ok(()) } else { Err("the server was gone before its signal".to_owned()) }
    }

    /// Whether the process still runs; one that nobody has asked about since it ended does not.
    pub(crate) fn runs(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process)).unwrap_or_default();
        stat.rsplit_once(')')
            .is_some_and(|(_, rest)| !matches!(rest.trim_start().chars().next(), Some('Z' | 'X')))
    }

    /// A figure of `/proc/PID/status` in KiB, such as `VmRSS` or `VmHWM`.
    ///
    /// # Errors
    /// That there is none: the process is gone, or this is no Linux.
    pub(crate) fn memory(&self, name: &str) -> Result<u64, String> {
        let file = format!("/proc/{}/status", self.process);
        let status = std::fs::read_to_string(&file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok())
            .ok_or_else(|| format!("{file} has no {name}; Linux has one while the process runs"))
    }
}

/// The address in the server's start-up line.
fn address(line: &str) -> Option<&str> {
    let address = line.split_once(READY)?.1.split([' ', ',', ';']).next()?;
    address.starts_with("http").then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn home(script: &str) -> (TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let home = Home::new(&path, "[store]\n").unwrap();
        (folder, home)
    }

    #[test]
    fn a_server_is_known_by_its_process_and_gone_when_killed() {
        let (_folder, home) =
            home("echo 'countersign-server listening on http://127.0.0.1:9'; exec sleep 60");
        let server = home.start().unwrap();
        assert_eq!(server.url(), "http://127.0.0.1:9");
        assert!(server.runs() && server.memory("VmRSS").is_ok_and(|kib| kib > 0));
        let file = format!("/proc/{}", server.process);
        server.kill();
        assert!(!Path::new(&file).exists());
        // The folder is there for the next life.
        home.start().unwrap().kill();
    }

    #[test]
    fn a_server_that_ends_when_asked_no_longer_runs() {
        let (_folder, home) = home(
            "trap 'exit 0' TERM\necho 'countersign-server listening on http://127.0.0.1:9'\n\
             while :; do sleep 0.02; done",
        );
        let server = home.start().unwrap();
        server.terminate().unwrap();
        let gone = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            !server.runs()
        });
        assert!(gone);
    }

    #[test]
    fn a_server_that_does_not_start_is_quoted() {
        let (_folder, home) = home("echo 'no such store' >&2; exit 2");
        assert_eq!(home.start().unwrap_err(), "the server ended before it listened:\n  no such store");
    }
}
