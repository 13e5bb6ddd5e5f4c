use super::*;
use crate::env::MovableClock;
use crate::error::{Fault, Why};
use crate::store::{Call, MemoryStore, StoreError};
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};

const RULES: AttemptRules = AttemptRules {
    pair: 5,
    pair_window: 300,
    account: 20,
    account_window: 3_600,
    slowed: 5,
    known_for: 1_000,
};

struct World {
    attempts: Attempts,
    clock: Arc<MovableClock>,
    down: Arc<AtomicBool>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(MovableClock::frozen(Timestamp::from_secs(3_600_000)));
        let down = Arc::new(AtomicBool::new(false));
        let store = Arc::new(Lame { store: MemoryStore::new(clock.clone()), down: down.clone() });
        Self { attempts: Attempts::new(RULES, 1_000, store, clock.clone()), clock, down }
    }

    /// A wrong password: whether it was judged, or how long to wait.
    async fn wrong(&self, account: &str, source: u32) -> Result<(), u32> {
        self.begin(account, source).await.map(drop)
    }

    async fn right(&self, account: &str, source: u32) -> Result<(), u32> {
        self.begin(account, source).await?.succeeded().await;
        Ok(())
    }

    async fn begin(&self, account: &str, source: u32) -> Result<Attempt<'_>, u32> {
        let source = Source::of(std::net::IpAddr::V4(source.into()));
        self.attempts.begin("s", account, source, 0).await.map_err(|error| match error.why() {
            Why::Fault(Fault::Limited { retry_after }) => retry_after,
            other => panic!("{other:?}"),
        })
    }
}

#[tokio::test]
async fn one_source_has_few_attempts_at_one_account_in_a_window() {
    let world = World::new();
    for _ in 0..5 {
        assert_eq!(world.wrong("ada", 1).await, Ok(()));
    }
    world.clock.advance(Duration::from_secs(100));
    assert_eq!(world.wrong("ada", 1).await, Err(200));
    assert_eq!(world.wrong("bob", 1).await, Ok(()), "another account");
    assert_eq!(world.wrong("ada", 2).await, Ok(()), "another source");
    world.clock.advance(Duration::from_secs(200));
    assert_eq!(world.wrong("ada", 1).await, Ok(()), "the next window");
}

#[tokio::test]
async fn a_success_starts_the_count_of_its_source_anew() {
    let world = World::new();
    for _ in 0..50 {
        assert_eq!(world.right("ada", 1).await, Ok(()));
    }
    for _ in 0..5 {
        assert_eq!(world.wrong("ada", 1).await, Ok(()));
    }
    assert!(world.wrong("ada", 1).await.is_err());
}

#[tokio::test]
async fn guesses_from_everywhere_are_slowed_and_the_owner_is_not() {
    let world = World::new();
    world.right("ada", 1).await.unwrap();
    let mut judged = 0;
    for source in 100..400 {
        judged += usize::from(world.wrong("ada", source).await.is_ok());
    }
    assert_eq!(
        judged, 20,
        "the count, and the one slow turn of these seconds, less the owner's own first login"
    );
    assert_eq!(world.wrong("ada", 999).await, Err(5));
    assert_eq!(world.right("ada", 1).await, Ok(()), "from where she logged in before");
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.right("ada", 2).await, Ok(()), "elsewhere she waits her turn");
    assert_eq!(world.wrong("ada", 999).await, Err(5));
    assert_eq!(world.right("ada", 2).await, Ok(()), "known from then on");
    world.clock.advance(Duration::from_secs(3_600));
    assert_eq!(world.wrong("ada", 999).await, Ok(()));
}

#[tokio::test]
async fn a_source_is_known_while_it_is_used_and_forgotten_later() {
    let world = World::new();
    world.right("ada", 1).await.unwrap();
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(600));
        world.right("ada", 1).await.unwrap();
    }
    world.clock.advance(Duration::from_secs(3_600));
    for source in 100..200 {
        let _ = world.wrong("ada", source).await;
    }
    assert!(world.wrong("ada", 1).await.is_err(), "a stranger again after so long");
}

#[tokio::test]
async fn many_attempts_at_once_count_as_many() {
    let world = Arc::new(World::new());
    let attempts: Vec<_> = (0..200)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { world.wrong("ada", 1).await.is_ok() })
        })
        .collect();
    let mut judged = 0;
    for attempt in attempts {
        judged += usize::from(attempt.await.unwrap());
    }
    assert_eq!(judged, 5);
}

#[tokio::test]
async fn without_the_store_counts_are_local_and_stricter() {
    let world = World::new();
    world.down.store(true, Ordering::SeqCst);
    let mut judged = 0;
    for _ in 0..20 {
        judged += usize::from(world.wrong("ada", 1).await.is_ok());
    }
    assert_eq!(judged, 2);
    let mut judged = 0;
    for source in 100..400 {
        judged += usize::from(world.wrong("ada", source).await.is_ok());
    }
    assert_eq!(judged, 8, "half of the count for the account, less the two before");
    assert_eq!(world.wrong("bob", 1).await, Ok(()));
    world.down.store(false, Ordering::SeqCst);
    assert_eq!(world.wrong("ada", 1).await, Ok(()), "back to the rules with the store");
}

/// A store that can be down.
#[derive(Debug)]
struct Lame {
    store: MemoryStore,
    down: Arc<AtomicBool>,
}

impl Lame {
    fn guard<'a, T: Send + 'a>(&'a self, call: impl FnOnce() -> Call<'a, T>) -> Call<'a, T> {
        if self.down.load(Ordering::SeqCst) {
            return Call::now(Err(StoreError::new("answer", &"it is down")));
        }
        call()
    }
}

impl Store for Lame {
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool> {
        self.guard(|| self.store.put(key, value, until, mode))
    }
    fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.guard(|| self.store.get(key))
    }
    fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.guard(|| self.store.take(key))
    }
    fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool> {
        self.guard(|| self.store.swap(key, was, value, until))
    }
    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64> {
        self.guard(|| self.store.bump(key, until))
    }
    fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()> {
        self.guard(|| self.store.remove(key))
    }
    fn clear(&self) -> Call<'_, ()> {
        self.guard(|| self.store.clear())
    }
    fn ping(&self) -> Call<'_, ()> {
        self.guard(|| self.store.ping())
    }
}
