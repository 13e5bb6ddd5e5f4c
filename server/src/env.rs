//! Time and chance as seams: whatever needs them is handed them, so tests move the clock instead of sleeping.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Says what time it is.
///
/// Expiry everywhere is decided by this clock and no other, so that one movable clock moves all of it. It follows the
/// wall clock: setting that back lengthens what is outstanding by as much.
pub trait Clock: Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// Fills bytes that nobody can predict.
pub trait Random: Debug + Send + Sync {
    /// Fills the whole buffer.
    ///
    /// # Errors
    /// When the source of the operating system fails; nothing may then be issued.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError>;
}

/// The source of randomness failed.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct RandomError;

/// So many bytes nobody can predict.
///
/// # Errors
/// As [`Random::fill`].
pub fn random_bytes<const N: usize>(random: &dyn Random) -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    random.fill(&mut bytes)?;
    Ok(bytes)
}

/// A moment, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Never reached: for what does not expire.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment so many milliseconds after 1970.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The moment so many seconds after 1970.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// So many seconds later.
    #[must_use]
    pub const fn plus_secs(self, secs: u64) -> Self {
        Self(self.0.saturating_add(secs.saturating_mul(1000)))
    }
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A clock that can be moved forward, for development and tests.
#[derive(Debug)]
pub struct MovableClock {
    /// Where time stands still, or nothing where it runs with the system's.
    frozen_at: Option<u64>,
    shift: AtomicU64,
}

impl MovableClock {
    /// Runs with the system's clock until moved.
    #[must_use]
    pub const fn running() -> Self {
        Self { frozen_at: None, shift: AtomicU64::new(0) }
    }

    /// Stands still until moved.
    #[must_use]
    pub const fn frozen(at: Timestamp) -> Self {
        Self { frozen_at: Some(at.0), shift: AtomicU64::new(0) }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        // The closure always answers, so the update cannot fail.
        let _ = self
            .shift
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |shift| Some(shift.saturating_add(by)));
    }

    /// Forgets every movement.
    pub fn reset(&self) {
        self.shift.store(0, Ordering::SeqCst);
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        let base = self.frozen_at.unwrap_or_else(|| SystemClock.now().0);
        Timestamp(base.saturating_add(self.shift.load(Ordering::SeqCst)))
    }
}

/// The randomness of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(buffer).map_err(|_| RandomError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_clock_moves_only_when_told() {
        let clock = MovableClock::frozen(Timestamp::from_secs(1_000));
        assert_eq!(clock.now().secs(), 1_000);
        clock.advance(Duration::from_millis(2_500));
        assert_eq!(clock.now().millis(), 1_002_500);
        clock.reset();
        assert_eq!(clock.now().secs(), 1_000);
    }

    #[test]
    fn times_saturate_instead_of_wrapping() {
        assert_eq!(Timestamp::NEVER.plus_secs(1), Timestamp::NEVER);
        let clock = MovableClock::running();
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Timestamp::NEVER);
    }

    #[test]
    fn random_bytes_differ() {
        let (a, b): ([u8; 16], [u8; 16]) =
            (random_bytes(&SystemRandom).unwrap(), random_bytes(&SystemRandom).unwrap());
        assert_ne!(a, b);
    }
}
