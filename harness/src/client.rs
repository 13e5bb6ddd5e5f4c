//! A blocking HTTP client that sends what it is told and hides nothing: HTTP/1.1, or HTTP/2 where it is told so.
//!
//! Each thread drives its own connections, so that one request costs no hop between threads. A kept-alive connection that
//! the target closed while it lay idle is replaced once, silently: that is the target's right (RFC 9112 section 9.3).

mod base;
mod connect;
mod sender;

pub use base::Base;

use crate::profile::{Http, Version};
use bytes::Bytes;
use connect::Route;
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use sender::Sender;
use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// A request as it is to stand on the wire.
#[derive(Debug, Clone)]
pub struct WireRequest {
    /// Method.
    pub method: String,
    /// Path with query, without the target's prefix.
    pub path: String,
    /// Headers in order; Host and framing are added.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: WireBody,
}

/// How a body travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireBody {
    /// None, and no Content-Length but where HTTP wants one.
    None,
    /// In one piece, with Content-Length.
    Whole(Bytes),
    /// In pieces, with `Transfer-Encoding: chunked`, and a pause between the pieces.
    Pieces(Vec<Bytes>, Duration),
}

impl WireBody {
    /// The bytes in one piece.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::Whole(bytes) => bytes.clone(),
            Self::Pieces(pieces, _) => pieces.concat().into(),
        }
    }
}

/// An answer as it stood on the wire.
#[derive(Debug, Clone)]
pub struct WireResponse {
    /// HTTP status.
    pub status: u16,
    /// Headers in order, names in lower case; bytes beyond ASCII are replaced.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Bytes,
    /// From the first byte sent to the last received.
    pub elapsed: Duration,
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WireError {
    /// The connection broke before a whole answer came.
    #[error("the connection was closed before the answer was complete: {0}")]
    Closed(String),
    /// No connection could be made.
    #[error("no connection to {authority}: {cause}")]
    Connect {
        /// Host and port.
        authority: String,
        /// What the system says.
        cause: String,
    },
    /// What came back is no HTTP.
    #[error("the answer is no valid HTTP: {0}")]
    Protocol(String),
    /// The answer took too long.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// The request cannot be written as HTTP; a mistake of ours.
    #[error("the request cannot be sent: {0}")]
    Unsendable(String),
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

thread_local! {
    static DRIVER: RefCell<Option<tokio::runtime::Runtime>> = const { RefCell::new(None) };
    static IDLE: RefCell<HashMap<u64, Kept>> = RefCell::new(HashMap::new());
}

/// Connections of one client that wait for their next request, and whether there still is such a client.
struct Kept {
    client: Weak<Route>,
    senders: Vec<Sender>,
}

/// A client of one target; cheap to share between threads.
#[derive(Clone)]
pub struct Client {
    id: u64,
    base: Base,
    timeout: Duration,
    route: Arc<Route>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client with a time limit for each request. `ca` is a PEM file of further trust anchors.
    ///
    /// # Errors
    /// An unreadable CA file or a host that no certificate can name.
    pub fn new(base: Base, timeout: Duration, ca: Option<&std::path::Path>) -> Result<Self, String> {
        Self::as_told(base, &Http { timeout, ca: ca.map(Into::into), ..Http::default() })
    }

    /// A client that speaks as a profile says.
    ///
    /// # Errors
    /// Certificates or keys that cannot be used, with their keys in the profile, or a host that no certificate can name.
    pub fn as_told(base: Base, http: &Http) -> Result<Self, String> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let route = Arc::new(Route::new(&base, http)?);
        Ok(Self { id: NEXT.fetch_add(1, Ordering::Relaxed), base, timeout: http.timeout, route })
    }

    /// Which version of HTTP it speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.route.version()
    }

    /// A connection for bytes of one's own, through the proxy where there is one; without TLS.
    ///
    /// # Errors
    /// No connection within this time.
    pub fn connect_raw(&self, within: Duration) -> Result<std::net::TcpStream, WireError> {
        self.route.open_blocking(&self.base, within).map_err(|cause| self.unconnected(cause))
    }

    /// Where it sends to.
    #[must_use]
    pub fn base(&self) -> &Base {
        &self.base
    }

    /// Whether something listens; makes one connection and drops it.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub fn reach(&self, within: Duration) -> Result<(), WireError> {
        on_this_thread(async {
            match tokio::time::timeout(within, self.connect()).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(WireError::Connect {
                    authority: self.base.authority(),
                    cause: format!("no answer within {within:?}"),
                }),
            }
        })
    }

    /// Whether something speaks HTTP there: asks for the root and takes any answer.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub fn greet(&self, within: Duration) -> Result<(), WireError> {
        self.reach(within)?;
        let mut quick = self.clone();
        quick.timeout = within;
        let request = WireRequest {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: vec![("accept".to_owned(), "*/*".to_owned())],
            body: WireBody::None,
        };
        match quick.send(&request) {
            // A server that wants a certificate says so only when the first request is there (RFC 8446 section 4.4.2.4).
            Err(WireError::Closed(cause)) if cause.contains("fatal alert") => {
                Err(self.unconnected(format!("TLS: {}", connect::advice(&cause))))
            }
            // Who closes without a word may still answer what it knows.
            Ok(_) | Err(WireError::Closed(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// Why there is no whole answer.
    pub fn send(&self, request: &WireRequest) -> Result<WireResponse, WireError> {
        on_this_thread(self.send_async(request))
    }

    /// Sends one request and waits so long for the answer.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_within(&self, request: &WireRequest, limit: Duration) -> Result<WireResponse, WireError> {
        if limit == self.timeout {
            return self.send(request);
        }
        let mut hurried = self.clone();
        hurried.timeout = limit;
        hurried.send(request)
    }

    /// Sends all requests at once, each on a connection of its own that is open before the first byte goes out.
    pub fn send_together(&self, requests: &[WireRequest]) -> Vec<Result<WireResponse, WireError>> {
        on_this_thread(async {
            let barrier = Arc::new(tokio::sync::Barrier::new(requests.len()));
            let mut tasks = tokio::task::JoinSet::new();
            for (index, request) in requests.iter().cloned().enumerate() {
                let (client, barrier) = (self.clone(), Arc::clone(&barrier));
                tasks.spawn(async move {
                    let connection = client.connect().await;
                    barrier.wait().await;
                    let result = match connection {
                        Ok(mut sender) => {
                            client.exchange(&mut sender, &request).await.map_err(|(error, _)| error)
                        }
                        Err(error) => Err(error),
                    };
                    (index, result)
                });
            }
            let mut results =
                vec![Err(WireError::Closed("the request was given up".to_owned())); requests.len()];
            while let Some(Ok((index, result))) = tasks.join_next().await {
                results[index] = result;
            }
            results
        })
    }

    async fn send_async(&self, request: &WireRequest) -> Result<WireResponse, WireError> {
        let mut broke = None;
        let idle = IDLE.with_borrow_mut(|idle| idle.get_mut(&self.id).and_then(|kept| kept.senders.pop()));
        if let Some(mut sender) = idle
            && sender.is_ready().await
            && is_open(&sender).await
        {
            match self.exchange(&mut sender, request).await {
                Ok(response) => {
                    self.keep(sender);
                    return Ok(response);
                }
                // Nothing of an answer came on a connection that lay idle: the target had closed it.
                Err((WireError::Closed(cause), false)) => broke = Some(cause),
                Err((error, _)) => return Err(error),
            }
        }
        let mut sender = match (self.connect().await, broke) {
            (Ok(sender), _) => sender,
            // The connection was open when the request went out, and nobody listens any more: this request was under way
            // when the target ended.
            (Err(WireError::Connect { authority, .. }), Some(cause)) => {
                return Err(WireError::Closed(format!(
                    "{cause}; since then {authority} takes no connection"
                )));
            }
            (Err(error), _) => return Err(error),
        };
        let response = self.exchange(&mut sender, request).await.map_err(|(error, _)| error)?;
        self.keep(sender);
        Ok(response)
    }

    fn keep(&self, sender: Sender) {
        if !sender.is_closed() {
            IDLE.with_borrow_mut(|idle| {
                // A thread outlives the clients it serves, and each connection costs a descriptor.
                if !idle.contains_key(&self.id) {
                    idle.retain(|_, kept| kept.client.strong_count() > 0);
                }
                let new = || Kept { client: Arc::downgrade(&self.route), senders: Vec::new() };
                idle.entry(self.id).or_insert_with(new).senders.push(sender);
            });
        }
    }

    async fn connect(&self) -> Result<Sender, WireError> {
        let connecting = self.route.open(&self.base);
        match tokio::time::timeout(self.timeout, connecting).await {
            Ok(connected) => connected.map_err(|cause| self.unconnected(cause)),
            Err(_) => Err(self.unconnected(format!("no answer within {:?}", self.timeout))),
        }
    }

    fn unconnected(&self, cause: String) -> WireError {
        WireError::Connect { authority: self.base.authority(), cause }
    }

    /// One request on one connection. The flag says whether any of an answer had come when it failed.
    async fn exchange(
        &self,
        sender: &mut Sender,
        request: &WireRequest,
    ) -> Result<WireResponse, (WireError, bool)> {
        let built = self.build(request).map_err(|problem| (WireError::Unsendable(problem), true))?;
        let start = Instant::now();
        let work = async {
            let response = sender.send_request(built).await.map_err(|error| (wire_error(&error), false))?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| (wire_error(&error), true))?.to_bytes();
            let headers = parts
                .headers
                .iter()
                .map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
                })
                .collect();
            Ok(WireResponse { status: parts.status.as_u16(), headers, body, elapsed: start.elapsed() })
        };
        match tokio::time::timeout(self.timeout, work).await {
            Ok(result) => result,
            Err(_) => Err((WireError::Timeout(self.timeout), true)),
        }
    }

    fn build(&self, request: &WireRequest) -> Result<http::Request<Body>, String> {
        // HTTP/2 has the whole URL in place of a Host header.
        let whole = self.version() == Version::Http2;
        let uri = if whole {
            self.base.url(&request.path)
        } else {
            format!("{}{}", self.base.prefix, request.path)
        };
        let mut builder = http::Request::builder().method(request.method.as_str()).uri(uri);
        if whole {
            builder = builder.version(http::Version::HTTP_2);
        } else if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            builder = builder.header("host", self.base.authority());
        }
        for (name, value) in &request.headers {
            let value = http::HeaderValue::from_bytes(value.as_bytes()).map_err(|error| error.to_string())?;
            builder = builder.header(name.as_str(), value);
        }
        let body = match &request.body {
            WireBody::None => Empty::new().boxed_unsync(),
            WireBody::Whole(bytes) => Full::new(bytes.clone()).boxed_unsync(),
            WireBody::Pieces(pieces, pause) => pieces_body(pieces.clone(), *pause),
        };
        builder.body(body).map_err(|error| error.to_string())
    }
}

fn pieces_body(pieces: Vec<Bytes>, pause: Duration) -> Body {
    let stream = paced(pieces.into_iter(), pause);
    StreamBody::new(stream).boxed_unsync()
}

/// A stream of frames with a pause before each but the first.
fn paced(
    pieces: std::vec::IntoIter<Bytes>,
    pause: Duration,
) -> impl futures_core::Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        for (index, piece) in pieces.enumerate() {
            if index > 0 && !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            if sender.send(Ok(Frame::data(piece))).await.is_err() {
                return;
            }
        }
    });
    tokio_stream::wrappers::ReceiverStream::new(receiver)
}

/// Whether the other side has not closed a connection that lay idle, as far as the system knows by now.
async fn is_open(sender: &Sender) -> bool {
    // The first turn lets the runtime read what the system holds, the second lets the connection act upon it.
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    !sender.is_closed()
}

fn wire_error(error: &hyper::Error) -> WireError {
    let text = {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        text
    };
    if error.is_parse() { WireError::Protocol(text) } else { WireError::Closed(text) }
}

/// Runs a future on this thread's own runtime.
fn on_this_thread<F: Future>(future: F) -> F::Output {
    DRIVER.with_borrow_mut(|driver| {
        let runtime = driver.get_or_insert_with(|| {
            #[expect(clippy::expect_used, reason = "without timers and sockets nothing can be judged at all")]
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
        });
        runtime.block_on(future)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_listening_is_a_connect_error() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = Base::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let client = Client::new(base, Duration::from_secs(1), None).unwrap();
        assert!(matches!(client.reach(Duration::from_secs(1)), Err(WireError::Connect { .. })));
    }

    fn get() -> WireRequest {
        WireRequest { method: "GET".into(), path: "/".into(), headers: Vec::new(), body: WireBody::None }
    }

    /// A server that answers one request and reads as many more, and is gone then.
    fn ends_after(further: usize) -> (Client, std::thread::JoinHandle<()>) {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = Base::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            assert!(stream.read(&mut buffer).unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            for _ in 0..further {
                assert!(stream.read(&mut buffer).unwrap() > 0);
            }
            // The port first, so that nobody is let in any more when the connection breaks.
            drop(listener);
        });
        (Client::new(base, Duration::from_secs(5), None).unwrap(), server)
    }

    #[test]
    fn a_target_that_ends_with_a_request_is_told_by_it() {
        let (client, server) = ends_after(1);
        assert_eq!(client.send(&get()).unwrap().status, 200);
        let error = client.send(&get()).unwrap_err();
        server.join().unwrap();
        assert!(error.to_string().contains("takes no connection"), "{error}");
    }

    #[test]
    fn a_target_that_ended_before_a_request_is_told_apart() {
        let (client, server) = ends_after(0);
        assert_eq!(client.send(&get()).unwrap().status, 200);
        server.join().unwrap();
        let error = client.send(&get()).unwrap_err();
        assert!(matches!(error, WireError::Connect { .. }), "{error}");
    }
}
