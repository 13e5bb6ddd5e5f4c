//! A store whose calls are timed.

use super::Metrics;
use crate::env::Timestamp;
use crate::store::{BoxFuture, Key, Put, Store, StoreError};
use bytes::Bytes;
use prometheus_client::metrics::histogram::Histogram;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Another store, with the time of each call and its failures counted.
#[derive(Debug)]
pub struct MeasuredStore {
    inner: Arc<dyn Store>,
    metrics: Metrics,
    put: Method,
    get: Method,
    take: Method,
    swap: Method,
    bump: Method,
    remove: Method,
    clear: Method,
    ping: Method,
}

/// A method of the store, and the figures of its calls once there was one.
#[derive(Debug)]
struct Method {
    name: &'static str,
    times: OnceLock<Histogram>,
}

impl Method {
    const fn new(name: &'static str) -> Self {
        Self { name, times: OnceLock::new() }
    }
}

impl MeasuredStore {
    /// Measures this one.
    #[must_use]
    pub const fn new(inner: Arc<dyn Store>, metrics: Metrics) -> Self {
        Self {
            inner,
            metrics,
            put: Method::new("put"),
            get: Method::new("get"),
            take: Method::new("take"),
            swap: Method::new("swap"),
            bump: Method::new("bump"),
            remove: Method::new("remove"),
            clear: Method::new("clear"),
            ping: Method::new("ping"),
        }
    }

    fn measured<'a, T: 'a>(
        &'a self,
        method: &'a Method,
        call: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            let begun = Instant::now();
            let answer = call.await;
            let times = method.times.get_or_init(|| self.metrics.times(method.name));
            self.metrics.called(method.name, times, begun.elapsed(), answer.is_err());
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
        self.measured(&self.put, self.inner.put(key, value, until, mode))
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.measured(&self.get, self.inner.get(key))
    }

    fn take<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        self.measured(&self.take, self.inner.take(key))
    }

    fn swap<'a>(
        &'a self,
        key: &'a Key,
        was: Bytes,
        value: Bytes,
        until: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.measured(&self.swap, self.inner.swap(key, was, value, until))
    }

    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.measured(&self.bump, self.inner.bump(key, until))
    }

    fn remove<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.measured(&self.remove, self.inner.remove(key))
    }

    fn clear(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.measured(&self.clear, self.inner.clear())
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        self.measured(&self.ping, self.inner.ping())
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
