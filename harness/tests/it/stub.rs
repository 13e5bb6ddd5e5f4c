//! A small HTTP/1.1 server with an answer for everything: what a target looks like from the harness' side.
//!
//! Written by hand on sockets, so that a test can also fall silent, hang up, or be gone in the middle of a run.

use countersign_spec::{Auth, Operation, Scheme, Spec};
use serde_json::{Map, Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// In order, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Without its framing.
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Everything of it as text.
    pub(crate) fn text(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        format!("{} {}\n{headers}\n{}", self.method, self.path, String::from_utf8_lossy(&self.body))
    }
}

/// What a target does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Answers.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Vec<u8> },
    /// Keeps the connection open and says nothing.
    Silence,
    /// Ends the whole server: every connection is cut and the port is closed.
    Death,
    /// Answers, and ends the whole server then.
    Farewell(Box<Self>),
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        Self::Answer { status, headers, body: body.to_string().into_bytes() }
    }
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A running server; dropping it ends it.
pub(crate) struct Stub {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    handler: Box<Handler>,
    ended: AtomicBool,
    connections: Mutex<Vec<(SocketAddr, TcpStream)>>,
    asked: Mutex<Vec<Asked>>,
}

impl Stub {
    pub(crate) fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            ended: AtomicBool::new(false),
            connections: Mutex::default(),
            asked: Mutex::default(),
        });
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    let Ok(stream) = stream else { continue };
                    if shared.ended.load(Ordering::SeqCst) {
                        return;
                    }
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || shared.serve(stream, address));
                }
            }
        });
        Self { address, shared, acceptor: Some(acceptor) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.shared.end(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

impl Shared {
    /// Cuts every connection, then wakes the acceptor, which sees that it is over and closes the port.
    fn end(&self, address: SocketAddr) {
        let first = !self.ended.swap(true, Ordering::SeqCst);
        for (_, connection) in lock(&self.connections).drain(..) {
            drop(connection.shutdown(Shutdown::Both));
        }
        if first {
            drop(TcpStream::connect(address));
        }
    }

    /// Closes the port and waits until it is.
    fn close(&self, address: SocketAddr) {
        self.ended.store(true, Ordering::SeqCst);
        while TcpStream::connect(address).is_ok() {
            std::thread::yield_now();
        }
    }

    fn serve(&self, stream: TcpStream, address: SocketAddr) {
        let (Ok(kept), Ok(peer)) = (stream.try_clone(), stream.peer_addr()) else { return };
        {
            let mut connections = lock(&self.connections);
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            connections.push((peer, kept));
        }
        self.converse(stream, address);
        // Closed with it: a run makes more connections than a process may have open.
        lock(&self.connections).retain(|(known, _)| *known != peer);
    }

    fn converse(&self, stream: TcpStream, address: SocketAddr) {
        let Ok(mut answers) = stream.try_clone() else { return };
        let mut requests = BufReader::new(stream);
        while let Some(asked) = read(&mut requests, &mut answers) {
            lock(&self.asked).push(asked.clone());
            let (reply, last) = match (self.handler)(&asked) {
                Reply::Farewell(reply) => (*reply, true),
                reply => (reply, false),
            };
            match reply {
                Reply::Answer { status, headers, body } => {
                    let mut headers = headers;
                    if last {
                        // The port is closed before the answer is there: whoever reads it comes too late.
                        headers.push(("connection", "close".to_owned()));
                        self.close(address);
                    }
                    let bytes = write(&asked, status, &headers, &body);
                    if answers.write_all(&bytes).is_err() {
                        return;
                    }
                    if last {
                        return self.end(address);
                    }
                    if asked.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                        drop(answers.shutdown(Shutdown::Both));
                        return;
                    }
                }
                Reply::Silence => {
                    // Ends when the other side gives up, or when this server is dropped.
                    let mut rest = Vec::new();
                    drop(requests.read_to_end(&mut rest));
                    return;
                }
                Reply::Death | Reply::Farewell(_) => return self.end(address),
            }
        }
        // Nothing that can be read comes any more: whoever sent it is not left waiting.
        drop(answers.shutdown(Shutdown::Both));
    }
}

fn read(requests: &mut BufReader<TcpStream>, answers: &mut TcpStream) -> Option<Asked> {
    let line = read_line(requests)?;
    let mut words = line.split(' ');
    let mut asked =
        Asked { method: words.next()?.to_owned(), path: words.next()?.to_owned(), ..Asked::default() };
    loop {
        let line = read_line(requests)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        asked.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if asked.header("expect").is_some() {
        answers.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    if asked.header("transfer-encoding").is_some() {
        loop {
            let size = usize::from_str_radix(read_line(requests)?.split(';').next()?.trim(), 16).ok()?;
            let mut piece = vec![0; size];
            requests.read_exact(&mut piece).ok()?;
            asked.body.extend(piece);
            read_line(requests)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = asked.header("content-length") {
        asked.body = vec![0; length.parse().ok()?];
        requests.read_exact(&mut asked.body).ok()?;
    }
    Some(asked)
}

fn read_line(requests: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    requests.read_until(b'\n', &mut line).ok().filter(|read| *read > 0)?;
    Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
}

fn write(asked: &Asked, status: u16, headers: &[(&'static str, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Stub\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let body: &[u8] = if asked.method == "HEAD" { b"" } else { body };
    [head.as_bytes(), body].concat()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 200 and `{}` to everything.
pub(crate) fn empty_object(_: &Asked) -> Reply {
    Reply::json(200, &json!({}))
}

/// Answers every documented operation with one of its documented examples, from the request alone and without a memory:
/// the success where the request is as its schema says, with some token where one is due and no wrong password, else the
/// refusal.
///
/// Enough to let every login in, so that nearly every check runs; much too careless to please them.
pub(crate) fn examples(asked: &Asked) -> Reply {
    let path = asked.path.split('?').next().unwrap_or_default();
    let served = Spec::embedded().schemes().iter().flat_map(|scheme| {
        scheme.operations.iter().filter(|operation| operation.path == path).map(move |known| (scheme, known))
    });
    let Some((scheme, operation)) = served.last() else {
        return Reply::json(404, &json!({ "code": 404, "message": "nothing here" }));
    };
    if operation.method != asked.method && !operation.other_methods.contains(&asked.method) {
        return Reply::json(405, &json!({ "code": 405, "message": "not so" }));
    }
    let sent: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let example = |success: bool| {
        scheme
            .examples
            .iter()
            .find(|example| example.operation == operation.name && example.success == success)
    };
    if lets_in(scheme, operation, asked, &sent) {
        let documented = example(true).expect("every operation has an example");
        let mut body = documented.response.body.clone();
        if let Some(sent) = sent.as_object() {
            repeat_members(&mut body, sent);
        }
        return Reply::json(documented.response.status, &body);
    }
    match example(false) {
        Some(refusal) => Reply::json(refusal.response.status, &refusal.response.body),
        None => Reply::json(401, &json!({ "code": 401, "message": "no" })),
    }
}

fn lets_in(scheme: &Scheme, operation: &Operation, asked: &Asked, sent: &Value) -> bool {
    if matches!(operation.auth, Auth::Access | Auth::Refresh) {
        let token = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        return token.is_some_and(|token| token.len() > 20);
    }
    // What stands in the query is let in as it is.
    let schema = operation.request.schema.as_ref().and_then(|file| scheme.schema(file));
    let complete = asked.method == "GET" || schema.is_none_or(|schema| schema.accepts(sent));
    complete && sent.as_object().is_none_or(is_known)
}

/// Whether name and password, where there are any, are those of an account of the fixtures.
pub(crate) fn is_known(sent: &Map<String, Value>) -> bool {
    let given = |name: &str| sent.get(name).and_then(Value::as_str).unwrap_or_default();
    let accounts = countersign_fixtures::accounts();
    if sent.contains_key("username") {
        let mut known = accounts.ethgas.iter();
        return known.any(|one| one.username == given("username") && one.password == given("password"));
    }
    if sent.contains_key("user") {
        let mut known = accounts.cbs.iter();
        return known.any(|one| one.user == given("user") && one.password == given("password"));
    }
    if sent.contains_key("app_id") {
        let mut known = accounts.nftrainbow.iter();
        return known.any(|one| one.app_id == given("app_id") && one.app_secret == given("app_secret"));
    }
    true
}

/// Gives members of the answer the values that members of the same name had in the request.
fn repeat_members(answer: &mut Value, sent: &Map<String, Value>) {
    let Some(members) = answer.as_object_mut() else { return };
    for (name, value) in members {
        match sent.get(name) {
            Some(given) if value.is_string() => *value = given.clone(),
            _ => repeat_members(value, sent),
        }
    }
}
