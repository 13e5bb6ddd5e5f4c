//! Many connections driven by one thread that does as little as it can.

use super::super::torture::wire::{Heard, whole};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Connections at once.
pub(super) const CONNECTIONS: usize = 32;
/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends requests in turn, `total` in all, and hands each answer's body to `each`. An answer that is no success or lacks
/// `needle` ends it: refusals are quick and would make fine figures.
///
/// # Errors
/// What went wrong with which request.
pub(super) fn drive(
    address: SocketAddr,
    requests: &[Vec<u8>],
    total: usize,
    needle: &str,
    each: impl FnMut(usize, &[u8]),
) -> Result<Duration, String> {
    let (next, each) = (Cell::new(0_usize), RefCell::new(each));
    on_one_thread(async {
        let begun = Instant::now();
        let work = (0..CONNECTIONS).map(|_| async {
            let mut connection = Connection::open(address).await?;
            loop {
                let number = next.get();
                if number >= total {
                    return Ok(());
                }
                next.set(number + 1);
                let body = connection.ask(&requests[number % requests.len()], needle).await?;
                (each.borrow_mut())(number, &body);
            }
        });
        all(work).await?;
        Ok(begun.elapsed())
    })
}

/// Refreshes sessions, each with what its last refresh gave, `total` times in all, as many at once as there are sessions.
///
/// # Errors
/// What went wrong.
pub(super) fn refresh(address: SocketAddr, sessions: Vec<String>, total: usize) -> Result<Duration, String> {
    let next = Rc::new(Cell::new(0_usize));
    on_one_thread(async {
        let begun = Instant::now();
        let work = sessions.into_iter().map(|mut token| {
            let next = next.clone();
            async move {
                let mut connection = Connection::open(address).await?;
                while next.get() < total {
                    next.set(next.get() + 1);
                    let body = serde_json::json!({ "refreshToken": token }).to_string();
                    let request = post("/api/v1/user/login/refresh", Some(&body), None);
                    let answer = connection.ask(&request, "refreshToken").await?;
                    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
                    token = answer["data"]["refreshToken"].as_str().unwrap_or_default().to_owned();
                }
                Ok(())
            }
        });
        all(work).await?;
        Ok(begun.elapsed())
    })
}

/// Does this on a thread of its own while a load that has nothing to ask keeps its connections open and looks for answers.
///
/// A core is slower beside a busy one. What answers a load is measured beside it, so what it is compared with has to be.
///
/// # Errors
/// What went wrong with which connection.
pub(super) fn beside_a_load<T: Send>(
    address: SocketAddr,
    work: impl FnOnce() -> Result<T, String> + Send,
) -> Result<T, String> {
    std::thread::scope(|scope| {
        let work = scope.spawn(work);
        on_one_thread(async {
            let waits = (0..CONNECTIONS).map(|_| async {
                let mut connection = Connection::open(address).await?;
                let done = std::future::poll_fn(|_| match work.is_finished() {
                    true => std::task::Poll::Ready(()),
                    false => std::task::Poll::Pending,
                });
                tokio::select! {
                    () = done => Ok(()),
                    _ = connection.stream.read_buf(&mut connection.buffer) => {
                        Err("a connection without a request was answered or closed".to_owned())
                    }
                }
            });
            all(waits).await
        })?;
        work.join().map_err(|_| "what was measured beside a load broke down".to_owned())?
    })
}

/// The bytes of a request.
pub(super) fn post(path: &str, body: Option<&str>, bearer: Option<&str>) -> Vec<u8> {
    write("POST", path, body, bearer)
}

/// The bytes of a request without a body.
pub(super) fn get(path: &str, bearer: &str) -> Vec<u8> {
    write("GET", path, None, Some(bearer))
}

fn write(method: &str, path: &str, body: Option<&str>, bearer: Option<&str>) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    if let Some(token) = bearer {
        text.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    match body {
        Some(body) => text.push_str(&format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )),
        None if method == "POST" => text.push_str("Content-Length: 0\r\n\r\n"),
        None => text.push_str("\r\n"),
    }
    text.into_bytes()
}

fn on_one_thread<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the load could not be made: {error}"))?;
    runtime.block_on(work)
}

/// All at once, on this thread, which never sleeps; the first error ends them all.
///
/// To wake a load that sleeps is work of whoever answers it, and a seventh of a small answer: a server slow enough to let
/// the load sleep would be charged for it, and the bare one, which is not, would not be.
async fn all<F: Future<Output = Result<(), String>>>(work: impl Iterator<Item = F>) -> Result<(), String> {
    let mut work: Vec<_> = work.map(|one| Some(Box::pin(one))).collect();
    std::future::poll_fn(|cx| {
        let mut open = false;
        for one in &mut work {
            let Some(future) = one else { continue };
            match future.as_mut().poll(cx) {
                std::task::Poll::Ready(Ok(())) => *one = None,
                std::task::Poll::Ready(Err(error)) => return std::task::Poll::Ready(Err(error)),
                std::task::Poll::Pending => open = true,
            }
        }
        if open {
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(Ok(()))
        }
    })
    .await
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("no connection to {address}: {error}");
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// The body of the answer.
    async fn ask(&mut self, request: &[u8], needle: &str) -> Result<Vec<u8>, String> {
        let failed = |error: std::io::Error| format!("a request under load failed: {error}");
        self.stream.write_all(request).await.map_err(failed)?;
        self.buffer.clear();
        loop {
            if let Some(Heard::Answer { status, .. }) = whole(&self.buffer) {
                let start =
                    self.buffer.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
                let body = self.buffer[start..].to_vec();
                let found =
                    needle.is_empty() || body.windows(needle.len()).any(|part| part == needle.as_bytes());
                return if status == 200 && found {
                    Ok(body)
                } else {
                    Err(format!("HTTP {status}, {}", String::from_utf8_lossy(&body)))
                };
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer));
            let read = read.await.map_err(|_| format!("no answer in {PATIENCE:?}"))?.map_err(failed)?;
            if read == 0 {
                return Err("a connection under load was closed".to_owned());
            }
        }
    }
}
