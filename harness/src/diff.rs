//! What changed between two runs: verdicts, and checks that one of them did not come to.

use crate::fingerprint::is_within;
use crate::report::model::{CheckResult, Outcome, Run};
use countersign_spec::Level;
use serde::Serialize;
use std::collections::BTreeMap;

/// How a change is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// A new violation, or a check that is no longer judged, at a level that fails the second run.
    Worse,
    /// The same at a level that is advice only, or tolerated by the profile.
    Notable,
    /// A violation that is gone, or a check that is judged now.
    Better,
    /// Neither.
    Other,
}

/// One check that ended differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The check.
    pub check: String,
    /// Its level in the second run, or in the first where it is gone.
    pub level: Level,
    /// How to take it.
    pub weight: Weight,
    /// How it ended in the first run; `absent` where it did not run.
    pub before: &'static str,
    /// How it ended in the second.
    pub after: &'static str,
    /// What else is to be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Two runs side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Whether anything is worse.
    pub worse: bool,
    /// Checks that ended alike.
    pub unchanged: usize,
    /// What changed, worst first.
    pub changes: Vec<Change>,
    /// What makes the two hard to compare.
    pub remarks: Vec<String>,
}

/// Compares two runs, check by check.
#[must_use]
pub fn diff(before: &Run, after: &Run) -> Diff {
    let mut pairs: BTreeMap<&str, (Option<&CheckResult>, Option<&CheckResult>)> = BTreeMap::new();
    for check in &before.checks {
        pairs.entry(&check.name).or_default().0 = Some(check);
    }
    for check in &after.checks {
        pairs.entry(&check.name).or_default().1 = Some(check);
    }
    let all = pairs.len();
    let mut changes: Vec<Change> =
        pairs.into_values().filter_map(|(one, other)| change(one, other, after)).collect();
    let unchanged = all - changes.len();
    changes.sort_by(|a, b| {
        a.weight.cmp(&b.weight).then(b.level.cmp(&a.level)).then_with(|| a.check.cmp(&b.check))
    });
    Diff {
        worse: changes.iter().any(|change| change.weight == Weight::Worse),
        unchanged,
        changes,
        remarks: remarks(before, after),
    }
}

fn is_judged(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Held | Outcome::Violated))
}

fn change(one: Option<&CheckResult>, other: Option<&CheckResult>, after: &Run) -> Option<Change> {
    let check = other.or(one)?;
    let (was, is) = (one.map(|check| check.outcome), other.map(|check| check.outcome));
    let mut notes = Vec::new();
    let mut weight = match (was, is) {
        (was, Some(Outcome::Violated)) if was != Some(Outcome::Violated) => Weight::Worse,
        (was, is) if is_judged(was) && !is_judged(is) => {
            notes.push(match other.and_then(|check| check.reason.as_deref()) {
                Some(reason) => format!("no longer judged: {reason}"),
                None => "no longer run".to_owned(),
            });
            Weight::Worse
        }
        (Some(Outcome::Violated), Some(Outcome::Held)) => Weight::Better,
        (was, is) if !is_judged(was) && is_judged(is) => Weight::Better,
        _ => Weight::Other,
    };
    if let (Some(one), Some(other)) = (one, other)
        && (was, is) == (Some(Outcome::Violated), Some(Outcome::Violated))
    {
        if let (Some(known), Some(new)) = (&one.fingerprint, &other.fingerprint)
            && !is_within(new, known)
        {
            weight = Weight::Worse;
            notes.push(format!("another finding: {known}  ->  {new}"));
        }
        if one.declared.is_some() && other.declared.is_none() {
            weight = Weight::Worse;
            notes.push("the profile no longer tolerates it".to_owned());
        } else if one.declared.is_none() && other.declared.is_some() {
            notes.push("the profile tolerates it now".to_owned());
        }
    }
    if let (Some(one), Some(other)) = (one, other)
        && one.level != other.level
    {
        let word = crate::report::model::level_word;
        notes.push(format!("level {} is {} now", word(one.level), word(other.level)));
        if is == Some(Outcome::Violated) && other.level > one.level {
            weight = Weight::Worse;
        }
    }
    if was == is && notes.is_empty() {
        return None;
    }
    let tolerated = other.and_then(|check| check.declared.as_ref());
    if let (Weight::Worse, Some(reason)) = (weight, tolerated) {
        notes.push(format!("tolerated by the profile: {reason}"));
    }
    if weight == Weight::Worse && (check.level < after.fail_on || tolerated.is_some()) {
        weight = Weight::Notable;
    }
    if let Some(cause) = other.and_then(|check| check.cause.as_ref()) {
        notes.push(format!("explained by {cause}"));
    }
    let word = |outcome: Option<Outcome>| outcome.map_or("absent", Outcome::word);
    Some(Change {
        check: check.name.clone(),
        level: check.level,
        weight,
        before: word(was),
        after: word(is),
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    })
}

fn remarks(before: &Run, after: &Run) -> Vec<String> {
    let mut remarks = Vec::new();
    if before.tool != after.tool {
        remarks.push(format!(
            "judged by {} {} before, by {} {} now: a check may have changed",
            before.tool.name, before.tool.version, after.tool.name, after.tool.version
        ));
    }
    let ids = |run: &Run| run.schemes.iter().map(|scheme| scheme.id.clone()).collect::<Vec<_>>().join(", ");
    if ids(before) != ids(after) {
        remarks.push(format!("schemes {} before, {} now", ids(before), ids(after)));
    }
    if before.cases != after.cases {
        remarks.push(format!("{} generated cases before, {} now", before.cases, after.cases));
    }
    remarks
}
