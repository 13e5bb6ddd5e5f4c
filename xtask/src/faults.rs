//! `cargo xtask faults`: the proof that every check of the harness bites.
//!
//! The work is a test of the server, because only there the server is a library; this verb runs it and nothing else.

use crate::{FOUND, cargo, unusable};
use clap::Args;
use std::path::Path;
use std::process::ExitCode;

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
The reference server runs with one fault after another put around it, and the
harness has to find each by the check that is meant for it, while unrelated
checks hold. Then servers that are merely different are judged, and nothing may
be found. At the end stands the kill table: faults and kills by scheme and
group, survivors, and false alarms.

Every check must have a fault that trips it, without exception; that rule alone
takes no time and is run by `cargo test` as well.

Examples:
  cargo xtask faults
  cargo xtask faults ethgas::token
  cargo xtask faults benign

Exit: 0 all killed and no false alarm; 1 a survivor, a false alarm, or a check
without a fault; 2 the test could not be run.";

/// The test target, built as the tests of `cargo xtask test` are.
const TEST: [&str; 7] =
    ["test", "--quiet", "--package", "countersign-server", "--all-features", "--test", "faults"];

/// Cargo's arguments for all of it, as a step of `cargo xtask test`.
pub(crate) const WHOLE: [&str; 10] = [
    "test",
    "--quiet",
    "--package",
    "countersign-server",
    "--all-features",
    "--test",
    "faults",
    "--",
    "--quiet",
    "--include-ignored",
];

/// Flags of the verb.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Part of the names of faults and variants to run
    filter: Option<String>,
    /// Name them and run none
    #[arg(long)]
    list: bool,
    /// Judgements at the same time [default: 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
}

/// Runs the test target, whose table goes to standard output.
pub(crate) fn run(root: &Path, options: &Options) -> ExitCode {
    let mut command = cargo::command(root);
    command.args(TEST).arg("--no-run");
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => return unusable(&format!("the faults could not be built ({status})")),
        Err(error) => return unusable(&format!("cargo could not be started: {error}")),
    }
    let mut command = cargo::command(root);
    command.args(TEST).arg("--");
    command.args(arguments(options));
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(FOUND),
        Err(error) => unusable(&format!("cargo could not be started: {error}")),
    }
}

fn arguments(options: &Options) -> Vec<String> {
    let mut arguments: Vec<String> = Vec::new();
    if options.list {
        arguments.push("--list".to_owned());
    } else {
        arguments.extend(["--quiet".to_owned(), "--include-ignored".to_owned()]);
    }
    if let Some(threads) = options.threads {
        arguments.extend(["--test-threads".to_owned(), threads.to_string()]);
    }
    arguments.extend(options.filter.clone());
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_asks_for_what_the_verb_asks_for() {
        let (target, rest) = WHOLE.split_at(TEST.len());
        assert_eq!(target, TEST);
        assert_eq!(rest[0], "--");
        assert_eq!(arguments(&Options::default()), rest[1..]);
    }

    #[test]
    fn options_become_arguments_of_the_test() {
        let options = Options { filter: Some("benign".to_owned()), list: false, threads: Some(2) };
        assert_eq!(arguments(&options), ["--quiet", "--include-ignored", "--test-threads", "2", "benign"]);
        let options = Options { filter: None, list: true, threads: None };
        assert_eq!(arguments(&options), ["--list"]);
    }
}
