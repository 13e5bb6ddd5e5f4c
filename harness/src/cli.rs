//! The command line, and what the exit codes mean. A verb is a file of `cli/`.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | the target conforms |
//! | 1 | it violates clauses at the chosen level, or its wire format has changed |
//! | 2 | the command line, profile or record cannot be used |
//! | 3 | the target cannot be reached |
//! | 4 | nothing was judged |
//! | 5 | a deviation that the profile declares did not occur |

mod again;
mod baseline;
mod catalogue;
mod conformance;
mod diff;
mod doctor;
mod embedded;
mod explain;
mod init;
mod libtest;
mod lint_spec;
mod outputs;
mod repeat;
mod schema;
mod stdout;
mod wire;

pub use conformance::{LocalTarget, Started, conformance};
pub use embedded::Judge;

use clap::{Parser, Subcommand};
use countersign_spec::Spec;
use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// The target conforms.
pub const CONFORMS: u8 = 0;
/// The target violates clauses at the chosen level.
pub const VIOLATES: u8 = 1;
/// The command line or profile cannot be used.
pub const USAGE: u8 = 2;
/// The target cannot be reached.
pub const UNREACHABLE: u8 = 3;
/// Nothing was judged.
pub const NOTHING: u8 = 4;
/// A declared deviation did not occur.
pub const STALE: u8 = 5;

const START: &str = "Start with a profile, see what it lacks, and judge:
  countersign init --url https://staging.example.com
  countersign doctor --profile target.toml
  countersign conformance --profile target.toml

countersign VERB --help has the flags of a verb and its exit codes.";

#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    max_term_width = 80,
    about = "Judges login APIs by URL, clause by clause.",
    after_help = START
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Judge a target
    Conformance(Box<conformance::Options>),
    /// Write a profile of a target, with what a few requests tell of it
    Init(init::Options),
    /// Say what a profile lacks, and how many checks that costs
    Doctor(doctor::Options),
    /// Draft the deviations that tolerate what a run has found
    Baseline(baseline::Baseline),
    /// Show what changed between two runs
    Diff(diff::Options),
    /// Say what a check demands and on what grounds
    #[command(after_help = explain::HELP)]
    Explain {
        /// Part of the names of checks
        name: String,
    },
    Catalogue(catalogue::Options),
    /// Print every key of a profile with its meaning
    ProfileReference,
    /// Print the JSON Schema of what this program writes
    Schema {
        /// What to describe
        form: schema::Form,
    },
    LintSpec(lint_spec::Options),
    /// Compute what a wallet or client library would, for trying an API by hand
    #[command(subcommand)]
    Sign(crate::sign::Sign),
}

/// The installed program: arguments without its own name.
#[must_use]
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let named = std::iter::once(OsString::from("countersign")).chain(arguments);
    match Cli::try_parse_from(named) {
        Ok(Cli { verb: Verb::Conformance(options) }) => ExitCode::from(
            conformance::judge(&options, "countersign conformance", None).unwrap_or_else(Failure::say),
        ),
        Ok(Cli { verb: Verb::Baseline(options) }) => {
            ExitCode::from(baseline::run(&options).unwrap_or_else(Failure::say))
        }
        Ok(Cli { verb: Verb::Diff(options) }) => {
            ExitCode::from(diff::run(&options).unwrap_or_else(Failure::say))
        }
        Ok(Cli { verb: Verb::Init(options) }) => {
            ExitCode::from(init::run(&options).unwrap_or_else(Failure::say))
        }
        Ok(Cli { verb: Verb::Doctor(options) }) => {
            ExitCode::from(doctor::run(&options).unwrap_or_else(Failure::say))
        }
        Ok(Cli { verb: Verb::ProfileReference }) => {
            drop(anstream::stdout().write_all(crate::profile::keys::table().as_bytes()));
            ExitCode::from(CONFORMS)
        }
        Ok(Cli { verb: Verb::Catalogue(options) }) => {
            ExitCode::from(catalogue::run(&options).unwrap_or_else(Failure::say))
        }
        Ok(Cli { verb: Verb::Explain { name } }) => ExitCode::from(explain::run(&name, Spec::embedded())),
        Ok(Cli { verb: Verb::Schema { form } }) => ExitCode::from(schema::run(form)),
        Ok(Cli { verb: Verb::LintSpec(options) }) => {
            ExitCode::from(lint_spec::run(&options).unwrap_or_else(Failure::say))
        }
        Ok(Cli { verb: Verb::Sign(what) }) => match crate::sign::run(&what) {
            Ok(text) => {
                drop(writeln!(anstream::stdout(), "{text}"));
                ExitCode::from(CONFORMS)
            }
            Err(problem) => ExitCode::from(Failure::usage(problem).say()),
        },
        Err(error) => clap_exit(&error),
    }
}

fn clap_exit(error: &clap::Error) -> ExitCode {
    // Help goes to stdout with 0, mistakes to stderr with 2.
    drop(error.print());
    ExitCode::from(if error.use_stderr() { USAGE } else { CONFORMS })
}

/// Why a run could not begin.
#[derive(Debug)]
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    fn usage(text: impl Into<String>) -> Self {
        Self { code: USAGE, text: text.into() }
    }

    fn say(self) -> u8 {
        for line in self.text.lines() {
            drop(writeln!(anstream::stderr(), "error: {line}"));
        }
        self.code
    }
}

/// The schemes to judge by: those of the folder, or the built-in ones.
///
/// # Errors
/// Every mistake in the folder.
fn spec_of(folder: Option<&Path>) -> Result<Cow<'static, Spec>, Failure> {
    match folder {
        Some(folder) => {
            Spec::load(folder).map(Cow::Owned).map_err(|errors| Failure::usage(errors.to_string()))
        }
        None => Ok(Cow::Borrowed(Spec::embedded())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        conformance::Options::command().debug_assert();
    }

    #[test]
    fn unknown_flags_are_refused() {
        for arguments in [["conformance", "--recrod", "x"], ["conformance", "--level", "never"]] {
            let named = std::iter::once("countersign").chain(arguments);
            assert!(Cli::try_parse_from(named).is_err(), "{arguments:?}");
        }
    }
}
