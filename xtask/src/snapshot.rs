//! `cargo xtask snapshot`: what the reference server says on the wire, committed.

pub(crate) mod part;

use crate::local_server::{LocalServer, Store};
use crate::{FOUND, UNUSABLE, cargo, unusable};
use clap::Args;
use countersign::profile::Profile;
use countersign::record::folder::Folder;
use countersign::target::Target;
use countersign_spec::Spec;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Shown under `--help`.
pub(crate) const HELP: &str = "\
The tour of `conformance --record` is taken of the reference server, and each
flow is held against its snapshot, fixtures/snapshots/<scheme>/<flow>.snap. They
are committed; a change of them is a change of what clients see. Without a flag
they are written as they are now.

Exit: 0 written, or all as they were; 1 with --check or --review: something has
changed and was not accepted; 2 the server could not be built, started or asked.";

const FOLDER: &str = "fixtures/snapshots";
/// Under load an answer may take long; that is no change.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Flags of the verb.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write nothing; show what has changed and exit 1 if anything has
    #[arg(long)]
    check: bool,
    /// Show each change and ask whether it is meant
    #[arg(long, conflicts_with = "check")]
    review: bool,
}

/// Takes the tour and compares, asks or writes.
pub(crate) fn run(root: &Path, options: &Options) -> ExitCode {
    held(root, options, false).unwrap_or_else(|error| unusable(&error))
}

/// As a step: writes nothing, with the server of the tests.
pub(crate) fn check(root: &Path) -> ExitCode {
    held(root, &Options { check: true, review: false }, true).unwrap_or_else(|error| unusable(&error))
}

fn held(root: &Path, options: &Options, tested: bool) -> Result<ExitCode, String> {
    anstream::eprintln!("building the reference server");
    let binary = if tested { cargo::tested_server(root)? } else { cargo::build_server(root, &[])? };
    let server = LocalServer::start(&binary, Store::MEMORY)?;
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    record(server.url(), folder.path())?;
    drop(server);
    let own = cargo::own_program()?;
    let mut command =
        part::command(&own, folder.path(), &root.join(FOLDER), !(options.check || options.review));
    command.env("INSTA_WORKSPACE_ROOT", root);
    if options.review {
        command.arg("--ask");
    }
    let code = status(&mut command)?;
    if code == FOUND && options.check {
        anstream::eprintln!(
            "the reference server no longer says what {FOLDER} holds: if that is meant, run `cargo xtask snapshot` \
             (or with --review, one by one) and commit it"
        );
    }
    Ok(ExitCode::from(code))
}

/// Takes the tour of the server and leaves its record in the folder.
fn record(url: &str, folder: &Path) -> Result<(), String> {
    let spec = Spec::embedded();
    let mut profile =
        Profile::parse(countersign_fixtures::ACCOUNTS, "fixtures/accounts.toml", Path::new("."), spec)
            .map_err(|errors| errors.to_string())?;
    profile.url = Some(url.to_owned());
    profile.http.timeout = TIME_LIMIT;
    let schemes: Vec<String> = spec.schemes().iter().map(|scheme| scheme.id.clone()).collect();
    let target = Target::new(spec.clone(), schemes.clone(), profile, 0, 1)?;
    let recording = countersign::record::record(&target, &schemes)?;
    if let Some((scheme, why)) = recording.left_out.iter().chain(&recording.refused).next() {
        return Err(format!("the reference server was not toured whole: {scheme}: {why}"));
    }
    Folder::prepare(folder)?.write(&schemes, &recording.transcripts).map(drop)
}

fn status(command: &mut Command) -> Result<u8, String> {
    let status =
        command.status().map_err(|error| format!("this program could not be started again: {error}"))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(UNUSABLE))
}
