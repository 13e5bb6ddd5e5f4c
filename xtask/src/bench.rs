//! `cargo xtask bench`: what the server costs, over the least it could cost, measured in one run.

mod bare;
mod load;
mod measure;
pub(crate) mod parts;
mod peer;
mod process;
mod report;

use crate::{FOUND, cargo, unusable};
use clap::Args;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
Builds the server and this program with optimisation, measures one against the
other in turns, prints the table and writes it to xtask/BENCH.md with method
and machine. Minutes, on a machine with nothing else to do. The harness is
measured beside Schemathesis where that is on PATH (pip install schemathesis).

Examples:
  cargo xtask bench
  cargo xtask bench --only rates --rounds 3 --quick

Exit: 0 every budget holds; 1 one does not; 2 something could not be measured.";

/// Flags of the verb.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Measure one group only and write no file; repeatable
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(GROUPS.map(|group| group.0)))]
    only: Vec<String>,
    /// Turns of each comparison
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,
    /// A tenth of all counts, to see that it works; writes no file
    #[arg(long)]
    quick: bool,
    /// What chance is drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

type Measure = fn(&Run) -> Result<Vec<report::Figure>, String>;

/// What is measured, in the order of the table.
const GROUPS: [(&str, Measure); 8] = [
    ("wallet", measure::wallet_login),
    ("rates", measure::rates),
    ("saturated", measure::saturated),
    ("idle", measure::idle),
    ("challenges", measure::challenge_memory),
    ("durable", measure::durable),
    ("harness", measure::harness),
    ("peer", peer::requests),
];

/// What every measurement works with.
#[derive(Debug)]
struct Run {
    root: PathBuf,
    /// The server.
    server: PathBuf,
    /// This program, for the parts.
    own: PathBuf,
    rounds: usize,
    quick: bool,
    seed: u64,
    has_taskset: bool,
    /// All cores of the machine, as `taskset` takes them.
    cores: String,
}

impl Run {
    const fn count(&self, whole: usize) -> usize {
        if self.quick { whole / 10 } else { whole }
    }

    fn chance(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }
}

/// Measures, prints and writes.
pub(crate) fn run(root: &Path, options: &Options) -> ExitCode {
    if cfg!(debug_assertions) {
        return optimised(root);
    }
    match measure(root, options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FOUND),
        Err(error) => unusable(&error),
    }
}

/// Builds this program with optimisation and becomes it: the load and the bare parts must be as fast as they can be.
fn optimised(root: &Path) -> ExitCode {
    anstream::eprintln!("building the server and this program with optimisation");
    // The server too, while all cores may be used.
    let built = cargo::build_server(root, &["--release"]);
    let own = match built.and_then(|_| cargo::build(root, "xtask", &["--release"])) {
        Ok(own) => own,
        Err(error) => return unusable(&error),
    };
    let arguments = std::env::args_os().skip(1);
    // Servers are put on core 0; the load keeps off it.
    let mut command = match (has_taskset(), process::cores()) {
        (true, cores @ 2..) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(format!("1-{}", cores - 1)).arg(&own);
            command
        }
        _ => Command::new(&own),
    };
    let error = command.args(arguments).exec();
    unusable(&format!("{} could not be started: {error}", own.display()))
}

fn measure(root: &Path, options: &Options) -> Result<bool, String> {
    let run = Run {
        root: root.to_owned(),
        server: cargo::build_server(root, &["--release"])?,
        own: std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?,
        rounds: options.rounds.into(),
        quick: options.quick,
        seed: options.seed,
        has_taskset: has_taskset(),
        cores: process::online(),
    };
    let mut figures = Vec::new();
    for (name, measure) in GROUPS {
        if !options.only.is_empty() && !options.only.iter().any(|wanted| wanted == name) {
            continue;
        }
        let begun = Instant::now();
        figures.extend(measure(&run).map_err(|error| format!("{name}: {error}"))?);
        anstream::eprintln!("    {name}: {:.1} s", begun.elapsed().as_secs_f64());
    }
    anstream::println!("{}", report::table(&figures));
    if options.only.is_empty() && !options.quick {
        let page = report::page(&figures, &process::shape(root), run.rounds, run.seed);
        let file = root.join("xtask/BENCH.md");
        std::fs::write(&file, page).map_err(|error| format!("{}: {error}", file.display()))?;
        anstream::eprintln!("written to xtask/BENCH.md");
    }
    Ok(figures.iter().all(|figure| figure.holds() != Some(false)))
}

/// Whether processes can be kept on a core.
fn has_taskset() -> bool {
    let status =
        Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_names_of_their_own() {
        let names: std::collections::BTreeSet<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), GROUPS.len());
    }
}
