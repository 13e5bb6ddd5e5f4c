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
    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        until: Timestamp,
        mode: Put,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The value, if it is there.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>>;

    /// Reads and deletes in one step: of any number of callers at once exactly one gets the value.
    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>>;

    /// Replaces the value if it still is `was`; the answer says whether it did.
    fn swap<'a>(
        &'a self,
        key: &'a Key,
        was: Bytes,
        value: Bytes,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Counts: one more than before, starting at 1. Only the first count of a key sets when the counter ends.
    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Deletes, if it is there.
    fn remove<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Deletes everything. Only a development server ever calls it.
    fn clear(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Whether calls would be served now: cheap, changes nothing, and fails where they would. For readiness.
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>>;
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
