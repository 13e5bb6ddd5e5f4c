//! How much held, by scheme and by group, for each level.

use crate::report::model::{CheckResult, Outcome, Run};
use countersign_spec::Level;

/// One row of a table of scores.
#[derive(Debug)]
pub(super) struct Score {
    /// What the row is about.
    pub(super) label: String,
    /// The filter that shows its checks, as the page writes it behind `#`; empty where that is all of them.
    pub(super) filter: String,
    /// For must, should and may: how many checks held of those that came to a verdict.
    pub(super) levels: [Share; 3],
    /// How many ended in each way, in the order of [`Outcome::ALL`].
    pub(super) outcomes: [Count; 5],
}

/// Checks that held, of those that came to a verdict.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) level: &'static str,
    pub(super) held: usize,
    pub(super) judged: usize,
}

/// How many checks ended in a way, and where its piece of the bar lies, in percent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub(super) word: &'static str,
    pub(super) count: usize,
    pub(super) from: f64,
    pub(super) width: f64,
}

/// A row for each scheme and, where there are several, one for all.
pub(super) fn by_scheme(run: &Run) -> Vec<Score> {
    let mut scores: Vec<Score> = run
        .schemes
        .iter()
        .map(|scheme| {
            let checks = run.checks.iter().filter(|check| check.scheme == scheme.id);
            Score::of(&scheme.id, format!("scheme={}", scheme.id), &checks.collect::<Vec<_>>())
        })
        .collect();
    if scores.len() > 1 {
        scores.push(Score::of("all", String::new(), &run.checks.iter().collect::<Vec<_>>()));
    }
    scores
}

/// A row for each group of checks.
pub(super) fn by_group(run: &Run) -> Vec<Score> {
    let mut groups: Vec<&str> = run.checks.iter().map(|check| check.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
        .into_iter()
        .map(|group| {
            let checks = run.checks.iter().filter(|check| check.group == group);
            Score::of(group, format!("group={group}"), &checks.collect::<Vec<_>>())
        })
        .collect()
}

impl Score {
    fn of(label: &str, filter: String, checks: &[&CheckResult]) -> Self {
        let count = |outcome: Outcome, level: Option<Level>| {
            let fits = |check: &&&CheckResult| {
                check.outcome == outcome && level.is_none_or(|level| check.level == level)
            };
            checks.iter().filter(fits).count()
        };
        let levels = [Level::Must, Level::Should, Level::May].map(|level| {
            let held = count(Outcome::Held, Some(level));
            let judged = held + count(Outcome::Violated, Some(level));
            Share { level: crate::report::model::level_word(level), held, judged }
        });
        let mut from = 0.0;
        let outcomes = Outcome::ALL.map(|outcome| {
            let count = count(outcome, None);
            let width = percent(count, checks.len());
            let piece = Count { word: outcome.word(), count, from, width };
            from += width;
            piece
        });
        Self { label: label.to_owned(), filter, levels, outcomes }
    }

    /// The filter of a cell: that of the row and one thing more.
    pub(super) fn filter_with(&self, name: &str, value: &str) -> String {
        let join = if self.filter.is_empty() { "" } else { "&" };
        format!("{}{join}{name}={value}", self.filter)
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 { 0.0 } else { 100.0 * number(part) / number(whole) }
}
