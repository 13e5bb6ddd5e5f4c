//! Everything in this process's memory; gone when it ends.

use super::{Call, Key, Put, Space, Store};
use crate::env::{Clock, Timestamp};
use bytes::Bytes;
use foldhash::quality::RandomState;
use std::collections::{BTreeMap, HashMap, hash_map};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keeps entries in hash maps, sharded so that callers rarely wait for each other.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    /// Seeded anew for each store, so that nobody knows names that meet.
    hashes: RandomState,
    durable: Vec<Mutex<Shard>>,
    ephemeral: Vec<Mutex<Shard>>,
}

impl MemoryStore {
    /// Ephemeral entries kept at most, unless told otherwise.
    pub const EPHEMERAL_CAPACITY: usize = 1 << 18;

    /// An empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_capacity(clock, Self::EPHEMERAL_CAPACITY)
    }

    /// An empty store that keeps about so many ephemeral entries at most.
    #[must_use]
    pub fn with_capacity(clock: Arc<dyn Clock>, ephemeral: usize) -> Self {
        let shards = |capacity: usize| (0..SHARDS).map(|_| Mutex::new(Shard::new(capacity))).collect();
        Self {
            clock,
            hashes: RandomState::default(),
            durable: shards(usize::MAX),
            ephemeral: shards((ephemeral / SHARDS).max(1)),
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let shards = match key.space() {
            Space::Durable => &self.durable,
            Space::Ephemeral => &self.ephemeral,
        };
        let index = usize::try_from(self.hashes.hash_one(key.name()) % SHARDS as u64).unwrap_or_default();
        // A shard is consistent between statements, so a panic elsewhere while it was locked does no harm.
        shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, key: &Key, act: impl FnOnce(&mut Shard, Timestamp) -> T) -> Call<'static, T>
    where
        T: Send + 'static,
    {
        let now = self.clock.now();
        let answer = act(&mut self.shard(key), now);
        Call::now(Ok(answer))
    }
}

impl Store for MemoryStore {
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool> {
        self.with(key, |shard, now| shard.put(key.name(), value, until, now, mode))
    }

    fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.with(key, |shard, now| shard.get(key.name(), now))
    }

    fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.with(key, |shard, now| {
            shard.remove(key.name()).filter(|entry| entry.until > now).map(|entry| entry.value)
        })
    }

    fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool> {
        self.with(key, |shard, now| {
            if shard.get(key.name(), now).is_none_or(|present| present != was) {
                return false;
            }
            shard.put(key.name(), value, until, now, Put::Replace)
        })
    }

    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64> {
        self.with(key, |shard, now| {
            let (count, until) = match shard.entry(key.name(), now) {
                Some(entry) => (count(&entry.value).saturating_add(1), entry.until),
                None => (1, until),
            };
            shard.put(key.name(), Bytes::copy_from_slice(&count.to_be_bytes()), until, now, Put::Replace);
            count
        })
    }

    fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()> {
        self.with(key, |shard, _| drop(shard.remove(key.name())))
    }

    fn clear(&self) -> Call<'_, ()> {
        for shard in self.durable.iter().chain(&self.ephemeral) {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let capacity = shard.capacity;
            *shard = Shard::new(capacity);
        }
        Call::now(Ok(()))
    }

    fn ping(&self) -> Call<'_, ()> {
        Call::now(Ok(()))
    }
}

/// A counter's value; what is no counter counts as none.
pub(super) fn count(value: &[u8]) -> u64 {
    value.try_into().map_or(0, u64::from_be_bytes)
}

const SHARDS: usize = 16;

#[derive(Debug)]
struct Shard {
    capacity: usize,
    entries: HashMap<Arc<str>, Entry, RandomState>,
    /// Keys by when they end; the number keeps apart those that end together.
    ends: BTreeMap<(Timestamp, u64), Arc<str>>,
    serial: u64,
}

#[derive(Debug)]
struct Entry {
    value: Bytes,
    until: Timestamp,
    serial: u64,
}

impl Shard {
    fn new(capacity: usize) -> Self {
        Self { capacity, entries: HashMap::default(), ends: BTreeMap::new(), serial: 0 }
    }

    fn entry(&self, name: &str, now: Timestamp) -> Option<&Entry> {
        self.entries.get(name).filter(|entry| entry.until > now)
    }

    fn get(&self, name: &str, now: Timestamp) -> Option<Bytes> {
        self.entry(name, now).map(|entry| entry.value.clone())
    }

    fn put(&mut self, name: &Arc<str>, value: Bytes, until: Timestamp, now: Timestamp, mode: Put) -> bool {
        self.sweep(now);
        let entry = Entry { value, until, serial: self.serial + 1 };
        match self.entries.entry(name.clone()) {
            hash_map::Entry::Occupied(present) if mode == Put::New && present.get().until > now => {
                return false;
            }
            hash_map::Entry::Occupied(mut present) => {
                let before = present.insert(entry);
                self.ends.remove(&(before.until, before.serial));
            }
            hash_map::Entry::Vacant(place) => {
                place.insert(entry);
            }
        }
        self.serial += 1;
        self.ends.insert((until, self.serial), name.clone());
        true
    }

    fn remove(&mut self, name: &str) -> Option<Entry> {
        let entry = self.entries.remove(name)?;
        self.ends.remove(&(entry.until, entry.serial));
        Some(entry)
    }

    /// Drops a few ended entries, so that every insertion pays for more than it leaves behind, and makes room.
    fn sweep(&mut self, now: Timestamp) {
        for _ in 0..4 {
            let Some((&(until, _), _)) = self.ends.first_key_value() else { return };
            if until > now && self.entries.len() < self.capacity {
                return;
            }
            if let Some((_, name)) = self.ends.pop_first() {
                self.entries.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::MovableClock;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn passes_the_suite() {
        super::super::suite::run(async |clock| MemoryStore::new(clock)).await;
    }

    #[tokio::test]
    async fn a_flood_of_ephemeral_entries_is_bounded_and_durable_ones_stay() {
        let clock = Arc::new(MovableClock::frozen(Timestamp::from_secs(1)));
        let store = MemoryStore::with_capacity(clock, 1_600);
        let kept = Key::new(Space::Durable, "kept");
        store.put(&kept, Bytes::from_static(b"x"), Timestamp::NEVER, Put::New).await.unwrap();
        for n in 0..20_000u64 {
            let key = Key::new(Space::Ephemeral, &format!("flood/{n}"));
            store.put(&key, Bytes::new(), Timestamp::from_secs(100 + n), Put::New).await.unwrap();
        }
        let held: usize = store.ephemeral.iter().map(|shard| shard.lock().unwrap().entries.len()).sum();
        assert!(held <= 1_600, "{held} entries are held");
        let newest = Key::new(Space::Ephemeral, "flood/19999");
        assert!(store.get(&newest).await.unwrap().is_some(), "the newest entry stays");
        assert!(store.get(&kept).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn ended_entries_are_swept_by_later_insertions() {
        let clock = Arc::new(MovableClock::frozen(Timestamp::from_secs(1)));
        let store = MemoryStore::new(clock.clone());
        for n in 0..1_000 {
            let key = Key::new(Space::Ephemeral, &format!("a/{n}"));
            store.put(&key, Bytes::new(), Timestamp::from_secs(10), Put::New).await.unwrap();
        }
        clock.advance(std::time::Duration::from_secs(60));
        for n in 0..1_000 {
            let key = Key::new(Space::Ephemeral, &format!("b/{n}"));
            store.put(&key, Bytes::new(), Timestamp::from_secs(100), Put::New).await.unwrap();
        }
        let held: usize = store.ephemeral.iter().map(|shard| shard.lock().unwrap().entries.len()).sum();
        assert!(held <= 1_100, "{held} entries are held");
    }
}
