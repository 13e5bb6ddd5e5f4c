//! The suite every backend passes: [`run`] for all, [`run_shared`] as well for those that several processes share.

use super::{Key, Put, Space, Store};
use crate::env::{Clock, MovableClock, Timestamp};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Runs every case, each on an empty store of its own and in both spaces.
///
/// # Panics
/// When the store does not keep what [`Store`] promises.
pub async fn run<S: Store + 'static>(mut make: impl AsyncFnMut(Arc<dyn Clock>) -> S) {
    for space in [Space::Durable, Space::Ephemeral] {
        let mut fresh = async || {
            let clock = Arc::new(MovableClock::frozen(Timestamp::from_secs(1_000)));
            let store: Arc<dyn Store> = Arc::new(make(clock.clone()).await);
            (store, clock)
        };
        let (store, _) = fresh().await;
        it_says_that_it_serves(store.as_ref()).await;
        values_come_back(store.as_ref(), space).await;
        let (store, _) = fresh().await;
        put_new_keeps_what_is_there(store.as_ref(), space).await;
        let (store, clock) = fresh().await;
        entries_end_on_the_dot(store.as_ref(), &clock, space).await;
        let (store, clock) = fresh().await;
        ends_move_with_the_value(store.as_ref(), &clock, space).await;
        let (store, _) = fresh().await;
        swap_needs_the_present_value(store.as_ref(), space).await;
        let (store, clock) = fresh().await;
        counters_count_and_end(store.as_ref(), &clock, space).await;
        let (store, _) = fresh().await;
        take_has_one_winner(&[store], space).await;
        let (store, _) = fresh().await;
        put_new_has_one_winner(&[store], space).await;
        let (store, _) = fresh().await;
        swap_has_one_winner(&[store], space).await;
        let (store, _) = fresh().await;
        bump_counts_every_caller(&[store], space).await;
        let (store, _) = fresh().await;
        spaces_are_apart(store.as_ref(), space).await;
        let (store, _) = fresh().await;
        clear_forgets(store.as_ref(), space).await;
    }
}

/// Runs the cases of callers in several processes: the stores are opened apart, on the same empty data.
///
/// # Panics
/// When the stores do not keep together what [`Store`] promises.
pub async fn run_shared(stores: &[Arc<dyn Store>]) {
    for space in [Space::Durable, Space::Ephemeral] {
        let key = Key::new(space, "seen");
        for (index, writer) in stores.iter().enumerate() {
            let value = Bytes::from(index.to_string());
            writer.put(&key, value.clone(), LATER, Put::Replace).await.unwrap();
            for reader in stores {
                assert_eq!(reader.get(&key).await.unwrap(), Some(value.clone()), "all see the same");
            }
        }
        take_has_one_winner(stores, space).await;
        for race in [Race::Put, Race::Swap, Race::Bump] {
            stores[0].clear().await.unwrap();
            match race {
                Race::Put => put_new_has_one_winner(stores, space).await,
                Race::Swap => swap_has_one_winner(stores, space).await,
                Race::Bump => bump_counts_every_caller(stores, space).await,
            }
        }
    }
}

enum Race {
    Put,
    Swap,
    Bump,
}

const LATER: Timestamp = Timestamp::from_secs(2_000);

async fn it_says_that_it_serves(store: &dyn Store) {
    store.ping().await.unwrap();
    assert_eq!(store.get(&Key::new(Space::Ephemeral, "ping")).await.unwrap(), None, "it leaves no trace");
}

async fn values_come_back(store: &dyn Store, space: Space) {
    let (a, b) = (Key::new(space, "a"), Key::new(space, "b"));
    assert_eq!(store.get(&a).await.unwrap(), None);
    let long = Bytes::from(vec![7u8; 100_000]);
    assert!(store.put(&a, long.clone(), LATER, Put::Replace).await.unwrap());
    assert!(store.put(&b, Bytes::new(), Timestamp::NEVER, Put::Replace).await.unwrap());
    assert_eq!(store.get(&a).await.unwrap(), Some(long));
    assert_eq!(store.get(&b).await.unwrap(), Some(Bytes::new()));
    store.remove(&a).await.unwrap();
    store.remove(&a).await.unwrap();
    assert_eq!(store.get(&a).await.unwrap(), None);
    assert!(store.get(&b).await.unwrap().is_some(), "other keys stay");
}

async fn put_new_keeps_what_is_there(store: &dyn Store, space: Space) {
    let key = Key::new(space, "k");
    assert!(store.put(&key, Bytes::from_static(b"1"), LATER, Put::New).await.unwrap());
    assert!(!store.put(&key, Bytes::from_static(b"2"), LATER, Put::New).await.unwrap());
    assert_eq!(store.get(&key).await.unwrap().as_deref(), Some(b"1".as_slice()));
    assert!(store.put(&key, Bytes::from_static(b"3"), LATER, Put::Replace).await.unwrap());
    assert_eq!(store.take(&key).await.unwrap().as_deref(), Some(b"3".as_slice()));
    assert_eq!(store.take(&key).await.unwrap(), None, "a taken value is gone");
    assert!(store.put(&key, Bytes::from_static(b"4"), LATER, Put::New).await.unwrap(), "there is room again");
}

async fn entries_end_on_the_dot(store: &dyn Store, clock: &MovableClock, space: Space) {
    let key = |name: &str| Key::new(space, name);
    for name in ["get", "take", "swap", "new"] {
        store.put(&key(name), Bytes::from_static(b"v"), LATER, Put::New).await.unwrap();
    }
    clock.advance(Duration::from_millis(999_999));
    assert!(store.get(&key("get")).await.unwrap().is_some(), "a millisecond before its end it is there");
    clock.advance(Duration::from_millis(1));
    assert_eq!(store.get(&key("get")).await.unwrap(), None);
    assert_eq!(store.take(&key("take")).await.unwrap(), None);
    let (was, value) = (Bytes::from_static(b"v"), Bytes::from_static(b"w"));
    assert!(!store.swap(&key("swap"), was, value, Timestamp::NEVER).await.unwrap());
    assert!(store.put(&key("new"), Bytes::from_static(b"w"), Timestamp::NEVER, Put::New).await.unwrap());
}

async fn ends_move_with_the_value(store: &dyn Store, clock: &MovableClock, space: Space) {
    let (longer, shorter) = (Key::new(space, "longer"), Key::new(space, "shorter"));
    let value = Bytes::from_static(b"v");
    for key in [&longer, &shorter] {
        store.put(key, value.clone(), LATER, Put::New).await.unwrap();
    }
    assert!(store.swap(&longer, value.clone(), value.clone(), Timestamp::NEVER).await.unwrap());
    store.put(&shorter, value.clone(), Timestamp::from_secs(1_001), Put::Replace).await.unwrap();
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.get(&shorter).await.unwrap(), None, "it was made to end sooner");
    clock.advance(Duration::from_secs(100_000));
    assert_eq!(store.get(&longer).await.unwrap(), Some(value), "it was made to last");
}

async fn swap_needs_the_present_value(store: &dyn Store, space: Space) {
    let key = Key::new(space, "k");
    let (one, two) = (Bytes::from_static(b"1"), Bytes::from_static(b"2"));
    assert!(!store.swap(&key, one.clone(), two.clone(), LATER).await.unwrap(), "nothing is there");
    store.put(&key, one.clone(), LATER, Put::New).await.unwrap();
    assert!(!store.swap(&key, two.clone(), one.clone(), LATER).await.unwrap());
    assert!(store.swap(&key, one, two.clone(), LATER).await.unwrap());
    assert_eq!(store.get(&key).await.unwrap(), Some(two));
}

async fn counters_count_and_end(store: &dyn Store, clock: &MovableClock, space: Space) {
    let key = Key::new(space, "n");
    assert_eq!(store.bump(&key, LATER).await.unwrap(), 1);
    assert_eq!(store.bump(&key, Timestamp::NEVER).await.unwrap(), 2);
    clock.advance(Duration::from_secs(1_000));
    assert_eq!(store.bump(&key, Timestamp::NEVER).await.unwrap(), 1, "the first count set the end");
    store.remove(&key).await.unwrap();
    assert_eq!(store.bump(&key, LATER).await.unwrap(), 1);
}

async fn take_has_one_winner(stores: &[Arc<dyn Store>], space: Space) {
    for round in 0..8 {
        let key = Key::new(space, &format!("k/{round}"));
        stores[0].put(&key, Bytes::from_static(b"v"), LATER, Put::New).await.unwrap();
        let won = race(stores, move |store| {
            let key = key.clone();
            async move { store.take(&key).await.unwrap().is_some() }
        })
        .await;
        assert_eq!(won, 1, "of {CALLERS} callers exactly one takes");
    }
}

async fn put_new_has_one_winner(stores: &[Arc<dyn Store>], space: Space) {
    let key = Key::new(space, "k");
    let won = race(stores, move |store| {
        let key = key.clone();
        async move { store.put(&key, Bytes::from_static(b"v"), LATER, Put::New).await.unwrap() }
    })
    .await;
    assert_eq!(won, 1);
}

async fn swap_has_one_winner(stores: &[Arc<dyn Store>], space: Space) {
    let key = Key::new(space, "k");
    stores[0].put(&key, Bytes::from_static(b"0"), LATER, Put::New).await.unwrap();
    let won =
        race(stores, move |store| {
            let key = key.clone();
            async move {
                store.swap(&key, Bytes::from_static(b"0"), Bytes::from_static(b"1"), LATER).await.unwrap()
            }
        })
        .await;
    assert_eq!(won, 1);
}

async fn bump_counts_every_caller(stores: &[Arc<dyn Store>], space: Space) {
    let key = Key::new(space, "n");
    let counted = key.clone();
    race(stores, move |store| {
        let key = counted.clone();
        async move { store.bump(&key, LATER).await.unwrap() > 0 }
    })
    .await;
    assert_eq!(stores[0].bump(&key, LATER).await.unwrap(), CALLERS as u64 + 1);
}

async fn spaces_are_apart(store: &dyn Store, space: Space) {
    let other = match space {
        Space::Durable => Space::Ephemeral,
        Space::Ephemeral => Space::Durable,
    };
    store.put(&Key::new(space, "k"), Bytes::new(), LATER, Put::New).await.unwrap();
    assert_eq!(
        store.take(&Key::new(other, "k")).await.unwrap(),
        None,
        "a name of one space is none of the other"
    );
    assert!(store.get(&Key::new(space, "k")).await.unwrap().is_some());
}

async fn clear_forgets(store: &dyn Store, space: Space) {
    let key = Key::new(space, "k");
    store.put(&key, Bytes::new(), Timestamp::NEVER, Put::New).await.unwrap();
    store.clear().await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert!(store.put(&key, Bytes::new(), LATER, Put::New).await.unwrap(), "it can be used again");
}

const CALLERS: usize = 64;

/// How many of many callers at once, each of the next store, were told yes.
async fn race<F, Fut>(stores: &[Arc<dyn Store>], call: F) -> usize
where
    F: Fn(Arc<dyn Store>) -> Fut,
    Fut: Future<Output = bool> + Send + 'static,
{
    let start = Arc::new(tokio::sync::Barrier::new(CALLERS));
    let callers: Vec<_> = stores
        .iter()
        .cycle()
        .take(CALLERS)
        .map(|store| {
            let (start, called) = (start.clone(), call(store.clone()));
            tokio::spawn(async move {
                start.wait().await;
                called.await
            })
        })
        .collect();
    let mut won = 0;
    for caller in callers {
        won += usize::from(caller.await.unwrap());
    }
    won
}
