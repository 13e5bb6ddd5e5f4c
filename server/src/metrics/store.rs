//! A store whose calls are timed.

use super::Metrics;
use crate::env::Timestamp;
use crate::store::{Call, Key, Put, Store};
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

    fn measured<'a, T: Send + Unpin + 'a>(
        &'a self,
        method: &'a Method,
        call: impl FnOnce(&'a dyn Store) -> Call<'a, T>,
    ) -> Call<'a, T> {
        let begun = Instant::now();
        let told = move |failed: bool| {
            let times = method.times.get_or_init(|| self.metrics.times(method.name));
            self.metrics.called(method.name, times, begun.elapsed(), failed);
        };
        // What is answered at once has done its work by then.
        match call(self.inner.as_ref()) {
            Call::Now(answer) => {
                told(matches!(answer, Some(Err(_))));
                Call::Now(answer)
            }
            Call::Later(answer) => Call::later(async move {
                let answer = answer.await;
                told(answer.is_err());
                answer
            }),
        }
    }
}

impl Store for MeasuredStore {
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool> {
        self.measured(&self.put, |inner| inner.put(key, value, until, mode))
    }

    fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.measured(&self.get, |inner| inner.get(key))
    }

    fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.measured(&self.take, |inner| inner.take(key))
    }

    fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool> {
        self.measured(&self.swap, |inner| inner.swap(key, was, value, until))
    }

    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64> {
        self.measured(&self.bump, |inner| inner.bump(key, until))
    }

    fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()> {
        self.measured(&self.remove, |inner| inner.remove(key))
    }

    fn clear(&self) -> Call<'_, ()> {
        self.measured(&self.clear, |inner| inner.clear())
    }

    fn ping(&self) -> Call<'_, ()> {
        self.measured(&self.ping, |inner| inner.ping())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemClock;
    use crate::store::{MemoryStore, Space, suite};
    use std::time::Duration;

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

    #[tokio::test]
    async fn the_time_of_a_call_is_counted_also_where_it_answers_at_once() {
        const LONG: Duration = Duration::from_millis(3);
        let metrics = Metrics::new();
        let store = MeasuredStore::new(Arc::new(MemoryStore::new(Arc::new(SystemClock))), metrics.clone());
        let at_once = store.measured(&store.get, |_| {
            std::thread::sleep(LONG);
            Call::now(Ok(()))
        });
        at_once.await.unwrap();
        let later = store.measured(&store.take, |_| {
            Call::later(async {
                tokio::time::sleep(LONG).await;
                Ok(())
            })
        });
        later.await.unwrap();
        let text = metrics.text();
        for method in ["get", "take"] {
            let name = format!("countersign_store_call_duration_seconds_sum{{method=\"{method}\"}} ");
            let sum = text.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
            assert!(sum.parse::<f64>().unwrap() >= LONG.as_secs_f64(), "{method}: {sum}");
        }
    }
}
