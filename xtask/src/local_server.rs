//! The reference server as a process that never outlives this one.

use countersign_fixtures::keeper::{Ending, Keeper};
use std::path::Path;
use std::time::Duration;

/// What the server's first line must begin with; the address follows.
const READY: &str = "countersign-server listening on ";
/// How long it may take to say so. The embedded store is new and accounts are hashed once.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running server. Dropping it stops the server and removes its data.
#[derive(Debug)]
pub(crate) struct LocalServer {
    url: String,
    _keeper: Keeper,
}

/// Where the server keeps its state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Store<'a> {
    /// As `--store` names it.
    pub(crate) name: &'a str,
    /// Where it is, if it is a server of its own.
    pub(crate) url: Option<&'a str>,
}

impl Store<'_> {
    /// In this server's memory.
    pub(crate) const MEMORY: Store<'static> = Store { name: "memory", url: None };
}

impl LocalServer {
    /// Starts the binary on a free port of this machine and waits until it listens.
    ///
    /// # Errors
    /// Why it does not, with the end of what it wrote to standard error.
    pub(crate) fn start(binary: &Path, store: Store<'_>) -> Result<Self, String> {
        let mut flags: Vec<String> =
            ["--dev", "--listen", "127.0.0.1:0", "--store", store.name].map(Into::into).into();
        let folder = tempfile::Builder::new()
            .prefix("countersign-")
            .tempdir()
            .map_err(|error| format!("no temporary folder for the server's data: {error}"))?
            .keep();
        flags.extend(["--data-dir".to_owned(), folder.display().to_string()]);
        if let Some(url) = store.url {
            // In a file that only we can read: everybody can read the arguments of a process.
            let config = folder.join("countersign.toml");
            let text = format!("[store]\nurl = {}\nprefix = \"{PREFIX}\"\n", toml::Value::from(url));
            std::fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
            flags.extend(["--config".to_owned(), config.display().to_string()]);
        }
        let mut keeper = Keeper::spawn(&folder, Ending::Terminate, binary, &flags)?;
        let url = keeper
            .wait_for(START_LIMIT, |line| address(line).map(str::to_owned))
            .map_err(|reason| format!("the reference server {reason}"))?;
        Ok(Self { url, _keeper: keeper })
    }

    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// What the server's keys in a Redis begin with: not what a server in production would use, whose keys must stay.
const PREFIX: &str = "countersign-conformance";

/// The address in the server's start-up line.
fn address(line: &str) -> Option<&str> {
    let rest = line.strip_prefix(READY)?;
    let address = rest.split([' ', ',', ';']).next()?;
    address.starts_with("http").then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};

    /// A program that stands in for the server.
    fn program(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("server");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn is_alive(pid: &str) -> bool {
        Command::new("sh")
            .args(["-c", &format!("kill -0 {pid}")])
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    }

    #[test]
    fn the_address_is_read_from_the_first_line() {
        assert_eq!(address("countersign-server listening on http://127.0.0.1:4"), Some("http://127.0.0.1:4"));
        assert_eq!(
            address("countersign-server listening on http://127.0.0.1:4, dev"),
            Some("http://127.0.0.1:4")
        );
        assert_eq!(address("something else"), None);
    }

    #[test]
    fn a_server_is_given_its_flags_and_stopped_with_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let notes = folder.path().join("notes");
        // It ignores the first signal's default and says so, as a server that shuts down gracefully would.
        let script = format!(
            "echo \"$$ $*\" > {0}\ntrap 'echo stopped >> {0}; exit 0' TERM\n\
             echo 'countersign-server listening on http://127.0.0.1:9'\nwhile :; do sleep 0.05; done",
            notes.display()
        );
        let server = LocalServer::start(&program(folder.path(), &script), Store::MEMORY).unwrap();
        assert_eq!(server.url(), "http://127.0.0.1:9");
        let said = std::fs::read_to_string(&notes).unwrap();
        let (pid, flags) = said.trim().split_once(' ').unwrap();
        let (flags, data) = flags.split_once(" --data-dir ").unwrap();
        assert_eq!(flags, "--dev --listen 127.0.0.1:0 --store memory");
        assert!(is_alive(pid) && Path::new(data).is_dir());
        drop(server);
        assert!(!is_alive(pid) && !Path::new(data).exists());
        assert!(std::fs::read_to_string(&notes).unwrap().ends_with("stopped\n"));
    }

    #[test]
    fn the_address_of_a_store_is_no_argument() {
        let folder = tempfile::tempdir().unwrap();
        let notes = folder.path().join("notes");
        let script = format!(
            "echo \"$*\" > {0}\nfor last; do :; done\ncat \"$last\" >> {0}\n\
             echo 'countersign-server listening on http://127.0.0.1:9'; exec sleep 60",
            notes.display()
        );
        let store = Store { name: "redis", url: Some("redis://:a\"b@c") };
        drop(LocalServer::start(&program(folder.path(), &script), store).unwrap());
        let said = std::fs::read_to_string(&notes).unwrap();
        let (flags, config) = said.split_once('\n').unwrap();
        assert!(flags.contains("--store redis") && !flags.contains("redis://"), "{flags}");
        let config: toml::Table = config.parse().unwrap();
        assert_eq!(config["store"]["url"].as_str(), store.url);
    }

    #[test]
    fn a_server_that_does_not_start_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let error = LocalServer::start(
            &program(folder.path(), "echo 'no such store: shelf' >&2; exit 2"),
            Store { name: "shelf", url: None },
        );
        assert_eq!(
            error.unwrap_err(),
            "the reference server ended before it listened:\n  no such store: shelf"
        );
        let error = LocalServer::start(&program(folder.path(), "exit 0"), Store::MEMORY).unwrap_err();
        assert_eq!(error, "the reference server ended before it listened and wrote no reason");
    }

    #[test]
    fn much_output_does_not_stop_a_server() {
        let folder = tempfile::tempdir().unwrap();
        let script = "for i in 1 2 3 4 5 6 7 8; do head -c 65536 /dev/zero >&2; echo >&2; done\n\
                      echo 'countersign-server listening on http://127.0.0.1:9'; exec sleep 60";
        drop(LocalServer::start(&program(folder.path(), script), Store::MEMORY).unwrap());
    }
}
