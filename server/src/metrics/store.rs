//! A store whose calls are timed.

use super::Metrics;
use crate::env::Timestamp;
use crate::store::{BoxFuture, Key, Put, Store, StoreError};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// Another store, with the time of each call and its failures counted.
#[derive(Debug)]
pub struct MeasuredStore {
    inner: Arc<dyn Store>,
    metrics: Metrics,
}

impl MeasuredStore {
    /// Measures this one.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, metrics: Metrics) -> Self {
        Self { inner, metrics }
    }

    fn measured<'a, T: 'a>(
        &'a self,
        method: &'static str,
        call: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            let begun = Instant::now();
            let answer = call.await;
            self.metrics.called(method, begun.elapsed(), answer.is_err());
            answer
        })
    }
}

impl Store for MeasuredStore {
    fn put<'a>(
        &'a self,
        key: &'a Key,
        value: Bytes,
        until: Timestamp,
        mode: Put,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.measured("put", self.inner.put(key, value, until, mode))
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.measured("get", self.inner.get(key))
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.measured("take", self.inner.take(key))
    }

    fn swap<'a>(
        &'a self,
        key: &'a Key,
        was: Bytes,
        value: Bytes,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.measured("swap", self.inner.swap(key, was, value, until))
    }

    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.measured("bump", self.inner.bump(key, until))
    }

    fn remove<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.measured("remove", self.inner.remove(key))
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.measured("clear", self.inner.clear())
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.measured("ping", self.inner.ping())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemClock;
    use crate::store::{MemoryStore, Space, suite};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_is_a_store_like_the_one_it_measures() {
        suite::run(async |clock| MeasuredStore::new(Arc::new(MemoryStore::new(clock)), Metrics::new())).await;
        let metrics = Metrics::new();
        let store = MeasuredStore::new(Arc::new(MemoryStore::new(Arc::new(SystemClock))), metrics.clone());
        let key = Key::new(Space::Durable, "canary");
        for expected in [true, false] {
            let put = store.put(&key, Bytes::from_static(b"v"), Timestamp::NEVER, Put::New).await;
            assert_eq!(put.unwrap(), expected);
        }
        store.ping().await.unwrap();
        let text = metrics.text();
        assert!(text.contains("countersign_store_call_duration_seconds_count{method=\"put\"} 2\n"), "{text}");
        assert!(text.contains("{method=\"ping\"} 1\n") && !text.contains("canary"));
    }
}
