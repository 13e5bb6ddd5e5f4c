//! `cargo xtask serve`: the reference server, with its own flags.

use crate::{cargo, unusable};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
All flags are the server's own; `cargo xtask serve -- --help` lists them.

Examples:
  cargo xtask serve --dev                          test accounts, movable clock
  cargo xtask serve --dev --listen 127.0.0.1:8080  on a port of your choice
  cargo xtask serve --config countersign.toml      as in production
  cargo xtask serve --store redis --store-url URL  built with that store

--dev is for work on your own machine: the server refuses it on any address
that others can reach. Its accounts stand in fixtures/accounts.toml.";

/// Builds the server, then becomes it: signals and the exit status are the server's.
pub(crate) fn run(root: &Path, flags: &[OsString]) -> ExitCode {
    let binary = match cargo::build_server(root, features(flags)) {
        Ok(binary) => binary,
        Err(error) => return unusable(&error),
    };
    // The first `--` only ended our own flags.
    let flags = flags.strip_prefix(&[OsString::from("--")]).unwrap_or(flags);
    let error = Command::new(&binary).args(flags).exec();
    unusable(&format!("{} could not be started: {error}", binary.display()))
}

/// The features for a store that the flags name, as `conformance` builds them. A store in a configuration file is not
/// looked for: the server names the feature it lacks.
fn features(flags: &[OsString]) -> &'static [&'static str] {
    let names = |store: &str| flags.iter().any(|flag| flag == store || *flag == *format!("--store={store}"));
    if names("redis") || names("postgres") { &["--features", "postgres,redis"] } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_brings_its_feature() {
        let features = |flags: &[&str]| features(&flags.iter().map(OsString::from).collect::<Vec<_>>());
        for flags in [&["--dev", "--store", "redis"][..], &["--store=postgres"]] {
            assert_eq!(features(flags), ["--features", "postgres,redis"]);
        }
        assert!(features(&["--dev", "--store", "memory"]).is_empty());
    }
}
