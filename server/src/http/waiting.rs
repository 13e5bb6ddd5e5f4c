//! How long a connection has waited for the head of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Since when a connection waits. What answers its requests and what reads them share it.
///
/// The library would set a timer for each head and stop it again; this is one moment that is written down, which the
/// reader's one timer looks at when it is over.
#[derive(Debug, Clone)]
pub(super) struct Waiting(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    opened: Instant,
    /// Milliseconds from then on until the last answer was there.
    answered: AtomicU64,
    answering: AtomicBool,
}

/// A request that is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct Answering<'a>(&'a Waiting);

impl Waiting {
    /// A connection that waits from now on.
    pub(super) fn new() -> Self {
        let (answered, answering) = (AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Inner { opened: Instant::now(), answered, answering }))
    }

    /// Does not wait while a request is being answered.
    pub(super) fn answering(&self) -> Answering<'_> {
        self.0.answering.store(true, Ordering::Relaxed);
        Answering(self)
    }

    /// Waits from now on.
    pub(super) fn restart(&self) {
        let since = u64::try_from(self.0.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.answered.store(since, Ordering::Relaxed);
    }

    /// When it will have waited so long; while a request is being answered, so long from now.
    pub(super) fn over(&self, patience: Duration) -> Instant {
        if self.0.answering.load(Ordering::Relaxed) {
            return Instant::now() + patience;
        }
        self.0.opened + Duration::from_millis(self.0.answered.load(Ordering::Relaxed)) + patience
    }
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.restart();
        self.0.0.answering.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_from_the_last_answer_on_and_not_while_one_is_made() {
        const PATIENCE: Duration = Duration::from_secs(30);
        let waiting = Waiting::new();
        let opened = waiting.0.opened;
        assert_eq!(waiting.over(PATIENCE), opened + PATIENCE);
        waiting.0.answered.store(5_000, Ordering::Relaxed);
        assert_eq!(waiting.over(PATIENCE), opened + Duration::from_secs(5) + PATIENCE);
        let answering = waiting.answering();
        let now = Instant::now();
        assert!(waiting.over(PATIENCE) >= now + PATIENCE, "the time of an answer is not the caller's");
        drop(answering);
        let over = waiting.over(PATIENCE);
        assert!(over < opened + Duration::from_secs(5) + PATIENCE, "counted from the end of the answer on");
    }
}
