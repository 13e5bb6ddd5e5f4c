//! Tries findings again before they are reported, so that the reader knows which of them come every time.
//!
//! Whatever comes of it, a finding stays one: what a target did once, it did.

use crate::check::{Check, Phase};
use crate::finding::Outcome;
use crate::fingerprint::is_within;
use crate::report::Summary;
use crate::report::model::Reproducible;
use crate::run;
use crate::target::Target;
use countersign_spec::Level;
use std::time::{Duration, Instant};

/// How often to try, and for how long in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Further times for each finding.
    pub more: u32,
    /// Wall time of all of them together. What would not fit into the rest of it is not begun.
    pub within: Duration,
}

/// Runs the checks of all findings that fail a run again, round by round, each round as if the run began anew: with the same
/// seed and so the same requests, but for what the target makes up. Nothing is sent where nothing fails.
pub fn findings(target: &Target, summary: &mut Summary, fail_on: Level, limits: Limits) {
    let start = Instant::now();
    for _ in 0..limits.more {
        let mut fresh = None;
        for cause in &mut summary.causes {
            if cause.level < fail_on || cause.declared.is_some() || !can_be_repeated(&cause.check) {
                continue;
            }
            let known = summary.records.iter().find(|record| record.check.name == cause.check.name);
            let took = known.map(|record| record.took).unwrap_or_default();
            if start.elapsed() + took > limits.within {
                continue;
            }
            if fresh.is_none() {
                fresh = target.afresh().ok();
            }
            let Some(fresh) = &fresh else { return };
            let so_far = cause.reproducible.unwrap_or(Reproducible { times: 1, of: 1 });
            cause.reproducible = match run::once(fresh, &cause.check) {
                Outcome::Violated(_, found) if is_within(&found.fingerprint, &cause.finding.fingerprint) => {
                    Some(Reproducible { times: so_far.times + 1, of: so_far.of + 1 })
                }
                Outcome::Violated(..) | Outcome::Held => Some(Reproducible { of: so_far.of + 1, ..so_far }),
                // No verdict says nothing of the finding.
                Outcome::Skipped(_) | Outcome::Inconclusive(_) | Outcome::Blocked(_) => cause.reproducible,
            };
        }
    }
}

/// Whether a check makes its own exchanges. Those that read what all others saw have nothing to repeat.
#[must_use]
pub fn can_be_repeated(check: &Check) -> bool {
    check.phase != Phase::Last
}

/// What a reader is told of it.
#[must_use]
pub fn says(Reproducible { times, of }: Reproducible) -> String {
    match (times, of) {
        (times, of) if times == of => format!("reproduced {times} of {of}"),
        (1, of) => format!("seen once in {of}: it may need a moment that does not come every time"),
        (times, of) => format!("seen {times} times in {of}: it does not come every time"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_every_time_is_told_apart() {
        let check = |times, of, begins: &str| {
            let says = says(Reproducible { times, of });
            assert!(says.starts_with(begins), "{says}");
        };
        check(3, 3, "reproduced 3 of 3");
        check(1, 3, "seen once in 3");
        check(2, 3, "seen 2 times in 3");
    }
}
