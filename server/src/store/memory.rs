//! Everything in this process's memory; gone when it ends.

mod ends;
mod shard;

use super::{Call, Key, Put, Space, Store};
use crate::env::{Clock, Timestamp};
use bytes::Bytes;
use foldhash::quality::RandomState;
use shard::{Name, Shard};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps entries in hash tables, sharded so that callers rarely wait for each other.
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

    fn with<T>(&self, key: &Key, act: impl FnOnce(&mut Shard, Name<'_>, Timestamp) -> T) -> Call<'static, T>
    where
        T: Send + 'static,
    {
        let shards = match key.space() {
            Space::Durable => &self.durable,
            Space::Ephemeral => &self.ephemeral,
        };
        let name = Name { hash: self.hashes.hash_one(key.name()), text: key.name() };
        // By bits that do not say where in its table an entry lies, or every shard would use a part of its table only.
        let index = usize::try_from((name.hash >> 32) % SHARDS as u64).unwrap_or_default();
        let now = self.clock.now();
        // A shard is consistent between statements, so a panic elsewhere while it was locked does no harm.
        let mut shard = shards[index].lock().unwrap_or_else(PoisonError::into_inner);
        Call::now(Ok(act(&mut shard, name, now)))
    }
}

impl Store for MemoryStore {
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool> {
        self.with(key, |shard, name, now| shard.put(name, &value, until, now, mode))
    }

    fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.with(key, |shard, name, now| shard.get(name, now).map(Bytes::copy_from_slice))
    }

    fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.with(key, Shard::take)
    }

    fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool> {
        self.with(key, |shard, name, now| {
            shard.get(name, now).is_some_and(|present| present == was)
                && shard.put(name, &value, until, now, Put::Replace)
        })
    }

    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64> {
        self.with(key, |shard, name, now| {
            let count = shard.get(name, now).map_or(0, count).saturating_add(1);
            let value = count.to_be_bytes();
            if count == 1 || !shard.overwrite(name, &value) {
                shard.put(name, &value, until, now, Put::Replace);
            }
            count
        })
    }

    fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()> {
        self.with(key, |shard, name, now| drop(shard.take(name, now)))
    }

    fn clear(&self) -> Call<'_, ()> {
        for shard in self.durable.iter().chain(&self.ephemeral) {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
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
        let held: usize = store.ephemeral.iter().map(|shard| shard.lock().unwrap().len()).sum();
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
        let held: usize = store.ephemeral.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(held <= 1_100, "{held} entries are held");
    }
}
