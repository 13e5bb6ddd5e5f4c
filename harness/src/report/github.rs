//! Commands of a GitHub workflow, which it reads from a step's output and shows beside the code.
//!
//! Texts come from a target that may be hostile: they are escaped so that none of them is a command of its own.

use super::model::{Run, level_word};
use countersign_spec::Level;
use std::fmt::Write as _;

/// Writes a line for each finding, and one for the verdict.
#[must_use]
pub fn write(run: &Run) -> String {
    let mut text = String::new();
    for finding in &run.findings {
        let command = match finding.level {
            _ if finding.fails => "error",
            _ if finding.declared.is_some() => "notice",
            Level::May => "notice",
            Level::Must | Level::Should => "warning",
        };
        let clause = finding.clauses.first().and_then(|id| run.clause(id));
        let rests = clause
            .map(|clause| {
                format!("\nclause: {} ({}, {})", clause.says, clause.source, level_word(clause.level))
            })
            .unwrap_or_default();
        let declared =
            finding.declared.as_ref().map(|reason| format!("\ndeclared: {reason}")).unwrap_or_default();
        let message = format!(
            "{}\nexpected: {}\ngot: {}{rests}{declared}\nagain: {}",
            finding.did, finding.expected, finding.got, finding.again
        );
        let _ = writeln!(text, "::{command} title={}::{}", property(&finding.check), data(&message));
    }
    let command = if run.exit == 0 { "notice" } else { "error" };
    let title = property(&format!("{} {}", run.tool.name, run.verdict.word()));
    let _ = writeln!(text, "::{command} title={title}::{}", data(&format!("{}: {}", run.url, run.says)));
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
