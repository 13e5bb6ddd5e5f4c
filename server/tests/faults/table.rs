//! The kill table.

use crate::fault::Fault;
use std::collections::BTreeMap;
use std::io::Write as _;

/// How one judgement ended.
#[derive(Debug)]
pub(crate) struct Row {
    scheme: String,
    group: String,
    name: String,
    /// What the harness overlooked or accused wrongly.
    problem: Option<String>,
}

impl Row {
    pub(crate) fn fault(fault: &Fault, outcome: &Result<(), String>) -> Self {
        let group = fault.name.split("::").nth(1).unwrap_or_default().to_owned();
        Self {
            scheme: fault.scheme.clone(),
            group,
            name: fault.name.clone(),
            problem: outcome.as_ref().err().cloned(),
        }
    }

    pub(crate) fn benign(name: &str, problem: Option<&String>) -> Self {
        let (scheme, group) = (BENIGN.to_owned(), String::new());
        Self { scheme, group, name: name.to_owned(), problem: problem.cloned() }
    }

    const fn is_killed(&self) -> bool {
        self.problem.is_none()
    }
}

const BENIGN: &str = "benign";

/// Writes faults and kills by scheme and group, and every survivor with what it did.
pub(crate) fn print(rows: &[Row]) {
    // What cannot be written to standard output has nobody to read it.
    drop(std::io::stdout().write_all(text(rows).as_bytes()));
}

fn text(rows: &[Row]) -> String {
    let mut counts: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    let (benign, faults): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.scheme == BENIGN);
    for row in &faults {
        let count = counts.entry((&row.scheme, &row.group)).or_default();
        count.0 += 1;
        count.1 += usize::from(row.is_killed());
    }
    let mut text = String::from("\nscheme      group       faults  killed\n");
    for ((scheme, group), (all, killed)) in &counts {
        text.push_str(&format!("{scheme:<10}  {group:<10}  {all:>6}  {killed:>6}\n"));
    }
    let killed = faults.iter().filter(|row| row.is_killed()).count();
    text.push_str(&format!("{:<22}  {:>6}  {killed:>6}\n", "all", faults.len()));
    let alarms = benign.iter().filter(|row| row.problem.is_some()).count();
    text.push_str(&format!("\nbenign variants: {}, false alarms: {alarms}\n", benign.len()));
    for row in rows {
        if let Some(problem) = &row.problem {
            let what = if row.scheme == BENIGN { "false alarm" } else { "survivor" };
            text.push_str(&format!("\n{what}: {}\n  {problem}\n", row.name));
        }
    }
    text
}
