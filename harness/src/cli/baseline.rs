//! `countersign baseline`: drafts the deviations that tolerate what a run has found.

use super::{CONFORMS, Failure, diff};
use crate::baseline;
use crate::report::place::Place;
use clap::Args;
use std::io::Write as _;
use std::path::PathBuf;

const HELP: &str = "\
Each finding that fails the run becomes a [[deviation]] table with the check,
the fingerprint of the finding, and a reason; so does each finding that is
folded under another. A deviation tolerates the finding of that fingerprint and
no other one of the same check. A table may also have a last day:
expires = 2027-01-31

A run refuses a profile whose reasons still say TODO. Where a deviation does not
occur although its check was judged, a run ends with exit 5 and names it.

Example:
  countersign conformance --profile target.toml --report json=run.json
  countersign baseline run.json --write target.toml
  $EDITOR target.toml";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct Baseline {
    /// Report of the run: conformance --report json=FILE
    report: PathBuf,
    /// Put the tables at the end of this profile, which is made where it does
    /// not exist; otherwise they are printed
    #[arg(long, value_name = "PROFILE")]
    write: Option<PathBuf>,
    /// The reason to put into each table, such as "tracked as #123"
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) fn run(options: &Baseline) -> Result<u8, Failure> {
    let run = diff::read(&options.report)?;
    let name = options.write.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let profile = match &options.write {
        Some(path) => match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(problem) => return Err(Failure::usage(format!("{name}: {problem}"))),
        },
        None => String::new(),
    };
    if options.reason.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        return Err(Failure::usage("--reason is empty: say why the findings are tolerated"));
    }
    let known = baseline::known(&profile, &name).map_err(Failure::usage)?;
    let draft = baseline::draft(&run, &known, options.reason.as_deref());
    let Some(path) = &options.write else {
        drop(anstream::stdout().write_all(draft.text.trim_start().as_bytes()));
        return Ok(CONFORMS);
    };
    let mut says = anstream::stderr();
    if draft.tables == 0 {
        let why = if draft.known > 0 {
            "knows every finding of this run already"
        } else {
            "needs nothing: no finding fails this run"
        };
        drop(writeln!(says, "{name} {why}"));
        return Ok(CONFORMS);
    }
    let text = baseline::appended(&profile, &name, &draft).map_err(Failure::usage)?;
    Place::prepare(Some(path)).and_then(|place| place.write(&text)).map_err(Failure::usage)?;
    let tables = draft.tables;
    let many = if tables == 1 { "deviation" } else { "deviations" };
    drop(writeln!(says, "{tables} {many} written to {name}"));
    if !baseline::is_ready(&text) {
        drop(writeln!(
            says,
            "now write the reasons in place of {}: until then no run takes it",
            crate::deviation::UNSAID
        ));
    }
    if run
        .findings
        .iter()
        .any(|finding| finding.check.ends_with("::the-documented-login-works") && finding.fails)
    {
        drop(writeln!(says, "note: a login that does not work keeps most checks of its scheme from running"));
    }
    Ok(CONFORMS)
}
