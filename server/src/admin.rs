//! The listener for operators: is it alive, is it ready, how is it doing.
//!
//! It asks nobody who he is, so it listens on loopback unless told otherwise, and it only ever tells.

use crate::metrics::Metrics;
use crate::observer::Observer;
use crate::store::Store;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What an operator may ask.
#[derive(Debug, Clone)]
pub struct Admin {
    store: Arc<dyn Store>,
    observer: Observer,
    metrics: Metrics,
    stopping: Stopping,
}

/// Whether the server was told to stop.
///
/// Cloning is cheap; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Stopping(Arc<AtomicBool>);

impl Stopping {
    /// It was.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Connections of operators at once.
const CONNECTIONS: usize = 64;
/// For a request's head to arrive.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// For the store to answer whether it serves.
const PING_TIME: Duration = Duration::from_secs(3);

impl Admin {
    /// Tells of this store, the figures of whoever watches, whether he lets anything happen, and this end.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, observer: Observer, stopping: Stopping) -> Self {
        let metrics = observer.metrics().cloned().unwrap_or_default();
        Self { store, observer, metrics, stopping }
    }

    /// Serves as long as it is awaited.
    pub async fn serve(self, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(room) = room.clone().acquire_owned().await else { return };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: the connections that are open will end.
                    tracing::warn!(%error, "an operator's connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let admin = self.clone();
            tokio::spawn(async move {
                // Held until the connection ends.
                let _held = room;
                let service = service_fn(move |request: Request<Incoming>| {
                    let admin = admin.clone();
                    async move { Ok::<_, Infallible>(admin.answer(request.method(), request.uri().path()).await) }
                });
                let mut builder = hyper::server::conn::http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
                if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                    tracing::debug!(%error, "an operator's connection ended early");
                }
            });
        }
    }

    async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let (status, kind, text) = match path {
            "/healthz" => (StatusCode::OK, JSON, r#"{"status":"ok"}"#.to_owned()),
            "/readyz" => {
                let (status, text) = self.ready().await;
                (status, JSON, text.to_owned())
            }
            "/metrics" => (StatusCode::OK, METRICS, self.metrics.text()),
            _ => (
                StatusCode::NOT_FOUND,
                JSON,
                r#"{"error":"ask for /healthz, /readyz or /metrics"}"#.to_owned(),
            ),
        };
        let known = status != StatusCode::NOT_FOUND;
        let (status, kind, text) = match *method {
            Method::GET | Method::HEAD => (status, kind, text),
            _ if known => (StatusCode::METHOD_NOT_ALLOWED, JSON, r#"{"error":"ask with GET"}"#.to_owned()),
            _ => (status, kind, text),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }

    async fn ready(&self) -> (StatusCode, &'static str) {
        if self.stopping.has_begun() {
            return (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"stopping"}"#);
        }
        if self.observer.refuses() {
            return (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"unready","audit":"cannot be written"}"#);
        }
        match tokio::time::timeout(PING_TIME, self.store.ping()).await {
            Ok(Ok(())) => (StatusCode::OK, r#"{"status":"ready"}"#),
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready");
                (StatusCode::SERVICE_UNAVAILABLE, NO_STORE)
            }
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, NO_STORE),
        }
    }
}

const NO_STORE: &str = r#"{"status":"unready","store":"does not answer"}"#;
const JSON: &str = "application/json; charset=utf-8";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{SystemClock, Timestamp};
    use crate::store::{Call, Key, MemoryStore, Put, StoreError};

    /// A store that is out.
    #[derive(Debug)]
    struct Out;

    impl Out {
        fn failed<'a, T: Send + 'a>() -> Call<'a, T> {
            Call::now(Err(StoreError::new("answer", &"canary")))
        }
    }

    impl Store for Out {
        fn put<'a>(&'a self, _: &'a Key, _: Bytes, _: Timestamp, _: Put) -> Call<'a, bool> {
            Self::failed()
        }
        fn get<'a>(&'a self, _: &'a Key) -> Call<'a, Option<Bytes>> {
            Self::failed()
        }
        fn take<'a>(&'a self, _: &'a Key) -> Call<'a, Option<Bytes>> {
            Self::failed()
        }
        fn swap<'a>(&'a self, _: &'a Key, _: Bytes, _: Bytes, _: Timestamp) -> Call<'a, bool> {
            Self::failed()
        }
        fn bump<'a>(&'a self, _: &'a Key, _: Timestamp) -> Call<'a, u64> {
            Self::failed()
        }
        fn remove<'a>(&'a self, _: &'a Key) -> Call<'a, ()> {
            Self::failed()
        }
        fn clear(&self) -> Call<'_, ()> {
            Self::failed()
        }
        fn ping(&self) -> Call<'_, ()> {
            Self::failed()
        }
    }

    #[tokio::test]
    async fn readiness_follows_the_store_and_the_end_and_health_follows_neither() {
        let stopping = Stopping::default();
        let good = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let good = Admin::new(good, Observer::default(), stopping.clone());
        let bad = Admin::new(Arc::new(Out), Observer::default(), stopping.clone());
        let status =
            async |admin: &Admin, path: &str| admin.answer(&Method::GET, path).await.status().as_u16();
        assert_eq!((status(&good, "/readyz").await, status(&bad, "/readyz").await), (200, 503));
        stopping.begin();
        assert_eq!((status(&good, "/readyz").await, status(&bad, "/healthz").await), (503, 200));
        assert_eq!((status(&good, "/metrics").await, status(&good, "/").await), (200, 404));
        let posted = good.answer(&Method::POST, "/metrics").await;
        assert_eq!(
            (posted.status().as_u16(), &posted.headers()["allow"]),
            (405, &HeaderValue::from_static("GET, HEAD"))
        );
    }
}
