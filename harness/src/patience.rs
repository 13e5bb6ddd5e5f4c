//! How long to wait for a target, learnt from how it answers.
//!
//! A target that leaves one kind of request without an answer is told so once, after the whole time limit. What comes after
//! is waited for as long as its other answers make sensible, and no longer: a run must not take minutes to say the same
//! thing again. The same holds for a limit that waiting does not lift.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a single check may wait for a target that asks for patience.
const LONGEST: Duration = Duration::from_secs(12);
/// The least that is waited for an answer, however quick the others are.
const LEAST: Duration = Duration::from_millis(250);

/// What was learnt of one target.
#[derive(Debug, Default)]
pub struct Patience {
    /// Requests that were left without an answer, by path.
    unanswered: Mutex<BTreeMap<String, u32>>,
    /// The longest that an answer took, in microseconds.
    slowest: AtomicU64,
    /// How often in a row waiting did not help.
    in_vain: AtomicU32,
}

impl Patience {
    /// How long to wait for the answer to a request to this path, where the profile allows `full`.
    #[must_use]
    pub fn limit(&self, path: &str, full: Duration) -> Duration {
        let unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        let slowest = Duration::from_micros(self.slowest.load(Ordering::Relaxed));
        let sensible = (slowest * 4).max(LEAST).min(full / 2);
        match unanswered.get(without_query(path)) {
            None | Some(0) => full,
            Some(1) => sensible.max(full / 4),
            Some(_) => sensible,
        }
    }

    /// An answer came after this time.
    pub fn answered(&self, after: Duration) {
        let after = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.slowest.fetch_max(after, Ordering::Relaxed);
    }

    /// No answer came from this path.
    pub fn unanswered(&self, path: &str) {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        *unanswered.entry(without_query(path).to_owned()).or_default() += 1;
    }

    /// How long one request may wait for a limit to be lifted.
    #[must_use]
    pub fn for_limits(&self) -> Duration {
        LONGEST / 4_u32.saturating_pow(self.in_vain.load(Ordering::Relaxed).min(8))
    }

    /// The target went on limiting after all that waiting, or the wait helped.
    pub fn waited(&self, helped: bool) {
        if helped {
            self.in_vain.store(0, Ordering::Relaxed);
        } else {
            self.in_vain.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Duration = Duration::from_secs(5);

    #[test]
    fn a_path_that_hangs_is_waited_for_once_and_the_others_as_before() {
        let patience = Patience::default();
        patience.answered(Duration::from_millis(40));
        assert_eq!(patience.limit("/login", FULL), FULL);
        patience.unanswered("/login?a=1");
        assert_eq!(patience.limit("/login", FULL), Duration::from_millis(1_250));
        patience.unanswered("/login");
        assert_eq!(patience.limit("/login?b", FULL), LEAST);
        assert_eq!(patience.limit("/refresh", FULL), FULL);
    }

    #[test]
    fn a_slow_target_is_waited_for_longer() {
        let patience = Patience::default();
        patience.answered(Duration::from_millis(400));
        patience.unanswered("/");
        patience.unanswered("/");
        assert_eq!(patience.limit("/", FULL), Duration::from_millis(1_600));
        patience.answered(Duration::from_secs(4));
        assert_eq!(patience.limit("/", FULL), FULL / 2);
    }

    #[test]
    fn waiting_for_limits_in_vain_ends_soon() {
        let patience = Patience::default();
        assert_eq!(patience.for_limits(), LONGEST);
        patience.waited(false);
        patience.waited(false);
        assert_eq!(patience.for_limits(), LONGEST / 16);
        patience.waited(true);
        assert_eq!(patience.for_limits(), LONGEST);
    }
}
