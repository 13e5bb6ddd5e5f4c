//! What a developer of Countersign runs: `cargo xtask <verb>`.
//!
//! One file holds one verb. The server is only ever started as a process, and the harness is called as a library; this
//! crate has no opinion on logins.

mod bench;
mod cargo;
mod catalogue;
mod config_schema;
mod conformance;
mod demo_faults;
mod faults;
mod generated;
mod local_server;
mod new_scheme;
mod openapi;
mod readme;
mod serve;
mod snapshot;
mod test;
mod tidy;
mod torture;
mod trace;

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// The server's own, which what it is measured against must not lack.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit status of a verb that found what it looks for: a stale file, an untidy place, a failed step.
const FOUND: u8 = 1;
/// Exit status of a verb that could not do its work, and of a command line that makes no sense.
const UNUSABLE: u8 = 2;

/// What a developer of Countersign runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
#[command(disable_help_subcommand = true, max_term_width = 80)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Judge a login server by URL; without one, the reference server
    #[command(disable_help_flag = true)]
    Conformance(Passed),
    /// Build and run the reference server
    #[command(after_help = serve::HELP, override_usage = "cargo xtask serve [FLAGS OF THE SERVER]")]
    Serve(Passed),
    /// Check everything that CI checks
    #[command(after_help = test::HELP)]
    Test(test::Options),
    /// Prove that every check finds the fault it is meant for
    #[command(after_help = faults::HELP)]
    Faults(faults::Options),
    /// Run a target with faults, to see what the harness says of them
    #[command(after_help = demo_faults::HELP)]
    DemoFaults(demo_faults::Options),
    /// Kill, stop, flood and double the server, and see that its word holds
    #[command(after_help = torture::HELP)]
    Torture(torture::Options),
    /// Measure the server against the least it could cost
    #[command(after_help = bench::HELP)]
    Bench(bench::Options),
    /// Make a scheme to start from: data, a plugin, its lines in the lists
    #[command(after_help = new_scheme::HELP)]
    NewScheme(new_scheme::Options),
    /// What `bench` measures against
    #[command(hide = true)]
    BenchPart(bench::parts::Options),
    /// Check the shape of the workspace: directions, names, paths, data
    #[command(after_help = tidy::HELP)]
    Tidy,
    /// Write the catalogue of checks
    #[command(after_help = catalogue::HELP)]
    Catalogue(Check),
    /// Write the JSON Schema of the server's configuration file
    #[command(after_help = config_schema::HELP)]
    ConfigSchema(Check),
    /// Write the OpenAPI documents of the schemes
    #[command(after_help = openapi::HELP)]
    Openapi(Check),
    /// Write what the reference server says on the wire, flow by flow
    #[command(after_help = snapshot::HELP)]
    Snapshot(snapshot::Options),
    /// What `snapshot` holds a record against its snapshots with
    #[command(hide = true)]
    SnapshotPart(snapshot::part::Options),
    /// Write the fate of every clause: checked, cited or excepted
    #[command(after_help = trace::HELP)]
    Trace(Check),
}

/// Flags that this program hands on without reading them.
#[derive(Debug, Args)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    flags: Vec<OsString>,
}

/// Whether to write or to compare.
#[derive(Debug, Args)]
struct Check {
    /// Write nothing; exit 1 and name what is not as it would be written
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let verb = Cli::parse().verb;
    let root = match cargo::workspace_root() {
        Ok(root) => root,
        Err(error) => return unusable(&error),
    };
    match verb {
        Verb::Conformance(passed) => conformance::run(&root, passed.flags),
        Verb::Serve(passed) => serve::run(&root, &passed.flags),
        Verb::Faults(options) => faults::run(&root, &options),
        Verb::DemoFaults(options) => demo_faults::run(&root, &options),
        Verb::Test(options) => test::run(&root, &options),
        Verb::Torture(options) => torture::run(&root, &options),
        Verb::Bench(options) => bench::run(&root, &options),
        Verb::BenchPart(options) => bench::parts::run(&options),
        Verb::NewScheme(options) => new_scheme::run(&root, &options),
        Verb::Tidy => tidy::run(&root),
        Verb::ConfigSchema(mode) => config_schema::run(&root, mode.check),
        Verb::Catalogue(mode) => catalogue::run(&root, mode.check),
        Verb::Openapi(mode) => openapi::run(&root, mode.check),
        Verb::Snapshot(options) => snapshot::run(&root, &options),
        Verb::SnapshotPart(options) => snapshot::part::run(&options),
        Verb::Trace(mode) => trace::run(&root, mode.check),
    }
}

/// Says what keeps a verb from its work.
fn unusable(error: &str) -> ExitCode {
    anstream::eprintln!("error: {error}");
    ExitCode::from(UNUSABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_fits_80_columns() {
        let mut command = Cli::command();
        let mut texts = vec![command.render_long_help().to_string()];
        texts.extend(command.get_subcommands_mut().map(|verb| verb.render_long_help().to_string()));
        for line in texts.iter().flat_map(|text| text.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}
