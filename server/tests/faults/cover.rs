//! Every check has a fault that trips it. There are no exceptions: what no fault can trip is no check.

use crate::fault::CHECKS;
use std::collections::BTreeSet;

/// Compares what faults trip with what there is.
///
/// # Errors
/// Checks without a fault, and checks that faults name and nobody makes.
pub(crate) fn complete<'a>(tripped: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let tripped: BTreeSet<&str> = tripped.map(String::as_str).collect();
    let bare = CHECKS.iter().filter(|check| !tripped.contains(check.as_str()));
    let unknown = tripped.iter().filter(|name| !CHECKS.contains(**name));
    let problems: Vec<String> = bare
        .map(|check| format!("no fault trips {check}"))
        .chain(unknown.map(|name| format!("there is no check {name}")))
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}
