//! Requests by rate: so many at once, then one every so often.
//!
//! The generic cell rate algorithm keeps one number for each source. Libraries for it keep their tables unbounded between
//! sweeps; here a flood of sources must not take the memory, so the table has an end and what lies beyond shares a cell.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many requests at once, and one more each time this long has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Between two requests of somebody who asks all the time.
    pub every: Duration,
    /// Requests at once after a rest.
    pub burst: u32,
}

impl Rate {
    /// So many requests a second, and so many at once.
    #[must_use]
    pub fn per_second(requests: u32, burst: u32) -> Self {
        Self { every: Duration::from_secs(1) / requests.max(1), burst }
    }
}

/// One count: when everything asked for so far would have been asked for at the steady rate, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cell(u64);

impl Cell {
    /// Counts one request, or answers how long to wait.
    pub(super) fn take(&mut self, rate: Rate, now: u64) -> Result<(), Duration> {
        let every = nanos(rate.every);
        let ahead = every.saturating_mul(u64::from(rate.burst.max(1) - 1));
        let earliest = self.0.saturating_sub(ahead);
        if earliest > now {
            return Err(Duration::from_nanos(earliest - now));
        }
        self.0 = self.0.max(now).saturating_add(every);
        Ok(())
    }

    /// Whether it says no more than a fresh one.
    const fn is_spent(self, now: u64) -> bool {
        self.0 <= now
    }
}

/// A cell for each key, up to a number.
///
/// Cells that say nothing any more make room. Where there is none, keys that are not in the table share one cell of the
/// same rate: stricter than the rule, never without one, and who is in the table notices nothing.
#[derive(Debug)]
pub(super) struct Cells<K> {
    rate: Rate,
    hasher: RandomState,
    shards: Vec<Mutex<Shard<K>>>,
    /// Keys in one shard.
    room: usize,
}

#[derive(Debug)]
struct Shard<K> {
    cells: HashMap<K, Cell>,
    shared: Cell,
    swept: u64,
}

impl<K: Hash + Eq> Cells<K> {
    pub(super) fn new(rate: Rate, room: usize) -> Self {
        let shard = || Mutex::new(Shard { cells: HashMap::new(), shared: Cell::default(), swept: 0 });
        let shards = (0..SHARDS).map(|_| shard()).collect();
        Self { rate, hasher: RandomState::new(), shards, room: room.div_ceil(SHARDS).max(1) }
    }

    /// Counts one request of this key at this moment, in nanoseconds of a clock that never goes back.
    pub(super) fn take(&self, key: K, now: u64) -> Result<(), Duration> {
        let number = usize::try_from(self.hasher.hash_one(&key)).unwrap_or(usize::MAX) % SHARDS;
        let mut shard = self.shards[number].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = shard.cells.get_mut(&key) {
            return cell.take(self.rate, now);
        }
        if shard.cells.len() >= self.room && now >= shard.swept.saturating_add(SWEEP) {
            shard.cells.retain(|_, cell| !cell.is_spent(now));
            shard.swept = now;
        }
        if shard.cells.len() >= self.room {
            return shard.shared.take(self.rate, now);
        }
        shard.cells.entry(key).or_default().take(self.rate, now)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().cells.len()).sum()
    }
}

const SHARDS: usize = 16;
/// Nanoseconds between two sweeps of one shard: under a flood each request would otherwise look at every cell.
const SWEEP: u64 = 1_000_000_000;

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_is_served_and_then_one_at_a_time() {
        let cells = Cells::new(Rate::per_second(2, 3), 100);
        let start = 7 * SECOND;
        for _ in 0..3 {
            assert_eq!(cells.take("a", start), Ok(()));
        }
        assert_eq!(cells.take("a", start), Err(Duration::from_millis(500)));
        assert_eq!(cells.take("b", start), Ok(()), "others have cells of their own");
        assert_eq!(cells.take("a", start + SECOND / 2), Ok(()));
        assert!(cells.take("a", start + SECOND / 2).is_err());
        for _ in 0..3 {
            assert_eq!(cells.take("a", start + 10 * SECOND), Ok(()), "rested");
        }
    }

    #[test]
    fn a_flood_of_sources_takes_no_more_room_and_stays_limited() {
        let cells = Cells::new(Rate::per_second(1, 5), 1_600);
        for _ in 0..5 {
            assert_eq!(cells.take(0, SECOND), Ok(()));
        }
        let served = (1..200_000u32).filter(|source| cells.take(*source, SECOND).is_ok()).count();
        assert!(cells.len() <= 1_600, "{}", cells.len());
        assert!((1_500..=1_600 + 16 * 5).contains(&served), "{served} of the flood were served");
        assert!(cells.take(0, SECOND).is_err(), "who was counted before stays counted");
        // A rest later the flood is forgotten.
        assert_eq!(cells.take(300_000, 20 * SECOND), Ok(()));
        assert!(cells.len() < 1_600);
    }

    proptest! {
        /// Over any span, no more than the burst and one for each interval.
        #[test]
        fn no_pattern_of_requests_gets_more_than_the_rate(
            gaps in prop::collection::vec(0u64..SECOND, 1..200),
            per_second in 1u32..20,
            burst in 1u32..10,
        ) {
            let rate = Rate::per_second(per_second, burst);
            let (mut cell, mut now, mut served) = (Cell::default(), SECOND, Vec::new());
            for gap in gaps {
                now += gap;
                if cell.take(rate, now).is_ok() {
                    served.push(now);
                }
            }
            for (first, start) in served.iter().enumerate() {
                for (last, end) in served.iter().enumerate().skip(first) {
                    let most = u64::from(burst) + (end - start) / nanos(rate.every);
                    prop_assert!((last - first + 1) as u64 <= most);
                }
            }
        }
    }
}
