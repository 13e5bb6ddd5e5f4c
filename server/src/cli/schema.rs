//! `config-schema`: the form of the configuration file, for editors and other programs.

use super::Problem;
use crate::settings;
use std::io::Write as _;

/// Prints it.
pub(super) fn print() -> Result<(), Problem> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:#}", settings::schema())
        .and_then(|()| out.flush())
        .map_err(|error| format!("cannot write to standard output: {error}"))
}
