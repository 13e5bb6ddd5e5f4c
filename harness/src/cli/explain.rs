//! `countersign explain`: what a check demands and on what grounds.

use super::{CONFORMS, NOTHING};
use crate::check::Check;
use countersign_spec::Spec;
use std::io::Write as _;

/// Shown under `--help`.
pub(super) const HELP: &str = "\
Examples:
  countersign explain cbs::refresh
  countersign explain a-used-secret-is-refused

Exit codes:
  0  explained
  4  no check has such a name";

/// The verb: explains every check whose name holds this part.
pub(super) fn run(part: &str, spec: &Spec) -> u8 {
    let checks = crate::checks::all(spec);
    let chosen: Vec<Check> = checks.into_iter().filter(|check| check.name.contains(part)).collect();
    say(&chosen, spec)
}

/// Prints the clauses of each check.
pub(super) fn say(checks: &[Check], spec: &Spec) -> u8 {
    let mut out = anstream::stdout();
    for check in checks {
        drop(writeln!(out, "{}  [{:?}]", check.name, check.level));
        for clause in check.clauses.iter().filter_map(|id| spec.clause(id)) {
            drop(writeln!(out, "    {} ({:?}, {:?})", clause.id, clause.level, clause.basis));
            drop(writeln!(out, "        {}", clause.says));
            drop(writeln!(out, "        {}", clause.source));
        }
        for need in &check.needs {
            drop(writeln!(out, "    needs {}", need.words()));
        }
    }
    if checks.is_empty() {
        drop(writeln!(anstream::stderr(), "error: no check matches; --list shows the names"));
        return NOTHING;
    }
    CONFORMS
}
