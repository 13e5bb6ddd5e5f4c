//! Where the server keeps what outlives a request: a few byte-level methods, and what each must guarantee.
//!
//! Types live in [`tables`]; a backend sees keys and bytes. Every backend passes the same `suite`.

#[cfg(any(feature = "postgres", feature = "redis"))]
mod bounds;
pub mod embedded;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(test, feature = "test-util"))]
pub mod suite;
pub mod tables;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod tls;

use crate::env::Timestamp;
use bytes::Bytes;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

#[cfg(any(feature = "postgres", feature = "redis"))]
pub use bounds::CallLimits;
pub use embedded::EmbeddedStore;
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
#[cfg(feature = "redis")]
pub use redis::RedisStore;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub use tls::{StoreTls, StoreTlsError};

/// A boxed future that can move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A call of a store: answered at once, where there was nothing to wait for, or later.
///
/// ```
/// use countersign_server::store::Call;
///
/// # async fn example() {
/// assert!(matches!(Call::now(Ok(1)).await, Ok(1)));
/// assert!(matches!(Call::later(async { Ok(2) }).await, Ok(2)));
/// # }
/// ```
#[must_use = "a call that is answered later does nothing unless it is awaited"]
pub enum Call<'a, T> {
    /// The answer, until it is taken.
    Now(Option<Result<T, StoreError>>),
    /// What will answer.
    Later(BoxFuture<'a, Result<T, StoreError>>),
}

impl<'a, T> Call<'a, T> {
    /// Answered already.
    pub const fn now(answer: Result<T, StoreError>) -> Self {
        Self::Now(Some(answer))
    }

    /// Answered by this.
    pub fn later(answer: impl Future<Output = Result<T, StoreError>> + Send + 'a) -> Self {
        Self::Later(Box::pin(answer))
    }
}

impl<T> Debug for Call<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
        })
    }
}

impl<T: Unpin> Future for Call<'_, T> {
    type Output = Result<T, StoreError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Now(answer) => Poll::Ready(
                answer.take().unwrap_or_else(|| Err(StoreError::new("answer", &"it has answered"))),
            ),
            Self::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

/// Keeps bytes under keys until a moment.
///
/// An entry is gone, for every method, from the moment given as `until` on: an implementor compares with its clock when
/// it answers and does not rely on sweeping. Each method takes effect at one instant between call and answer, also
/// against callers in other processes where the backend is shared. An effect on a durable key survives a crash once the
/// answer is given; an ephemeral key never comes back after a crash of the only process.
///
/// There are no default bodies: a quiet default that is not atomic is worse than none.
pub trait Store: Debug + Send + Sync {
    /// Stores a value. With [`Put::New`] only where nothing is stored; the answer says whether it was.
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool>;

    /// The value, if it is there.
    fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>>;

    /// Reads and deletes in one step: of any number of callers at once exactly one gets the value.
    fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>>;

    /// Replaces the value if it still is `was`; the answer says whether it did.
    fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool>;

    /// Counts: one more than before, starting at 1. Only the first count of a key sets when the counter ends.
    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64>;

    /// Deletes, if it is there.
    fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()>;

    /// Deletes everything. Only a development server ever calls it.
    fn clear(&self) -> Call<'_, ()>;

    /// Whether calls would be served now: cheap, changes nothing, and fails where they would. For readiness.
    fn ping(&self) -> Call<'_, ()>;
}

/// Whether [`Store::put`] may overwrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// Only where nothing is.
    New,
    /// In any case.
    Replace,
}

/// How much an entry's loss would hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Space {
    /// Accounts, token families, registered keys: durable before an answer leaves.
    Durable,
    /// Challenges and counters: may be lost, must never come back. A backend may bound their number and then drops
    /// those that would end soonest.
    Ephemeral,
}

/// A key: a space and a text such as `family/ethgas/…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    space: Space,
    name: Arc<str>,
}

impl Key {
    /// A key in this space.
    #[must_use]
    pub fn new(space: Space, name: &str) -> Self {
        Self { space, name: name.into() }
    }

    /// How much the entry's loss would hurt.
    #[must_use]
    pub const fn space(&self) -> Space {
        self.space
    }

    /// The text.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }
}

/// The store did not answer, or not sensibly.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store failed to {doing}: {cause}")]
pub struct StoreError {
    doing: &'static str,
    cause: String,
}

impl StoreError {
    /// A failure while doing something, said as a verb.
    pub fn new(doing: &'static str, cause: &dyn std::fmt::Display) -> Self {
        Self { doing, cause: cause.to_string() }
    }
}
