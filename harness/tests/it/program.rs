//! Runs the built program and gives up on it in time.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// No run of these tests takes anywhere near as long; one that does hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Run {
    /// Exit code; none where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Run {
    /// Lines of the page that open a finding.
    pub(crate) fn findings(&self) -> Vec<&str> {
        self.stdout.lines().filter(|line| line.starts_with("FAIL")).collect()
    }

    /// The lines of one finding, from its name to the empty line after it.
    pub(crate) fn finding(&self, check: &str) -> Vec<&str> {
        self.stdout
            .lines()
            .skip_while(|line| !(line.starts_with("FAIL") && line.contains(check)))
            .take_while(|line| !line.is_empty())
            .collect()
    }
}

/// `countersign` with these arguments.
pub(crate) fn countersign(arguments: &[&str]) -> Run {
    countersign_with(arguments, &[])
}

/// `countersign` with these arguments and variables.
pub(crate) fn countersign_with(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command
        .args(arguments)
        // What a developer has set must not decide how a test ends.
        .env_remove("COLUMNS")
        .env("NO_COLOR", "1")
        .envs(variables.iter().copied());
    let output = finished(&mut command).expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what the program writes is UTF-8");
    let run = Run {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        took: start.elapsed(),
    };
    assert!(!run.stderr.contains("panicked"), "countersign {arguments:?} panicked:\n{}", run.stderr);
    run
}

/// What became of a command that reads nothing; none where there is no such program.
pub(crate) fn finished(command: &mut Command) -> Option<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().ok()?;
    let id = child.id();
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || drop(done.send(child.wait_with_output())));
    let Ok(output) = wait.recv_timeout(LIMIT) else {
        drop(Command::new("kill").args(["-KILL", &id.to_string()]).status());
        panic!("{command:?} did not end within {LIMIT:?}");
    };
    Some(output.expect("the program is waited for"))
}

/// A file that lives as long as the test.
pub(crate) fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a temporary file can be made");
    file.write_all(text.as_bytes()).expect("a temporary file can be written");
    file
}

/// The path of such a file as an argument.
pub(crate) fn path(file: &tempfile::NamedTempFile) -> &str {
    file.path().to_str().expect("temporary paths are UTF-8")
}
