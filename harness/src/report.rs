//! What a run amounts to: outcomes folded by cause, counted, and shown.

pub mod curl;
pub mod differ;
pub mod gather;
pub mod github;
pub mod har;
pub mod html;
pub mod json;
pub mod junit;
pub mod kinds;
pub mod markdown;
pub mod model;
pub mod ndjson;
pub mod page;
pub mod place;
pub mod sarif;
pub mod tap;
pub mod text;

use crate::check::Check;
use crate::finding::{Finding, Outcome};
use crate::profile::Deviation;
use countersign_spec::Level;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How one check ended.
#[derive(Debug, Clone)]
pub struct Record {
    /// The check.
    pub check: Arc<Check>,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, without the wait for its turn.
    pub took: Duration,
}

/// One cause, with every check it tripped.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The check that says it best.
    pub check: Arc<Check>,
    /// What it found.
    pub finding: Box<Finding>,
    /// Level of the finding: that of its check, or of a graver one that is folded under it.
    pub level: Level,
    /// Other checks with the same cause, and those it keeps from a verdict.
    pub folded: Vec<String>,
    /// Why the profile tolerates it, where it does.
    pub declared: Option<String>,
}

/// A whole run.
#[derive(Debug, Default)]
pub struct Summary {
    /// How every check ended, in the order of their names.
    pub records: Vec<Record>,
    /// Causes, gravest first.
    pub causes: Vec<Cause>,
    /// Deviations of the profile that did not occur although their checks ran.
    pub stale: Vec<Deviation>,
}

impl Summary {
    /// Folds and counts.
    #[must_use]
    pub fn new(mut records: Vec<Record>, deviations: &[Deviation]) -> Self {
        records.sort_by(|a, b| a.check.name.cmp(&b.check.name));
        let mut causes: Vec<Cause> = Vec::new();
        let mut rank_of: BTreeMap<(String, &'static str), u8> = BTreeMap::new();
        for record in &records {
            if let (Outcome::Violated(..), Some((family, rank))) = (&record.outcome, record.check.family) {
                let lowest = rank_of.entry((record.check.scheme.clone(), family)).or_insert(rank);
                *lowest = (*lowest).min(rank);
            }
        }
        let explains = |check: &Check| {
            check.family.map(|(family, rank)| (rank, rank_of.get(&(check.scheme.clone(), family)).copied()))
        };
        for record in &records {
            let Outcome::Violated(level, finding) = &record.outcome else { continue };
            if let Some((rank, Some(lowest))) = explains(&record.check)
                && rank > lowest
            {
                continue;
            }
            if causes.iter().any(|cause| tries_the_same(&cause.check, &record.check)) {
                continue;
            }
            let declared = deviations.iter().find(|deviation| deviation.check == record.check.name);
            causes.push(Cause {
                check: Arc::clone(&record.check),
                finding: finding.clone(),
                level: *level,
                folded: Vec::new(),
                declared: declared.map(|deviation| deviation.reason.clone()),
            });
        }
        for record in &records {
            let into = match &record.outcome {
                Outcome::Blocked(by) => causes.iter_mut().find(|cause| cause.check.name == *by),
                Outcome::Violated(..)
                    if !causes.iter().any(|cause| cause.check.name == record.check.name) =>
                {
                    let family = record.check.family.map(|(family, _)| family);
                    let own = causes.iter().position(|cause| tries_the_same(&cause.check, &record.check));
                    let near = own.or_else(|| {
                        causes.iter().position(|cause| {
                            cause.check.scheme == record.check.scheme
                                && cause.check.family.map(|(family, _)| family) == family
                        })
                    });
                    near.and_then(|index| causes.get_mut(index))
                }
                _ => None,
            };
            if let Some(cause) = into {
                // An advice must not hide a duty, or the run would pass with a check that failed it.
                if let Outcome::Violated(level, _) = &record.outcome {
                    cause.level = cause.level.max(*level);
                }
                cause.folded.push(record.check.name.clone());
            }
        }
        causes.sort_by(|a, b| b.level.cmp(&a.level).then_with(|| a.check.name.cmp(&b.check.name)));
        let ran: Vec<&str> = records
            .iter()
            .filter(|record| matches!(record.outcome, Outcome::Held | Outcome::Violated(..)))
            .map(|record| record.check.name.as_str())
            .collect();
        let stale = deviations
            .iter()
            .filter(|deviation| ran.contains(&deviation.check.as_str()))
            .filter(|deviation| {
                !records.iter().any(|record| {
                    record.check.name == deviation.check && matches!(record.outcome, Outcome::Violated(..))
                })
            })
            .cloned()
            .collect();
        Self { records, causes, stale }
    }

    /// Causes that fail a run at this level.
    pub fn failing(&self, fail_on: Level) -> impl Iterator<Item = &Cause> {
        self.causes.iter().filter(move |cause| cause.level >= fail_on && cause.declared.is_none())
    }

    /// How many checks reached a verdict.
    #[must_use]
    pub fn judged(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Held | Outcome::Violated(..)))
    }

    /// How many checks ended in a way.
    #[must_use]
    pub fn count(&self, which: impl Fn(&Outcome) -> bool) -> usize {
        self.records.iter().filter(|record| which(&record.outcome)).count()
    }

    /// Reasons for skipping or missing a verdict, with how many checks have each.
    #[must_use]
    pub fn reasons(&self, which: impl Fn(&Outcome) -> Option<&str>) -> Vec<(String, usize)> {
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for reason in self.records.iter().filter_map(|record| which(&record.outcome)) {
            *reasons.entry(reason.to_owned()).or_default() += 1;
        }
        let mut reasons: Vec<(String, usize)> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons
    }
}

/// Whether two checks try one clause of a scheme in different ways: what fails one of them explains the other.
fn tries_the_same(one: &Check, other: &Check) -> bool {
    one.scheme == other.scheme
        && one.family.is_some()
        && one.family == other.family
        && one.clauses.first() == other.clauses.first()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Group, Phase};
    use crate::redact::Secrets;

    fn violated(name: &str, rank: u8, level: Level) -> Record {
        let check = Check {
            name: name.to_owned(),
            scheme: "ethgas".to_owned(),
            group: Group::Time,
            sentence: String::new(),
            clauses: vec![name.to_owned()],
            level,
            family: Some(("late-token", rank)),
            phase: Phase::Beside,
            needs_login: true,
            about_lockout: false,
            run: Box::new(|_| Ok(())),
        };
        let finding = Finding {
            check: name.to_owned(),
            did: String::new(),
            expected: String::new(),
            got: String::new(),
            hint: None,
            exchanges: Vec::new(),
            secrets: Secrets::default(),
        };
        let outcome = Outcome::Violated(level, Box::new(finding));
        Record { check: Arc::new(check), outcome, took: Duration::ZERO }
    }

    #[test]
    fn a_cause_is_as_grave_as_the_gravest_check_under_it() {
        let records = vec![violated("advice", 1, Level::May), violated("duty", 2, Level::Should)];
        let summary = Summary::new(records, &[]);
        assert_eq!(summary.causes.len(), 1);
        assert_eq!(summary.causes[0].folded, ["duty"]);
        assert_eq!(summary.failing(Level::Should).count(), 1);
        assert_eq!(summary.failing(Level::Must).count(), 0);
    }
}
