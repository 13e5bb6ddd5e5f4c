//! What a failed step said, told once more at the end: the log of a CI run is long, and often only its end is at hand.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::process::Command;

/// Lines that are told again of one failed test: its message and where it stands.
const OF_A_TEST: usize = 25;
/// Lines that are told again of one step.
const OF_A_STEP: usize = 120;
/// Lines that are told again of a step whose output names no tests, such as of a compiler.
const LAST: usize = 40;

/// Runs the command and shows what it says, as it says it; nothing if it succeeds, else what is worth telling again.
///
/// # Errors
/// It could not be started, or its output not be shown.
pub(super) fn run(command: &mut Command) -> io::Result<Option<String>> {
    run_there(command, &mut io::stdout())
}

fn run_there(command: &mut Command, there: &mut impl Write) -> io::Result<Option<String>> {
    // Behind a pipe cargo would give up its colours.
    if io::stdout().is_terminal() && std::env::var_os("CARGO_TERM_COLOR").is_none() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    // One pipe for both keeps them in order.
    let (reader, writer) = io::pipe()?;
    let mut child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // They hold the other end of the pipe, which would never end.
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let shown = show(reader, there);
    let succeeded = child.wait()?.success();
    let kept = shown?;
    Ok((!succeeded).then(|| kept.told()))
}

/// Shows every line there and keeps what may have to be told again.
fn show(output: impl io::Read, there: &mut impl Write) -> io::Result<Kept> {
    let mut kept = Kept::default();
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line)? > 0 {
        there.write_all(&line)?;
        there.flush()?;
        let text = String::from_utf8_lossy(&line);
        kept.line(anstream::adapter::strip_str(&text).to_string().trim_end());
        line.clear();
    }
    Ok(kept)
}

/// What was said by failed tests, and the last that was said at all.
#[derive(Debug, Default)]
struct Kept {
    failures: Vec<String>,
    last: VecDeque<String>,
    /// The line that names the program whose tests run.
    program: Option<String>,
    /// Inside of the part in which a program of tests tells of its failures.
    telling: bool,
    /// Lines of the test that is told of.
    of_this_test: usize,
}

impl Kept {
    fn line(&mut self, line: &str) {
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(line.to_owned());
        let words = line.trim_start();
        if words.starts_with("Running ") || words.starts_with("Doc-tests ") {
            self.program = Some(words.to_owned());
        }
        if line == "failures:" {
            if !self.telling {
                self.failures.extend(self.program.take());
            }
            self.telling = true;
            self.of_this_test = 0;
            return;
        }
        if line.starts_with("test result: ") {
            if self.telling {
                self.failures.push(line.to_owned());
            }
            self.telling = false;
        }
        if !self.telling || line.is_empty() {
            return;
        }
        if line.starts_with("---- ") {
            self.of_this_test = 0;
        }
        self.of_this_test += 1;
        if self.of_this_test == OF_A_TEST + 1 {
            self.failures.push("  (more of it above)".to_owned());
        } else if self.of_this_test <= OF_A_TEST {
            self.failures.push(line.to_owned());
        }
    }

    fn told(self) -> String {
        let mut lines: Vec<String> = if self.failures.is_empty() { self.last.into() } else { self.failures };
        if lines.len() > OF_A_STEP {
            let more = lines.len() - OF_A_STEP;
            lines.truncate(OF_A_STEP);
            lines.push(format!("({more} lines more above)"));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(output: &str) -> String {
        let mut kept = Kept::default();
        output.lines().for_each(|line| kept.line(line));
        kept.told()
    }

    #[test]
    fn failed_tests_are_told_with_their_program_and_their_messages() {
        let output = "\
     Running tests/good.rs (target/good)
test fine ... ok

test result: ok. 1 passed; 0 failed
     Running tests/it.rs (target/it)
test right ... ok
test wrong ... FAILED

failures:

---- wrong stdout ----
panicked at tests/it.rs:7:5:
left is not right

failures:
    wrong

test result: FAILED. 1 passed; 1 failed

error: test failed, to rerun pass `--test it`";
        let expected = "\
Running tests/it.rs (target/it)
---- wrong stdout ----
panicked at tests/it.rs:7:5:
left is not right
    wrong
test result: FAILED. 1 passed; 1 failed";
        assert_eq!(told(output), expected);
    }

    #[test]
    fn what_names_no_tests_is_told_by_its_end() {
        let output: Vec<String> = (0..100).map(|line| format!("line {line}")).collect();
        assert_eq!(told(&output.join("\n")), output[60..].join("\n"));
    }

    #[test]
    fn a_long_message_does_not_hide_the_next_test() {
        let long = "a line\n".repeat(300);
        let output =
            format!("failures:\n---- one ----\n{long}---- two ----\nits message\ntest result: FAILED");
        let told = told(&output);
        assert!(told.contains("(more of it above)\n---- two ----\nits message"), "{told}");
        assert!(told.lines().count() < 40, "{told}");
    }

    #[test]
    fn colours_do_not_hide_what_a_line_is() {
        let output = "\u{1b}[1m\u{1b}[32m     Running\u{1b}[0m tests/it.rs\nfailures:\n---- one ----\ntest result: FAILED\n";
        let mut shown = Vec::new();
        let told = show(output.as_bytes(), &mut shown).unwrap().told();
        assert_eq!(String::from_utf8(shown).unwrap(), output);
        assert_eq!(told, "Running tests/it.rs\n---- one ----\ntest result: FAILED");
    }

    #[test]
    fn only_a_command_that_fails_is_told_of() {
        let run = |command: &mut Command| run_there(command, &mut io::sink());
        let mut good = Command::new("true");
        assert_eq!(run(&mut good).unwrap(), None);
        let mut bad = Command::new("sh");
        bad.args(["-c", "echo to one; echo to the other >&2; exit 3"]);
        assert_eq!(run(&mut bad).unwrap().as_deref(), Some("to one\nto the other"));
        assert!(run(&mut Command::new("/no/such/program")).is_err());
    }
}
