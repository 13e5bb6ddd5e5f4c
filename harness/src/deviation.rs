//! `[[deviation]]`: a departure that is known and tolerated, with the reason and, where it is set, the day that ends it.

use crate::finding::Finding;
use crate::fingerprint;
use crate::profile::{keys, nearest};
use jiff::civil::Date;
use std::collections::BTreeSet;
use std::time::SystemTime;
use toml::{Table, Value};

/// What a draft has in place of a reason, until somebody writes one.
pub const UNSAID: &str = "TODO";

/// A known departure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// Name of the check that finds it.
    pub check: String,
    /// Which finding of the check it is; without one, any.
    pub fingerprint: Option<String>,
    /// Why it is tolerated.
    pub reason: String,
    /// The last day on which it is.
    pub expires: Option<Date>,
}

impl Deviation {
    /// Whether it speaks of a way in which its check can be broken.
    #[must_use]
    pub fn names(&self, way: &str) -> bool {
        self.fingerprint.as_deref().is_none_or(|known| fingerprint::is_within(way, known))
    }

    /// Whether it tolerates nothing any more.
    #[must_use]
    pub fn is_over(&self, today: Date) -> bool {
        self.expires.is_some_and(|last| last < today)
    }
}

/// Deviations of a check that hold today.
fn holding<'d>(deviations: &'d [Deviation], check: &str, today: Date) -> impl Iterator<Item = &'d Deviation> {
    deviations.iter().filter(move |deviation| deviation.check == check && !deviation.is_over(today))
}

/// The deviations that tolerate a finding of a check today, each way of it by at least one; none where a way is tolerated by
/// none of them.
#[must_use]
pub fn tolerates<'d>(
    deviations: &'d [Deviation],
    check: &str,
    finding: &Finding,
    today: Date,
) -> Option<Vec<&'d Deviation>> {
    let mut reasons: Vec<&Deviation> = Vec::new();
    // A finding without a fingerprint is one that only a whole check can tolerate.
    let mut ways: Vec<&str> = fingerprint::ways(&finding.fingerprint).collect();
    if ways.is_empty() {
        ways.push("");
    }
    for way in ways {
        let known = holding(deviations, check, today).find(|deviation| deviation.names(way))?;
        if !reasons.contains(&known) {
            reasons.push(known);
        }
    }
    Some(reasons)
}

/// Every way of a check that the profile tolerates today by its fingerprint.
#[must_use]
pub fn ways(deviations: &[Deviation], check: &str, today: Date) -> BTreeSet<String> {
    let known = holding(deviations, check, today).filter_map(|deviation| deviation.fingerprint.as_deref());
    known.flat_map(fingerprint::ways).map(str::to_owned).collect()
}

/// The day it is, in UTC, so that a run in CI and one at a desk agree.
#[must_use]
pub fn today() -> Date {
    let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    now.to_zoned(jiff::tz::TimeZone::UTC).date()
}

/// Reads the `[[deviation]]` tables of a profile, and every mistake in them as key and problem.
#[must_use]
pub fn read(profile: &Table) -> (Vec<Deviation>, Vec<(String, String)>) {
    let (mut deviations, mut mistakes) = (Vec::new(), Vec::new());
    let Some(value) = profile.get("deviation") else { return (deviations, mistakes) };
    let tables = value.as_array().filter(|tables| tables.iter().all(Value::is_table));
    let Some(tables) = tables else {
        mistakes.push(("deviation".to_owned(), "write [[deviation]] tables".to_owned()));
        return (deviations, mistakes);
    };
    for table in tables.iter().filter_map(Value::as_table) {
        match one(table) {
            Ok(deviation) => deviations.push(deviation),
            Err(found) => mistakes.extend(found),
        }
    }
    for (index, deviation) in deviations.iter().enumerate() {
        let same =
            |other: &Deviation| other.check == deviation.check && other.fingerprint == deviation.fingerprint;
        if deviations.iter().take(index).any(same) {
            let problem = format!("`{}` is declared twice: take one out", deviation.check);
            mistakes.push(("deviation".to_owned(), problem));
        }
    }
    (deviations, mistakes)
}

fn one(table: &Table) -> Result<Deviation, Vec<(String, String)>> {
    let mut mistakes = Vec::new();
    let known = keys::below("deviation[]");
    for key in table.keys().filter(|key| !known.contains(&key.as_str())) {
        let hint = match nearest(key, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        mistakes.push((format!("deviation.{key}"), format!("is not known; {hint}")));
    }
    let mut text = |key: &str| match table.get(key) {
        None => None,
        Some(Value::String(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Some(Value::String(_)) if key == "reason" => None,
        Some(_) => {
            mistakes.push((format!("deviation.{key}"), "must be a text in quotes, and not empty".to_owned()));
            None
        }
    };
    let (check, fingerprint, reason) = (text("check"), text("fingerprint"), text("reason"));
    let whose = check.as_ref().map(|check| format!(" ({check})")).unwrap_or_default();
    let expires = match table.get("expires") {
        None => None,
        Some(Value::Datetime(date)) if date.time.is_none() => date.to_string().parse().ok(),
        Some(_) => {
            let problem = "must be a day without quotes, such as 2027-01-31".to_owned();
            mistakes.push((format!("deviation.expires{whose}"), problem));
            None
        }
    };
    if check.is_none() && !table.contains_key("check") {
        mistakes.push((
            "deviation.check".to_owned(),
            "is missing: the name of the check that finds it".to_owned(),
        ));
    }
    match &reason {
        None if table.get("reason").is_none_or(Value::is_str) => {
            let problem = "is missing: say why it is tolerated".to_owned();
            mistakes.push((format!("deviation.reason{whose}"), problem));
        }
        Some(reason) if reason.to_ascii_uppercase().starts_with(UNSAID) => {
            let problem = format!("still says {UNSAID}: write why it is tolerated, or take the table out");
            mistakes.push((format!("deviation.reason{whose}"), problem));
        }
        _ => {}
    }
    match (check, reason) {
        (Some(check), Some(reason)) if mistakes.is_empty() => {
            Ok(Deviation { check, fingerprint, reason, expires })
        }
        _ => Err(mistakes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Option<&str>, &str>) {
        let (deviations, mistakes) = read(&text.parse().unwrap());
        match expected {
            Ok(expires) => {
                assert_eq!(mistakes, []);
                assert_eq!(deviations[0].expires.map(|date| date.to_string()).as_deref(), expires);
            }
            Err(part) => {
                let lines: Vec<String> =
                    mistakes.iter().map(|(key, problem)| format!("{key} {problem}")).collect();
                assert!(lines.iter().any(|line| line.contains(part)), "{lines:?} lacks {part}");
            }
        }
    }

    #[test]
    fn tables_are_read_and_mistakes_named() {
        let table = |rest: &str| format!("[[deviation]]\ncheck = \"a\"\nreason = \"b\"\n{rest}");
        check(&table(""), Ok(None));
        check(&table("expires = 2027-01-31\nfingerprint = \"x\""), Ok(Some("2027-01-31")));
        check(&table("expires = \"2027-01-31\""), Err("deviation.expires (a) must be a day"));
        check(&table("expires = 2027-01-31T10:00:00"), Err("deviation.expires (a) must be a day"));
        check(&table("fingerprnt = \"x\""), Err("did you mean `fingerprint`?"));
        check(&table("fingerprint = 3"), Err("deviation.fingerprint must be a text"));
        check("[[deviation]]\ncheck = \"a\"", Err("deviation.reason (a) is missing"));
        check("[[deviation]]\ncheck = \"a\"\nreason = \" \"", Err("deviation.reason (a) is missing"));
        check(
            "[[deviation]]\ncheck = \"a\"\nreason = \"TODO: why\"",
            Err("deviation.reason (a) still says TODO"),
        );
        check("[[deviation]]\nreason = \"b\"", Err("deviation.check is missing"));
        check("deviation = 3", Err("write [[deviation]] tables"));
        check(&format!("{}{}", table(""), table("")), Err("declared twice"));
    }

    #[test]
    fn the_last_day_is_a_day_on_which_it_holds() {
        let (deviations, _) =
            read(&"[[deviation]]\ncheck = \"a\"\nreason = \"b\"\nexpires = 2027-01-31".parse().unwrap());
        for (day, over) in [("2027-01-30", false), ("2027-01-31", false), ("2027-02-01", true)] {
            assert_eq!(deviations[0].is_over(day.parse().unwrap()), over, "{day}");
        }
    }
}
