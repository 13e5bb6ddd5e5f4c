//! How long callers wait for a store on another machine, and how many may.

use super::StoreError;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What a shared store may cost its callers, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// From the call to its answer. What takes longer has failed.
    pub time: Duration,
    /// Calls that wait at once. One more fails at once.
    pub waiting: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(2), waiting: 1_024 }
    }
}

/// Holds calls to their limits, so that a store that is gone or hangs is an error soon and memory stays bounded.
#[derive(Debug)]
pub(super) struct Bounds {
    limits: CallLimits,
    places: Semaphore,
    state: AtomicU8,
}

impl Bounds {
    pub(super) fn new(limits: CallLimits) -> Self {
        let places = Semaphore::new(limits.waiting.min(Semaphore::MAX_PERMITS));
        Self { limits, places, state: AtomicU8::new(NEW) }
    }

    /// The call's own answer, if it comes in time.
    pub(super) async fn hold<T>(
        &self,
        doing: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(StoreError::new(doing, &"as many calls as may wait for it do"));
        };
        let answer = tokio::time::timeout(self.limits.time, call).await.unwrap_or_else(|_| {
            let cause = format!("it did not answer within {} ms", self.limits.time.as_millis());
            Err(StoreError::new(doing, &cause))
        });
        self.tell(answer.as_ref().err());
        answer
    }

    /// Logs that the store was lost or found again, and not each call in between. One that was never found is told of
    /// by whoever opens it.
    fn tell(&self, error: Option<&StoreError>) {
        let moved =
            |from, to| self.state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        match error {
            Some(error) if moved(FOUND, LOST) => {
                tracing::warn!(%error, "what needs the store is refused with 503");
            }
            None if !moved(NEW, FOUND) && moved(LOST, FOUND) => tracing::warn!("the store answers again"),
            _ => {}
        }
    }
}

/// It has not answered yet.
const NEW: u8 = 0;
/// Its last answer was good.
const FOUND: u8 = 1;
/// Its last answer was not.
const LOST: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_hangs_fails_in_time() {
        let bounds = Bounds::new(CallLimits { time: Duration::from_millis(20), waiting: 1 });
        let hung: Result<(), _> = bounds.hold("read", std::future::pending()).await;
        assert_eq!(hung.unwrap_err().to_string(), "the store failed to read: it did not answer within 20 ms");
        assert!(bounds.hold("read", std::future::ready(Ok(()))).await.is_ok(), "the place is free again");
    }

    #[tokio::test]
    async fn one_call_more_than_may_wait_fails_at_once() {
        let bounds = Bounds::new(CallLimits { time: Duration::from_secs(60), waiting: 1 });
        let (free, freed) = tokio::sync::oneshot::channel::<()>();
        let first = bounds.hold("read", async { freed.await.map_err(|gone| StoreError::new("wait", &gone)) });
        let second = async {
            let refused = bounds.hold("read", std::future::ready(Ok(()))).await;
            free.send(()).unwrap();
            refused
        };
        let (first, second) = tokio::join!(first, second);
        assert!(first.is_ok());
        assert!(second.unwrap_err().to_string().contains("as many calls"));
    }
}
