//! The Test Anything Protocol, version 14: a line for each check, and a block of YAML under each finding.

use super::model::{CheckResult, Finding, Outcome, Run, Verdict, level_word};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Writes the report.
#[must_use]
pub fn write(run: &Run) -> String {
    let mut text = String::from("TAP version 14\n");
    let decided = run.verdict == Verdict::Violates || run.exit == 0;
    // What failed the run without being a finding has a line of its own, or the run would read as passed.
    let _ = writeln!(text, "1..{}", run.checks.len() + usize::from(!decided));
    let _ = writeln!(text, "# {} {}, seed {}", comment(&run.program), comment(&run.target_flags), run.seed);
    for (index, check) in run.checks.iter().enumerate() {
        line(&mut text, index + 1, check, run);
    }
    if !decided {
        let number = run.checks.len() + 1;
        let _ = writeln!(text, "not ok {number} - the run came to a verdict");
        block(&mut text, &[("verdict", json!(run.verdict.word())), ("message", json!(run.says))]);
    }
    if run.verdict == Verdict::Unreachable {
        let _ = writeln!(text, "Bail out! {}", comment(&run.says));
    }
    text
}

fn line(text: &mut String, number: usize, check: &CheckResult, run: &Run) {
    let name = escape(&check.name);
    let reason = comment(check.reason.as_deref().unwrap_or_default());
    let _ = match check.outcome {
        Outcome::Held => writeln!(text, "ok {number} - {name}"),
        Outcome::Skipped | Outcome::Blocked => writeln!(text, "ok {number} - {name} # SKIP {reason}"),
        Outcome::Inconclusive => writeln!(text, "ok {number} - {name} # SKIP inconclusive: {reason}"),
        Outcome::Violated => {
            let finding = run.finding_of(check);
            let todo = match finding.filter(|finding| !finding.fails) {
                None => String::new(),
                Some(Finding { declared: Some(reason), .. }) => {
                    format!(" # TODO declared: {}", comment(reason))
                }
                Some(finding) => format!(" # TODO advice: level {}", level_word(finding.level)),
            };
            let _ = writeln!(text, "not ok {number} - {name}{todo}");
            if let Some(finding) = finding {
                found(text, check, finding);
            }
            Ok(())
        }
    };
}

fn found(text: &mut String, check: &CheckResult, finding: &Finding) {
    if finding.check != check.name {
        return block(text, &[("cause", json!(finding.check))]);
    }
    block(
        text,
        &[
            ("message", json!(finding.did)),
            ("severity", json!(level_word(finding.level))),
            ("clauses", json!(finding.clauses)),
            ("expected", json!(finding.expected)),
            ("got", json!(finding.got)),
            ("curl", json!(finding.curl)),
            ("again", json!(finding.again)),
        ],
    );
}

/// A block of YAML whose values are JSON, which YAML takes as it is.
fn block(text: &mut String, members: &[(&str, Value)]) {
    text.push_str("  ---\n");
    for (name, value) in members {
        let _ = writeln!(text, "  {name}: {value}");
    }
    text.push_str("  ...\n");
}

/// A description in which nothing opens a directive.
fn escape(text: &str) -> String {
    comment(text).replace('\\', "\\\\").replace('#', "\\#")
}

/// One line.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
