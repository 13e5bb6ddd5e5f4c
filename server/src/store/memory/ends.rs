//! Which entries end in which second.

use crate::env::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// Hashes of names by the second in which their entries end, in the order in which they were noted.
///
/// What is removed early keeps its note until that second is over, or until [`Ends::mostly_gone`] asks for a new list:
/// most challenges are answered, and each would otherwise have to be searched for here, too.
#[derive(Debug, Default)]
pub(super) struct Ends {
    seconds: BTreeMap<u64, VecDeque<u64>>,
    notes: usize,
}

impl Ends {
    /// The second in which it ends.
    pub(super) const fn second(until: Timestamp) -> u64 {
        until.millis() / 1000
    }

    /// Whether one note does for both.
    pub(super) const fn together(one: Timestamp, other: Timestamp) -> bool {
        Self::second(one) == Self::second(other)
    }

    pub(super) fn note(&mut self, until: Timestamp, hash: u64) {
        self.seconds.entry(Self::second(until)).or_default().push_back(hash);
        self.notes += 1;
    }

    /// The first note of the soonest second, if that is over at this moment: the second and the hash. At
    /// [`Timestamp::NEVER`] every second is, that of what never ends among them.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<(u64, u64)> {
        let mut soonest = self.seconds.first_entry()?;
        let second = *soonest.key();
        if second >= Self::second(now) && now < Timestamp::NEVER {
            return None;
        }
        let hash = soonest.get_mut().pop_front();
        if soonest.get().is_empty() {
            soonest.remove();
        }
        self.notes -= usize::from(hash.is_some());
        hash.map(|hash| (second, hash))
    }

    #[cfg(test)]
    pub(super) const fn notes(&self) -> usize {
        self.notes
    }

    /// Whether so many entries are few beside the notes.
    pub(super) const fn mostly_gone(&self, entries: usize) -> bool {
        self.notes > 2 * entries + FEW
    }
}

impl FromIterator<(Timestamp, u64)> for Ends {
    fn from_iter<I: IntoIterator<Item = (Timestamp, u64)>>(entries: I) -> Self {
        let mut ends = Self::default();
        for (until, hash) in entries {
            ends.note(until, hash);
        }
        ends
    }
}

/// Notes that are not worth a new list.
const FEW: usize = 64;
