//! `cargo xtask demo-faults`: a target with faults, to see what the harness says of them.

use crate::unusable;
use clap::Args;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
The target is an independent server of the ethgas login in Python, which has to
be installed as python3. Its faults are put around it from outside; without
--faults there are three at once. It listens on loopback and runs until Ctrl-C,
or with --judge until it is judged.

Each finding has a line to paste into a shell, with the secrets of
fixtures/accounts.toml in the environment.

Examples:
  cargo xtask demo-faults
  cargo xtask demo-faults --list
  cargo xtask demo-faults --judge
  cargo xtask demo-faults --judge -- --findings out --report json=run.json
  cargo xtask demo-faults --faults password-case,logout-ignored --port 8080

Exit: that of the harness with --judge; 2 the target could not be started.";

/// Three faults of three kinds: a form, a credential, a token.
const THREE: &str = "access-as-refresh,no-expires-in,password-case";

/// Flags of the verb.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Faults, with commas between them
    #[arg(long, value_name = "NAMES", default_value = THREE)]
    faults: String,
    /// Name the faults there are, and stop
    #[arg(long)]
    list: bool,
    /// Port on loopback; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    /// Judge the target, then stop it; flags after -- are those of `conformance`
    #[arg(long)]
    judge: bool,
    #[arg(last = true, hide = true)]
    flags: Vec<OsString>,
}

/// Starts the target, and judges it or waits for its end.
pub(crate) fn run(root: &Path, options: &Options) -> ExitCode {
    if !options.judge && !options.flags.is_empty() {
        return unusable("flags after -- are those of `conformance`: they need --judge");
    }
    let mut target = match Target::start(root, options) {
        Ok(target) => target,
        Err(error) => return unusable(&error),
    };
    if options.list {
        return match target.0.wait() {
            Ok(status) if status.success() => ExitCode::SUCCESS,
            Ok(status) => unusable(&format!("the faults could not be listed ({status})")),
            Err(error) => unusable(&format!("python3 was lost: {error}")),
        };
    }
    let url = match target.url() {
        Ok(url) => url,
        Err(error) => return unusable(&error),
    };
    if options.judge {
        let mut flags: Vec<OsString> = ["--url", &url, "--scheme", "ethgas"].map(OsString::from).to_vec();
        flags.extend(options.flags.iter().cloned());
        return countersign::conformance(flags, "cargo xtask conformance", None);
    }
    anstream::println!("{url}  (faults: {}; Ctrl-C ends it)", options.faults);
    anstream::println!("judge it: cargo xtask conformance --url {url} --scheme ethgas");
    match target.0.wait() {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => unusable(&format!("the target was lost: {error}")),
    }
}

/// The process of a target, which ends with this value.
#[derive(Debug)]
struct Target(Child);

impl Target {
    fn start(root: &Path, options: &Options) -> Result<Self, String> {
        let fixtures: PathBuf = root.join("fixtures");
        let mut command = Command::new("python3");
        // Nothing is written into the clone.
        command.env("PYTHONDONTWRITEBYTECODE", "1").arg(fixtures.join("servers/faulty_ethgas.py"));
        if options.list {
            command.arg("--list");
        } else {
            command.arg("--accounts").arg(fixtures.join("accounts.toml"));
            command.args(["--faults", &options.faults, "--port", &options.port.to_string()]);
            command.stdout(Stdio::piped());
        }
        let child = command.stdin(Stdio::null()).spawn();
        child.map(Self).map_err(|error| format!("python3 could not be started: {error}; install it first"))
    }

    /// Where it listens, as it says in its first line.
    fn url(&mut self) -> Result<String, String> {
        let mut line = String::new();
        if let Some(stdout) = self.0.stdout.take() {
            drop(BufReader::new(stdout).read_line(&mut line));
        }
        let url = line.trim().strip_prefix("listening on ").map(str::to_owned);
        url.ok_or_else(|| "the target did not start; what python3 says stands above".to_owned())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
