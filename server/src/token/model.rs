//! Sessions held against a model, on any store: logins, refreshes, replays, racers, logouts, other passwords, time, keys.
//!
//! The model in `model/reference.rs` is what the contract says in a page of code that knows no store, no key and no
//! concurrency. Random histories are run on both; the smallest one on which they differ is reported.

mod reference;
mod world;

use crate::env::{Clock, MovableClock, Timestamp};
use crate::store::{BoxFuture, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::sync::Arc;
use world::World;

/// One step of a history. Numbers that choose among what there is are taken modulo how much there is.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Somebody logs in with their password.
    LogIn { who: usize },
    /// The refresh token so many generations before the newest is presented by so many callers at once.
    Refresh { session: usize, age: usize, callers: usize },
    /// The access token so many generations before the newest is used.
    Use { session: usize, age: usize },
    /// The holder logs out.
    LogOut { session: usize },
    /// The holder logs out while callers refresh.
    LogOutAmidRefreshes { session: usize, callers: usize },
    /// Somebody changes their password.
    ChangePassword { who: usize },
    /// All sessions of somebody are ended.
    EndSessions { who: usize },
    /// Time passes.
    Wait { seconds: u64 },
    /// The next key signs.
    RotateKeys,
    /// A key is revoked.
    RevokeKey { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..6usize;
    // Around the window, the lifetimes and the limits, where mistakes live.
    let seconds = prop_oneof![
        4 => 0..12u64,
        2 => (world::GRACE - 1)..=(world::GRACE + 1),
        2 => (world::LIFETIME - 1)..=(world::LIFETIME + 1),
        1 => (world::REFRESH_LIFETIME - 1)..=(world::REFRESH_LIFETIME + 1),
        1 => 0..world::ABSOLUTE,
    ];
    prop_oneof![
        4 => (0..3usize).prop_map(|who| Step::LogIn { who }),
        8 => (session.clone(), 0..4usize, 1..6usize)
            .prop_map(|(session, age, callers)| Step::Refresh { session, age, callers }),
        6 => (session.clone(), 0..3usize).prop_map(|(session, age)| Step::Use { session, age }),
        1 => session.clone().prop_map(|session| Step::LogOut { session }),
        1 => (session, 1..5usize)
            .prop_map(|(session, callers)| Step::LogOutAmidRefreshes { session, callers }),
        1 => (0..3usize).prop_map(|who| Step::ChangePassword { who }),
        1 => (0..3usize).prop_map(|who| Step::EndSessions { who }),
        5 => seconds.prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::RotateKeys),
        1 => (0..8usize).prop_map(|which| Step::RevokeKey { which }),
    ]
}

/// Runs so many random histories, each on an empty store that is made over a clock. The histories are the same every time.
///
/// Not to be called from asynchronous code: it starts a runtime of its own, with two threads, so that racers race.
///
/// # Errors
/// The smallest history on which the issuer and the model differ, and how.
pub fn run(
    cases: u32,
    make: impl Fn(Arc<dyn Clock>) -> BoxFuture<'static, Arc<dyn Store>>,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let history = proptest::collection::vec(step(), 1..40);
    let ran = runner.run(&history, |history| {
        runtime.block_on(async {
            let clock = Arc::new(MovableClock::frozen(Timestamp::from_secs(1_700_000_000)));
            let store = make(clock.clone()).await;
            let mut world = World::new(store, clock).await.map_err(TestCaseError::fail)?;
            for (number, step) in history.iter().enumerate() {
                let taken = world.take(step).await;
                taken.map_err(|error| TestCaseError::fail(format!("step {number}, {step:?}: {error}")))?;
            }
            Ok(())
        })
    });
    ran.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Call, EmbeddedStore, Key, MemoryStore, Put};
    use bytes::Bytes;
    use std::collections::HashMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn sessions_follow_the_model_in_memory() {
        let make = |clock| -> BoxFuture<'static, Arc<dyn Store>> {
            Box::pin(async { Arc::new(MemoryStore::new(clock)) as Arc<dyn Store> })
        };
        run(200, make).unwrap();
    }

    #[test]
    fn sessions_follow_the_model_on_the_embedded_store() {
        let folder = tempfile::tempdir().unwrap();
        let serial = AtomicU64::new(0);
        let make = |clock| -> BoxFuture<'static, Arc<dyn Store>> {
            let file = folder.path().join(format!("{}.redb", serial.fetch_add(1, Ordering::SeqCst)));
            Box::pin(async move { Arc::new(EmbeddedStore::open(&file, clock).unwrap()) as Arc<dyn Store> })
        };
        run(32, make).unwrap();
    }

    /// A store that breaks one promise, every time, so that noticing it takes no luck.
    #[derive(Debug)]
    struct Careless {
        store: MemoryStore,
        breaks: Breaks,
        /// What was there before the last swap.
        old: Mutex<HashMap<Arc<str>, Bytes>>,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Breaks {
        /// Reads what was there before, as from a copy that lags.
        ReadsOldValues,
        /// Says it has replaced a value and has not.
        SwapsInWordsOnly,
    }

    impl Store for Careless {
        fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool> {
            self.store.put(key, value, until, mode)
        }
        fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
            match self.old.lock().unwrap().get(key.name()).cloned() {
                Some(old) if self.breaks == Breaks::ReadsOldValues => Call::now(Ok(Some(old))),
                _ => self.store.get(key),
            }
        }
        fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
            self.store.take(key)
        }
        fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool> {
            if self.breaks == Breaks::SwapsInWordsOnly {
                return Call::now(Ok(true));
            }
            self.old.lock().unwrap().insert(key.name().clone(), was.clone());
            self.store.swap(key, was, value, until)
        }
        fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64> {
            self.store.bump(key, until)
        }
        fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()> {
            self.store.remove(key)
        }
        fn clear(&self) -> Call<'_, ()> {
            self.store.clear()
        }
        fn ping(&self) -> Call<'_, ()> {
            self.store.ping()
        }
    }

    #[test]
    fn a_store_that_breaks_its_promise_is_noticed() {
        for breaks in [Breaks::ReadsOldValues, Breaks::SwapsInWordsOnly] {
            let make = |clock| -> BoxFuture<'static, Arc<dyn Store>> {
                Box::pin(async move {
                    let store = MemoryStore::new(clock);
                    Arc::new(Careless { store, breaks, old: Mutex::default() }) as Arc<dyn Store>
                })
            };
            assert!(run(100, make).is_err(), "{breaks:?}");
        }
    }
}
