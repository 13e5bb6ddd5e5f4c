//! Connections: accepted up to a number, given up when they dawdle, finished when the server stops.

use super::Line;
use super::drain::Drain;
use super::stream::Watched;
use super::tls::Tls;
use super::waiting::Waiting;
use crate::client::Source;
use crate::login::Login;
use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

/// How connections are treated.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Open at once; more wait to be accepted.
    pub connections: usize,
    /// Open at once from one source that is no proxy of ours; more are closed at once. Without it there is no such bound.
    pub per_source: Option<usize>,
    /// For a TLS handshake.
    pub handshake_time: Duration,
    /// For a request's head to arrive whole, idle time before it included.
    pub head_time: Duration,
    /// For the other end to take something of an answer.
    pub write_time: Duration,
    /// For requests in progress when the server stops.
    pub grace: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 8_192,
            per_source: None,
            handshake_time: Duration::from_secs(10),
            head_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            grace: Duration::from_secs(10),
        }
    }
}

/// Serves until told to stop, then finishes what was begun.
pub async fn serve(
    listener: TcpListener,
    login: Login,
    limits: ConnectionLimits,
    stop: impl Future<Output = ()> + Send,
) {
    serve_maybe_tls(listener, login, limits, None, stop).await;
}

/// Serves over TLS until told to stop, then finishes what was begun. [`Tls::watch`] keeps the certificate fresh.
pub async fn serve_tls(
    listener: TcpListener,
    login: Login,
    limits: ConnectionLimits,
    tls: &Tls,
    stop: impl Future<Output = ()> + Send,
) {
    serve_maybe_tls(listener, login, limits, Some(TlsAcceptor::from(tls.config())), stop).await;
}

async fn serve_maybe_tls(
    listener: TcpListener,
    login: Login,
    limits: ConnectionLimits,
    tls: Option<TlsAcceptor>,
    stop: impl Future<Output = ()> + Send,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let open = Arc::new(Open::default());
    let drain = Drain::default();
    let mut stop = std::pin::pin!(drain.after(stop));
    // Changes when the server stops; each connection holds a receiver until it ends.
    let (stopped, stopping) = watch::channel(());
    loop {
        let accepted = async {
            let room = room.clone().acquire_owned().await;
            (room, listener.accept().await)
        };
        let (room, accepted) = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let bound = limits.per_source.filter(|_| !login.proxies().trusts(peer.ip()));
                let Some(counted) = Open::enter(&open, Source::of(peer.ip()), bound) else {
                    tracing::debug!(%peer, "a source has too many connections");
                    continue;
                };
                let shown = login.observer().metrics().map(crate::metrics::Metrics::connected);
                let (login, drain) = (login.clone(), drain.clone());
                let one = Connection { login, limits, peer, encrypted: tls.is_some(), drain };
                let stopping = stopping.clone();
                let tls = tls.clone();
                tokio::spawn(async move {
                    // Held until the connection ends.
                    let _held = (room, counted, shown);
                    // Answers are written whole, so waiting to fill a packet only delays them.
                    let _ = stream.set_nodelay(true);
                    match tls {
                        None => one.speak(stream, stopping).await,
                        Some(tls) => one.encrypt(stream, &tls, stopping).await,
                    }
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: the connections that are open will end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop((listener, stopping));
    stopped.send_replace(());
    if tokio::time::timeout(limits.grace, stopped.closed()).await.is_err() {
        tracing::warn!("requests were still in progress when the server stopped");
    }
}

/// How many connections each source has open.
#[derive(Debug, Default)]
struct Open(Mutex<HashMap<Source, usize>>);

/// One connection that is counted until this is dropped.
#[derive(Debug)]
struct Counted {
    open: Arc<Open>,
    source: Source,
}

impl Open {
    /// Counts one more; nothing where there are as many as the bound already.
    fn enter(open: &Arc<Self>, source: Source, bound: Option<usize>) -> Option<Counted> {
        let mut counts = open.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_default();
        if bound.is_some_and(|bound| *count >= bound.max(1)) {
            return None;
        }
        *count += 1;
        Some(Counted { open: open.clone(), source })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.source);
            }
        }
    }
}

#[derive(Debug)]
struct Connection {
    login: Login,
    limits: ConnectionLimits,
    peer: SocketAddr,
    encrypted: bool,
    drain: Drain,
}

impl Connection {
    async fn encrypt(self, stream: TcpStream, tls: &TlsAcceptor, stopping: watch::Receiver<()>) {
        match tokio::time::timeout(self.limits.handshake_time, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream, stopping).await,
            Ok(Err(error)) => tracing::debug!(%error, peer = %self.peer, "a TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %self.peer, "a TLS handshake took too long"),
        }
    }

    async fn speak<S>(self, mut stream: S, mut stopping: watch::Receiver<()>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { login, limits, peer, encrypted, drain } = self;
        let waiting = Waiting::new();
        let first = tokio::select! {
            first = tokio::time::timeout(limits.head_time, opening(&mut stream)) => first,
            // Who has said nothing by then is not waited for.
            _ = stopping.changed() => return,
        };
        let Ok(Ok(first)) = first else { return };
        let is_http_1 = first != HTTP2_OPENING;
        let io = Watched::new(stream, first, is_http_1, limits, waiting.clone());
        let line = Line { peer: Some(peer.ip()), encrypted };
        // One count for each request in place of three.
        let shared = Arc::new((login, drain, waiting));
        let service = service_fn(move |request: Request<Incoming>| {
            let shared = shared.clone();
            async move {
                let (login, drain, waiting) = &*shared;
                let _answering = waiting.answering();
                if let Some(wrong) = wrong_host(&request) {
                    return Ok::<_, Infallible>(super::problem::generic(StatusCode::BAD_REQUEST, wrong));
                }
                let version = request.version();
                let mut response = login.answer(request, line).await;
                drain.mark(version, &mut response);
                Ok(response)
            }
        });
        // Each by its own, where the library's choice between them would stand between us and every read.
        let ended = if is_http_1 {
            let connection = http_1().serve_connection(io, service);
            until_done(connection, stopping, http1::Connection::graceful_shutdown).await
        } else {
            let connection = http_2(limits).serve_connection(io, service);
            until_done(connection, stopping, http2::Connection::graceful_shutdown).await
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Lets a connection be until it is done, and has it be done with what it has begun when the server stops.
async fn until_done<C: Future>(
    connection: C,
    mut stopping: watch::Receiver<()>,
    finish: fn(Pin<&mut C>),
) -> C::Output {
    let mut connection = std::pin::pin!(connection);
    let seen = stopping.clone();
    let mut stop = std::pin::pin!(stopping.changed());
    let (mut asked, mut told) = (false, false);
    let done = std::future::poll_fn(|cx| {
        // Asked once, so that it wakes this task, and then only when it has come: to ask is dear for every request.
        if !told && (!asked || !matches!(seen.has_changed(), Ok(false))) {
            asked = true;
            told = stop.as_mut().poll(cx).is_ready();
            if told {
                finish(connection.as_mut());
            }
        }
        connection.as_mut().poll(cx)
    });
    done.await
}

/// What RFC 9112 section 3.2 has refused: an HTTP/1.1 request without a host, and any with two or with what is none.
fn wrong_host(request: &Request<Incoming>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => Some("Host is missing"),
        (None, _) => None,
        (Some(_), Some(_)) => Some("Host is there twice"),
        (Some(host), None) => {
            let is_host = |byte: &u8| {
                byte.is_ascii_graphic()
                    && !matches!(byte, b'/' | b'?' | b'#' | b'@' | b',' | b'\\' | b'"' | b'<' | b'>')
            };
            let good = host.as_bytes().iter().all(is_host);
            (!good).then_some("Host is no host")
        }
    }
}

fn http_1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // The stream looks after how long a head takes.
    builder.header_read_timeout(None).max_buf_size(HEAD_BYTES);
    builder
}

fn http_2(limits: ConnectionLimits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.head_time)
        .keep_alive_timeout(limits.head_time)
        .max_concurrent_streams(64)
        // Bodies are small, so little of them needs to be on its way at once.
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .max_send_buf_size(64 * 1024)
        .max_frame_size(16 * 1024)
        .max_header_list_size(16 * 1024)
        // Who opens streams only to reset them (CVE-2023-44487), or to have them reset, is sent away.
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(64);
    builder
}

/// Bytes a request's head may have, with what is read of the body along with it.
const HEAD_BYTES: usize = 64 * 1024;
const HTTP2_OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// As many first bytes as it takes to tell HTTP/2 from HTTP/1.
///
/// Whoever sends nothing is not waited for; what was read goes to the library with the rest.
async fn opening(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Bytes> {
    let mut first = BytesMut::with_capacity(HTTP2_OPENING.len());
    while first.len() < HTTP2_OPENING.len() && HTTP2_OPENING.starts_with(&first) {
        let missing = HTTP2_OPENING.len() - first.len();
        let mut part = [0; HTTP2_OPENING.len()];
        let read = stream.read(&mut part[..missing]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        first.extend_from_slice(&part[..read]);
    }
    Ok(first.freeze())
}
