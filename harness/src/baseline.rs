//! Drafts the `[[deviation]]` tables that tolerate what a run has found, one for each finding and each that is folded under it.

use crate::deviation::{self, Deviation, UNSAID};
use crate::fingerprint::is_within;
use crate::report::model::{CheckResult, Outcome, Run};
use std::fmt::Write as _;
use toml::{Table, Value};

/// The tables that a profile lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// As TOML, to be put at the end of a profile.
    pub text: String,
    /// How many tables.
    pub tables: usize,
    /// How many findings the profile knew already.
    pub known: usize,
}

/// Drafts tables for what fails a run, but for those that stand in `known`. Without a reason, each says that somebody has to
/// write one, and until then no run takes the profile.
#[must_use]
pub fn draft(run: &Run, known: &[Deviation], reason: Option<&str>) -> Draft {
    let mut draft = Draft { text: String::new(), tables: 0, known: 0 };
    for check in failing(run) {
        let fingerprint = check.fingerprint.as_deref().unwrap_or_default();
        let is_known = |deviation: &Deviation| {
            deviation.check == check.name
                && deviation.fingerprint.as_deref().is_none_or(|own| is_within(fingerprint, own))
        };
        if known.iter().any(is_known) {
            draft.known += 1;
            continue;
        }
        draft.tables += 1;
        table(&mut draft.text, run, check, reason);
    }
    draft
}

/// Checks whose violation fails the run, by themselves or under another one.
fn failing(run: &Run) -> impl Iterator<Item = &CheckResult> {
    run.checks.iter().filter(|check| {
        check.outcome == Outcome::Violated && check.level >= run.fail_on && check.declared.is_none()
    })
}

fn table(text: &mut String, run: &Run, check: &CheckResult, reason: Option<&str>) {
    let level = crate::report::model::level_word(check.level);
    text.push('\n');
    let _ = writeln!(text, "# [{level}] {}", one_line(&check.sentence));
    let own = run.findings.iter().find(|finding| finding.check == check.name);
    if let Some(finding) = own {
        let _ = writeln!(text, "# did       {}", one_line(&finding.did));
        let _ = writeln!(text, "# expected  {}", one_line(&finding.expected));
        let _ = writeln!(text, "# got       {}", one_line(&finding.got));
    }
    if let Some(cause) = &check.cause {
        let _ = writeln!(text, "# most likely the same cause as {cause}");
    }
    let mut fields = Table::new();
    let reason = reason
        .map_or_else(|| format!("{UNSAID}: why is this tolerated, and where is it tracked?"), str::to_owned);
    let entries = [
        ("check", Some(check.name.clone())),
        ("fingerprint", check.fingerprint.clone().filter(|fingerprint| !fingerprint.is_empty())),
        ("reason", Some(reason)),
    ];
    text.push_str("[[deviation]]\n");
    for (key, value) in entries {
        let Some(value) = value else { continue };
        fields.clear();
        fields.insert(key.to_owned(), Value::String(value));
        text.push_str(&fields.to_string());
    }
}

/// A profile with the tables at its end.
///
/// # Errors
/// Why the profile cannot take them, in the words of its own mistakes.
pub fn appended(profile: &str, name: &str, draft: &Draft) -> Result<String, String> {
    let mut text = profile.trim_end().to_owned();
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(if text.is_empty() { draft.text.trim_start() } else { &draft.text });
    match text.parse::<Table>() {
        Ok(_) => Ok(text),
        Err(problem) => Err(format!("{name} cannot take [[deviation]] tables at its end: {problem}")),
    }
}

/// The deviations of a profile's text, drafts among them.
///
/// # Errors
/// That it is no TOML.
pub fn known(profile: &str, name: &str) -> Result<Vec<Deviation>, String> {
    let table: Table = profile.parse().map_err(|problem| format!("{name} is no TOML: {problem}"))?;
    let tables = table.get("deviation").and_then(Value::as_array);
    let text = |table: &Value, key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    let known = tables.into_iter().flatten().filter_map(|table| {
        Some(Deviation {
            check: text(table, "check")?,
            fingerprint: text(table, "fingerprint"),
            reason: text(table, "reason").unwrap_or_default(),
            expires: None,
        })
    });
    Ok(known.collect())
}

/// Text for a comment, which a line break of the target's would end.
fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    crate::exchange::cut(&line, 160)
}

/// Whether a profile with these tables would be taken as it is.
#[must_use]
pub fn is_ready(text: &str) -> bool {
    text.parse::<Table>().is_ok_and(|table| deviation::read(&table).1.is_empty())
}
