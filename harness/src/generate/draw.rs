//! The stream of choices one value is drawn from.
//!
//! SplitMix64 rather than a generator of a crate: the same run seed must give the same requests whatever
//! version of `rand` is in the tree, and a draw must cost nothing in a debug build. Nothing secret is
//! drawn here.

use sha2::{Digest, Sha256};

/// A deterministic source of choices, with a budget for the size of the value being drawn.
#[derive(Debug, Clone)]
pub(super) struct Draw {
    state: u64,
    /// Members and items that may still be drawn freely; at nought only what is required is drawn.
    pub(super) room: u32,
}

/// Members and items of one value before drawing turns to the smallest possible.
const ROOM: u32 = 80;

impl Draw {
    /// A stream that depends on the seed alone.
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed, room: ROOM }
    }

    /// The next 64 bits.
    pub(super) fn bits(&mut self) -> u64 {
        // Steele, Lea, Flood: "Fast splittable pseudorandom number generators", figure 20.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`; nought if `limit` is nought.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        if limit == 0 {
            return 0;
        }
        ((u128::from(self.bits()) * limit as u128) >> 64) as usize
    }

    /// A number of the range, both ends included; the low end if the range is empty.
    pub(super) fn within(&mut self, low: usize, high: usize) -> usize {
        if high <= low { low } else { low + self.below(high - low + 1) }
    }

    /// A whole number of the range, both ends included.
    pub(super) fn whole(&mut self, low: i128, high: i128) -> i128 {
        if high <= low {
            return low;
        }
        let span = (high - low) as u128 + 1;
        let wide = (u128::from(self.bits()) << 64) | u128::from(self.bits());
        low + (wide % span) as i128
    }

    /// True `percent` times in a hundred.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// Puts them into another order.
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// The seed of one draw: a stable hash of the run's seed, the name of the case and the number of the draw.
///
/// Each part is preceded by its length, so that no two different triples are hashed as the same bytes.
#[must_use]
pub fn seed_of(run: u64, case: &str, number: u32) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"countersign case seed 1");
    hash.update(run.to_be_bytes());
    hash.update((case.len() as u64).to_be_bytes());
    hash.update(case.as_bytes());
    hash.update(number.to_be_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // First outputs of SplitMix64 for the seed 1234567, as listed with the reference implementation.
        let mut draw = Draw::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| draw.bits()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn ranges_hold_and_reach_both_ends() {
        let mut draw = Draw::new(7);
        let seen: std::collections::BTreeSet<usize> = (0..200).map(|_| draw.within(3, 6)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
        assert_eq!(draw.within(9, 2), 9);
        assert_eq!(draw.below(0), 0);
        let wide = draw.whole(-5, -5);
        assert_eq!(wide, -5);
        assert!((0..200).all(|_| (-3..=2).contains(&draw.whole(-3, 2))));
    }

    #[test]
    fn seeds_differ_in_every_part() {
        let base = seed_of(1, "a", 2);
        assert_eq!(base, seed_of(1, "a", 2));
        for other in [seed_of(2, "a", 2), seed_of(1, "b", 2), seed_of(1, "a", 3)] {
            assert_ne!(base, other);
        }
    }
}
