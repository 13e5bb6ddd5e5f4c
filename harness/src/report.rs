//! What a run amounts to: outcomes folded by cause, counted, and shown.

pub mod curl;
pub mod differ;
mod fold;
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
pub mod transport;

use crate::check::Check;
use crate::deviation::{self, Deviation};
use crate::finding::{Finding, Outcome};
use crate::redact::Secrets;
use crate::replay::chain::{self, Chain};
use crate::replay::{self, line::Line};
use countersign_spec::{Level, Spec};
use jiff::civil::Date;
use model::Reproducible;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use transport::Transport;

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
    /// How often it came when it was tried again; absent where nobody did.
    pub reproducible: Option<Reproducible>,
    /// The exchanges that lead to it, where somebody has looked for them.
    pub chain: Option<Chain>,
    /// The folder it is kept in, with a script and a case.
    pub kept: Option<PathBuf>,
}

impl Cause {
    /// What repeats it when it is pasted into a shell, and the variables that this needs.
    #[must_use]
    pub fn line(&self, secrets: &Secrets, transport: &Transport) -> Option<Line> {
        self.chain.as_ref().and_then(|chain| replay::line::write(chain, transport)).or_else(|| {
            let text = curl::command(self.finding.exchanges.last()?, secrets, transport);
            let variables = curl::variables(&text);
            Some(Line { text, variables })
        })
    }
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
    /// Folds, counts, and holds the findings against what the profile tolerates today.
    #[must_use]
    pub fn new(records: Vec<Record>, deviations: &[Deviation]) -> Self {
        Self::on(deviation::today(), records, deviations)
    }

    /// As [`Self::new`], on a given day.
    #[must_use]
    pub fn on(today: Date, mut records: Vec<Record>, deviations: &[Deviation]) -> Self {
        records.sort_by(|a, b| a.check.name.cmp(&b.check.name));
        let causes = fold::causes(&records, deviations, today);
        let stale = fold::stale(&records, deviations, today);
        Self { records, causes, stale }
    }

    /// Looks for what leads to the findings that fail a run at this level. `secrets` are those of the profile, `url` is the
    /// target's.
    pub fn trace(&mut self, fail_on: Level, spec: &Spec, url: &str, secrets: &Secrets) {
        for cause in &mut self.causes {
            if cause.level >= fail_on
                && cause.declared.is_none()
                && let Some(scheme) = spec.scheme(&cause.check.scheme)
            {
                cause.chain = Some(chain::to(&cause.finding, scheme, url, secrets));
            }
        }
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

    /// How many checks were left without a verdict although they tried.
    #[must_use]
    pub fn unsure(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Inconclusive(_)))
    }

    /// Why no check came to a verdict, by how they ended, with the commonest reason of those that might have come to one.
    #[must_use]
    pub fn without_verdict(&self) -> String {
        let unsure = self.reasons(|outcome| match outcome {
            Outcome::Inconclusive(reason) => Some(reason),
            _ => None,
        });
        let blocked = self.reasons(|outcome| match outcome {
            Outcome::Blocked(by) => Some(by),
            _ => None,
        });
        let sum = |reasons: &[(String, usize)]| reasons.iter().map(|(_, count)| count).sum::<usize>();
        let skipped = self.count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        let mut parts = Vec::new();
        for (count, how, why) in [
            (sum(&unsure), "inconclusive", unsure.first().map(|(reason, _)| reason)),
            (sum(&blocked), "blocked", blocked.first().map(|(by, _)| by)),
            (skipped, "skipped", None),
        ] {
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            match count {
                0 => {}
                1 => parts.push(format!("1 check was {how}{why}")),
                many => parts.push(format!("{many} checks were {how}{why}")),
            }
        }
        if parts.is_empty() { "no check was selected".to_owned() } else { parts.join(", ") }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Group, Phase};

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
            needs: std::collections::BTreeSet::new(),
            run: Box::new(|_| Ok(())),
        };
        let finding = Finding { check: name.to_owned(), ..Finding::default() };
        let outcome = Outcome::Violated(level, Box::new(finding));
        Record { check: Arc::new(check), outcome, took: Duration::ZERO }
    }

    /// Whoever reads reports keeps to the published schemas.
    #[test]
    fn the_published_schemas_are_those_of_the_types() {
        for (form, published, own) in [
            ("report", include_str!("../schema/report.schema.json"), json::schema()),
            ("events", include_str!("../schema/events.schema.json"), ndjson::schema()),
        ] {
            assert!(
                published == own,
                "write it anew: cargo run -p countersign -- schema {form} > harness/schema/{form}.schema.json"
            );
        }
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
