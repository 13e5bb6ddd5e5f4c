//! One lock's worth of entries, each in one piece, and which of them end when.

use super::ends::Ends;
use crate::env::Timestamp;
use crate::store::Put;
use bytes::{Buf as _, Bytes};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

#[derive(Debug)]
pub(super) struct Shard {
    capacity: usize,
    rows: HashTable<Row>,
    ends: Ends,
}

/// An entry. Name and value lie side by side: an entry that nobody looked at for a while costs little to fetch.
struct Row {
    hash: u64,
    until: Timestamp,
    name_len: usize,
    piece: Box<[u8]>,
}

/// A name with its hash, which is made once for each call.
#[derive(Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) hash: u64,
    pub(super) text: &'a str,
}

impl Row {
    fn new(name: Name<'_>, value: &[u8], until: Timestamp) -> Self {
        let mut piece = Vec::with_capacity(name.text.len() + value.len());
        piece.extend_from_slice(name.text.as_bytes());
        piece.extend_from_slice(value);
        Self { hash: name.hash, until, name_len: name.text.len(), piece: piece.into_boxed_slice() }
    }

    fn is(&self, name: Name<'_>) -> bool {
        self.hash == name.hash && &self.piece[..self.name_len] == name.text.as_bytes()
    }

    fn value(&self) -> &[u8] {
        &self.piece[self.name_len..]
    }

    fn into_value(self) -> Bytes {
        let mut value = Bytes::from(self.piece);
        value.advance(self.name_len);
        value
    }
}

/// Without what is kept: some of it is secret.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Shard {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, rows: HashTable::new(), ends: Ends::default() }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }

    pub(super) fn get(&self, name: Name<'_>, now: Timestamp) -> Option<&[u8]> {
        let row = self.rows.find(name.hash, |row| row.is(name))?;
        (row.until > now).then(|| row.value())
    }

    pub(super) fn put(
        &mut self,
        name: Name<'_>,
        value: &[u8],
        until: Timestamp,
        now: Timestamp,
        mode: Put,
    ) -> bool {
        self.make_room(now);
        match self.rows.entry(name.hash, |row| row.is(name), |row| row.hash) {
            Place::Occupied(present) if mode == Put::New && present.get().until > now => return false,
            Place::Occupied(mut present) => {
                let before = std::mem::replace(present.get_mut(), Row::new(name, value, until));
                if Ends::together(before.until, until) {
                    return true;
                }
            }
            Place::Vacant(place) => {
                place.insert(Row::new(name, value, until));
            }
        }
        self.ends.note(until, name.hash);
        if self.ends.mostly_gone(self.rows.len()) {
            self.ends = self.rows.iter().map(|row| (row.until, row.hash)).collect();
        }
        true
    }

    /// Puts another value of the same length in its place, where the name is kept; says whether it is.
    pub(super) fn overwrite(&mut self, name: Name<'_>, value: &[u8]) -> bool {
        let Some(row) = self.rows.find_mut(name.hash, |row| row.is(name)) else { return false };
        let Some(place) = row.piece.get_mut(row.name_len..).filter(|place| place.len() == value.len()) else {
            return false;
        };
        place.copy_from_slice(value);
        true
    }

    pub(super) fn take(&mut self, name: Name<'_>, now: Timestamp) -> Option<Bytes> {
        let row = self.rows.find_entry(name.hash, |row| row.is(name)).ok()?.remove().0;
        (row.until > now).then(|| row.into_value())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Drops a few ended entries, so that every insertion pays for more than it leaves behind, and what would end
    /// soonest while there is no room.
    fn make_room(&mut self, now: Timestamp) {
        let mut few = 0..4;
        loop {
            let full = self.rows.len() >= self.capacity;
            if !full && few.next().is_none() {
                return;
            }
            let Some((second, hash)) = self.ends.pop(if full { Timestamp::NEVER } else { now }) else {
                return;
            };
            let ends_then = |row: &Row| row.hash == hash && Ends::second(row.until) == second;
            if let Ok(row) = self.rows.find_entry(hash, ends_then) {
                row.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Few names, two of which share a hash, and moments close together: so that everything meets.
    const NAMES: [Name<'_>; 4] = [
        Name { hash: 7, text: "a" },
        Name { hash: 7, text: "ab" },
        Name { hash: 8, text: "b" },
        Name { hash: 1 << 40, text: "" },
    ];

    #[derive(Debug, Clone)]
    enum Step {
        Put { name: usize, value: Vec<u8>, lives: u64, mode: Put },
        Take(usize),
        Overwrite { name: usize, value: Vec<u8> },
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let name = 0..NAMES.len();
        let value = proptest::collection::vec(any::<u8>(), 0..3);
        let mode = prop_oneof![Just(Put::New), Just(Put::Replace)];
        prop_oneof![
            (name.clone(), value.clone(), 0..3_000u64, mode)
                .prop_map(|(name, value, lives, mode)| { Step::Put { name, value, lives, mode } }),
            name.clone().prop_map(Step::Take),
            (name, value).prop_map(|(name, value)| Step::Overwrite { name, value }),
            (0..2_000u64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #[test]
        fn does_as_a_plain_map_does(steps in proptest::collection::vec(step(), 1..200)) {
            let mut shard = Shard::new(usize::MAX);
            let mut model: HashMap<&str, (Vec<u8>, u64)> = HashMap::new();
            let mut now = 1_000;
            for step in steps {
                let at = Timestamp::from_millis(now);
                match step {
                    Step::Put { name, value, lives, mode } => {
                        let name = NAMES[name];
                        let free = mode == Put::Replace || !model.contains_key(name.text);
                        let until = Timestamp::from_millis(now + lives);
                        prop_assert_eq!(shard.put(name, &value, until, at, mode), free);
                        if free {
                            model.insert(name.text, (value, now + lives));
                        }
                    }
                    Step::Take(name) => {
                        let taken = model.remove(NAMES[name].text).map(|(value, _)| Bytes::from(value));
                        prop_assert_eq!(shard.take(NAMES[name], at), taken);
                    }
                    Step::Overwrite { name, value } => {
                        if let Some((present, _)) = model.get_mut(NAMES[name].text) {
                            let fits = present.len() == value.len();
                            prop_assert_eq!(shard.overwrite(NAMES[name], &value), fits);
                            if fits {
                                *present = value;
                            }
                        }
                    }
                    Step::Wait(millis) => now += millis,
                }
                model.retain(|_, (_, until)| *until > now);
                for name in NAMES {
                    let present = model.get(name.text).map(|(value, _)| value.as_slice());
                    prop_assert_eq!(shard.get(name, Timestamp::from_millis(now)), present);
                }
            }
            // What has ended leaves nothing behind once others come.
            let later = Timestamp::from_millis(now + 10_000);
            for _ in 0..200 {
                shard.put(NAMES[0], &[], Timestamp::NEVER, later, Put::Replace);
            }
            prop_assert_eq!(shard.len(), 1);
        }
    }

    #[test]
    fn what_is_taken_early_leaves_little_behind() {
        let mut shard = Shard::new(usize::MAX);
        let (now, until) = (Timestamp::from_secs(1), Timestamp::from_secs(1_000));
        for hash in 0..10_000 {
            let name = Name { hash, text: "n" };
            assert!(shard.put(name, b"v", until, now, Put::New));
            assert_eq!(shard.take(name, now), Some(Bytes::from_static(b"v")));
            assert!(shard.ends.notes() <= 100, "{} notes", shard.ends.notes());
        }
    }

    #[test]
    fn a_full_shard_drops_what_ends_soonest_whatever_was_taken_before() {
        let mut shard = Shard::new(10);
        let now = Timestamp::from_secs(1);
        for hash in 0..1_000u64 {
            let name = Name { hash, text: "n" };
            assert!(shard.put(name, b"v", Timestamp::from_secs(10 + hash), now, Put::New));
            assert!(shard.len() <= 10);
            if hash % 3 == 0 {
                shard.take(name, now);
            }
        }
        let kept: Vec<_> =
            (0..1_000).filter(|&hash| shard.get(Name { hash, text: "n" }, now).is_some()).collect();
        assert_eq!(kept, [986, 988, 989, 991, 992, 994, 995, 997, 998]);
    }
}
