//! `cargo xtask torture`: what callers were told holds, whatever happens to the server or its store.
//!
//! The server is a process and is judged by what it answers. Every scenario is bounded in count and time and draws what
//! it does from the seed.

pub(crate) mod caller;
mod flood;
mod forks;
mod kill;
mod ledger;
mod outage;
pub(crate) mod quantile;
mod replicas;
pub(crate) mod server;
mod slow_loris;
mod term;
pub(crate) mod wire;

use crate::{cargo, unusable};
use clap::Args;
use countersign_fixtures::stores::{Kind, NotStarted, PrivateStore};
use ledger::{Ending, Ledger, Row};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
Scenarios:
  kill               SIGKILL under load, on the embedded store
  replicas-redis     two and three servers on one Redis: a refresh token handed
  replicas-postgres  in twice at one moment; the same on one PostgreSQL
  outage-redis       the store killed and started again under load
  outage-postgres
  slow-loris         thousands of connections that send a byte now and then
  term               SIGTERM under a hundred connections
  flood              hundreds of wrong passwords at once, at OWASP's cost

Redis and PostgreSQL are started from what is installed and stopped again; a
scenario whose store is not installed is skipped by name.

At the end stands a table: what was done with its counts, each invariant with
how often it was looked at, and the time.

Examples:
  cargo xtask torture
  cargo xtask torture --short
  cargo xtask torture --only kill --seed 7

Exit: 0 all held; 1 an invariant was broken; 2 a scenario could not run.";

/// Flags of the verb.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run one scenario only; repeatable
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(SCENARIOS.map(|one| one.name)))]
    only: Vec<String>,
    /// A tenth or less of everything: under a minute on two cores
    #[arg(long)]
    short: bool,
    /// What chance is drawn from [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Exit 2 if a scenario is skipped for lack of a program
    #[arg(long)]
    require_all: bool,
    /// Take the server that the tests were built with
    #[arg(long, hide = true)]
    tested: bool,
}

/// What CI runs, in a process of its own: this one may have to be replaced by one with a higher limit on descriptors.
pub(crate) fn run_short(root: &Path, require_all: bool) -> ExitCode {
    let own = match cargo::own_program() {
        Ok(own) => own,
        Err(error) => return unusable(&error),
    };
    let mut command = Command::new(own);
    command.current_dir(root).args(["torture", "--short", "--tested"]);
    if require_all {
        command.arg("--require-all");
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(crate::FOUND),
        Err(error) => unusable(&format!("torture could not be started: {error}")),
    }
}

/// What a scenario works with.
#[derive(Debug)]
struct Rig {
    binary: PathBuf,
    seed: u64,
    short: bool,
}

impl Rig {
    /// The count of the whole run or of the short one.
    const fn count(&self, whole: usize, short: usize) -> usize {
        if self.short { short } else { whole }
    }

    /// Chance of its own for each part of a scenario.
    fn chance(&self, part: u64) -> StdRng {
        StdRng::seed_from_u64(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(part))
    }
}

/// Why a scenario has no ledger.
#[derive(Debug)]
enum Trouble {
    /// Something it needs is not installed.
    Missing(String),
    /// It could not run.
    Stuck(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self::Stuck(why)
    }
}

#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    run: fn(&Rig) -> Result<Ledger, Trouble>,
}

/// All of them, in the order they run in.
const SCENARIOS: [Scenario; 8] = [
    Scenario { name: "kill", run: kill::run },
    Scenario { name: "replicas-redis", run: replicas::redis },
    Scenario { name: "replicas-postgres", run: replicas::postgres },
    Scenario { name: "outage-redis", run: outage::redis },
    Scenario { name: "outage-postgres", run: outage::postgres },
    Scenario { name: "slow-loris", run: slow_loris::run },
    Scenario { name: "term", run: term::run },
    Scenario { name: "flood", run: flood::run },
];

/// Runs what was asked for and shows the table.
pub(crate) fn run(root: &Path, options: &Options) -> ExitCode {
    if let Some(limit) = raised_limit() {
        // The shell raises the limit for us and our servers; where it may not, the crowd is as large as it can be.
        let script = format!("ulimit -n {limit}; exec \"$0\" \"$@\"");
        let own = cargo::own_program().unwrap_or_default();
        let error =
            Command::new("sh").arg("-c").arg(script).arg(own).args(std::env::args_os().skip(1)).exec();
        return unusable(&format!("the limit on descriptors could not be raised: {error}"));
    }
    anstream::eprintln!("building the server with all stores");
    let built = match options.tested {
        true => cargo::tested_server(root),
        false => cargo::build_server(root, &["--all-features"]),
    };
    let binary = match built {
        Ok(binary) => binary,
        Err(error) => return unusable(&error),
    };
    let rig = Rig { binary, seed: options.seed.unwrap_or(1), short: options.short };
    let mut rows = Vec::new();
    for scenario in SCENARIOS {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == scenario.name) {
            continue;
        }
        anstream::eprintln!("==> {}", scenario.name);
        let begun = Instant::now();
        let ending = match (scenario.run)(&rig) {
            Ok(ledger) => Ending::Ran(ledger),
            Err(Trouble::Missing(what)) => Ending::Skipped(what),
            Err(Trouble::Stuck(why)) => Ending::Stuck(why),
        };
        rows.push(Row { scenario: scenario.name.to_owned(), ending, took: begun.elapsed() });
    }
    anstream::println!("{}", ledger::table(&rows));
    ExitCode::from(ledger::status(&rows, options.require_all))
}

/// A store of our own, as long as a scenario takes.
fn private_store(kind: Kind) -> Result<PrivateStore, Trouble> {
    PrivateStore::start(kind).map_err(|error| match error {
        NotStarted::Missing(_) => Trouble::Missing(error.to_string()),
        NotStarted::Failed(why) => Trouble::Stuck(why),
    })
}

/// The configuration of every replica on this store: they share the key they sign with.
fn store_config(store: &PrivateStore, kind: Kind, chance: &mut StdRng) -> String {
    let name = match kind {
        Kind::Postgres => "postgres",
        Kind::Redis => "redis",
    };
    let mut secret = String::new();
    for _ in 0..8 {
        let _ = write!(secret, "{:08x}", chance.next_u32());
    }
    format!("[store]\nkind = \"{name}\"\nurl = \"{}\"\n[token]\nsecret = \"{secret}\"\n", store.url())
}

/// The limit on open descriptors to ask for, where the present one is too low for the largest crowd and may be raised.
fn raised_limit() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut values = line.split_whitespace().map(|value| value.parse().unwrap_or(u64::MAX));
    let (soft, hard) = (values.next()?, values.next()?);
    let wanted = server::DESCRIPTORS.min(hard);
    (soft < wanted).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_scenario() {
        for scenario in SCENARIOS {
            assert!(
                HELP.contains(&format!("\n  {} ", scenario.name))
                    || HELP.contains(&format!("\n  {}\n", scenario.name)),
                "{}",
                scenario.name
            );
        }
    }

    #[test]
    fn chance_follows_from_the_seed() {
        let rig = |seed| Rig { binary: PathBuf::new(), seed, short: true };
        let drawn = |seed, part| rig(seed).chance(part).next_u64();
        assert_eq!(drawn(1, 1), drawn(1, 1));
        assert_ne!(drawn(1, 1), drawn(1, 2));
        assert_ne!(drawn(1, 1), drawn(2, 1));
        assert_eq!((rig(1).count(200, 5), Rig { short: false, ..rig(1) }.count(200, 5)), (5, 200));
    }
}
