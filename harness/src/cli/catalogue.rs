//! `countersign catalogue`: every check as a table.

use super::{CONFORMS, Failure};
use crate::listing::table;
use clap::Args;
use std::io::Write as _;
use std::path::PathBuf;

/// Print every check as a Markdown table: level, clauses, source, needs
#[derive(Debug, Args)]
#[command(
    after_help = "`conformance --list` has the bare names, `explain NAME` the words of the clauses.\n\n\
                  Exit codes:\n  0  printed\n  2  the folder of --spec-dir has mistakes"
)]
pub(super) struct Options {
    /// Read schemes from this folder in place of the built-in ones
    #[arg(long, value_name = "DIR")]
    spec_dir: Option<PathBuf>,
}

/// The verb.
pub(super) fn run(options: &Options) -> Result<u8, Failure> {
    let spec = super::spec_of(options.spec_dir.as_deref())?;
    let page = table::page(spec.as_ref());
    // Whoever reads may have seen enough and be gone.
    drop(std::io::stdout().write_all(page.as_bytes()));
    Ok(CONFORMS)
}
