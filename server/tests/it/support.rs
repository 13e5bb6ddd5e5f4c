//! A server on a free port, and a client made of a socket.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_server::accounts::{Accounts, Seed};
use countersign_server::config::parse_accounts;
use countersign_server::dev::DevControls;
use countersign_server::env::{Clock as _, MovableClock, SystemRandom};
use countersign_server::http::serve::{ConnectionLimits, serve, serve_tls};
use countersign_server::http::tls::Tls;
use countersign_server::password::{Cost, Passwords};
use countersign_server::schemes::Settings;
use countersign_server::store::{EmbeddedStore, MemoryStore, Store};
use countersign_server::token::{KeyRing, LocalKey};
use countersign_server::{Builder, Login};
use k256::ecdsa::SigningKey;
use serde_json::{Value, json};
use sha3::{Digest as _, Keccak256};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A running server; it stops when this is dropped.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) clock: Arc<MovableClock>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    pub(super) fn start() -> Self {
        Self::with(&moving(), |builder| builder)
    }

    pub(super) fn with(settings: &Settings, change: impl FnOnce(Builder) -> Builder) -> Self {
        let clock = Arc::new(MovableClock::running());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self::over(store, clock, settings, change)
    }

    /// With these bounds on connections.
    pub(super) fn limited(limits: ConnectionLimits) -> Self {
        Self::moved(How { limits, ..How::default() })
    }

    /// Over TLS.
    pub(super) fn encrypted(tls: &Tls) -> Self {
        Self::moved(How { tls: Some(tls.clone()), ..How::default() })
    }

    fn moved(how: How) -> Self {
        let clock = Arc::new(MovableClock::running());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self::listening(store, clock, &moving(), how, |builder| builder)
    }

    pub(super) fn embedded(file: &Path) -> Self {
        let clock = Arc::new(MovableClock::running());
        let store = Arc::new(EmbeddedStore::open(file, clock.clone()).unwrap());
        Self::over(store, clock, &moving(), |builder| builder)
    }

    pub(super) fn over(
        store: Arc<dyn Store>,
        clock: Arc<MovableClock>,
        settings: &Settings,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::listening(store, clock, settings, How::default(), change)
    }

    fn listening(
        store: Arc<dyn Store>,
        clock: Arc<MovableClock>,
        settings: &Settings,
        how: How,
        change: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let passwords = Passwords::start(Cost::CHEAP, 2, 64, Arc::new(SystemRandom)).unwrap();
        let accounts = Accounts::new(store.clone(), passwords.clone());
        let seeds = seeds();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.block_on(async {
            for seed in &seeds {
                accounts.seed(seed).await.unwrap();
            }
        });
        let login = change(
            Login::builder()
                .clock(clock.clone())
                .store(store.clone())
                .keys(KeyRing::new(Arc::new(LocalKey::hs256(SECRET).unwrap())))
                .passwords(passwords)
                .all_schemes(settings)
                .dev(DevControls { clock: clock.clone(), store, accounts, seeds }),
        )
        .build()
        .unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let two = Duration::from_secs(2);
            let limits = ConnectionLimits { head_time: two, handshake_time: two, ..how.limits };
            match &how.tls {
                None => serve(listener, login, limits, std::future::pending()).await,
                Some(tls) => serve_tls(listener, login, limits, tls, std::future::pending()).await,
            }
        });
        Self { address, clock, runtime: Some(runtime) }
    }

    /// Runs something beside the server for as long as that lives.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.as_ref().unwrap().spawn(task);
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
    }

    pub(super) fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, &[("Authorization", &format!("Bearer {token}"))], b"")
    }

    pub(super) fn post_bearer(&self, path: &str, token: &str) -> Answer {
        self.send("POST", path, &[("Authorization", &format!("Bearer {token}"))], b"")
    }

    pub(super) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        send(self.address, method, path, headers, body)
    }

    pub(super) fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        raw(self.address, bytes)
    }

    pub(super) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) fn now_millis(&self) -> u64 {
        self.clock.now().millis()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }
}

/// How a server listens.
#[derive(Default)]
struct How {
    limits: ConnectionLimits,
    tls: Option<Tls>,
}

/// Settings for tests that move the clock under their clients.
fn moving() -> Settings {
    let mut settings = Settings::default();
    settings.for_a_moving_clock();
    settings
}

/// The key the servers here sign with; tests forge with it.
pub(super) const SECRET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz-tests";

pub(super) fn seeds() -> Vec<Seed> {
    let text = include_str!("../../../fixtures/accounts.toml");
    parse_accounts(text, "fixtures/accounts.toml", countersign_spec::Spec::embedded()).unwrap()
}

/// Name and password of the first account of a scheme.
pub(super) fn account(scheme: &str) -> (String, String) {
    use secrecy::ExposeSecret as _;
    let seed = seeds().into_iter().find(|seed| seed.scheme == scheme).unwrap();
    (seed.name.clone(), seed.password.expose_secret().to_owned())
}

/// An answer, read by hand.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(present, _)| present == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(super) fn text(&self, pointer: &str) -> String {
        let json = self.json();
        let found = json.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no text at {pointer} of {json}")).to_owned()
    }

    /// The status, after checking what every answer must have.
    pub(super) fn checked(&self) -> u16 {
        assert_eq!(self.header("content-type"), Some("application/json; charset=utf-8"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert!(self.json().is_object());
        assert!(self.status < 500, "{self:?}");
        if self.status == 401 {
            assert!(self.header("www-authenticate").is_some());
        }
        self.status
    }
}

pub(super) fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    try_send(address, method, path, headers, body).unwrap_or_else(|| panic!("no answer to {method} {path}"))
}

/// As [`send`]; nothing if the server is gone or goes before it has answered.
pub(super) fn try_send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    raw(address, &[request.as_bytes(), body].concat())
}

/// Sends bytes and reads one answer; nothing if the connection ends without one.
pub(super) fn raw(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // A server that has heard enough may close while we write; what it said counts.
    let _ = stream.write_all(bytes);
    let mut received = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(read) => received.extend_from_slice(&part[..read]),
        }
        if let Some(answer) = parse(&received) {
            return Some(answer);
        }
    }
    parse(&received)
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .map_or(0, |(_, value)| value.parse().unwrap());
    let body = bytes.get(end + 4..end + 4 + length)?.to_vec();
    Some(Answer { status, headers, body })
}

/// An Ethereum wallet.
pub(super) struct Wallet {
    key: SigningKey,
    pub(super) address: String,
}

impl Wallet {
    pub(super) fn new(number: u8) -> Self {
        Self::of(&[number; 32])
    }

    pub(super) fn of(secret: &[u8]) -> Self {
        let key = SigningKey::from_slice(secret).unwrap();
        let point = key.verifying_key().to_sec1_point(false);
        let hash = Keccak256::digest(&point.as_bytes()[1..]);
        Self { key, address: format!("0x{}", hex(&hash[12..])) }
    }

    /// personal_sign, as a wallet writes it.
    pub(super) fn sign(&self, message: &[u8]) -> String {
        let mut hash = Keccak256::new();
        hash.update(format!("\x19Ethereum Signed Message:\n{}", message.len()));
        hash.update(message);
        self.sign_hash(&hash.finalize())
    }

    pub(super) fn sign_hash(&self, hash: &[u8]) -> String {
        let (signature, recovery) = self.key.sign_prehash_recoverable(hash);
        format!("0x{}{:02x}", hex(&signature.to_bytes()), recovery.to_byte() + 27)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|index| u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap())
        .collect()
}

/// The claims of a token, unchecked.
pub(super) fn claims(token: &str) -> Value {
    part(token, 1)
}

pub(super) fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

/// A token with this header and these claims, signed with the servers' own key.
pub(super) fn forge(header: &Value, claims: &Value) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Tokens made from a good one that must not be good: the claims and headers attackers try.
pub(super) fn forgeries(good: &str) -> Vec<(String, String)> {
    let (header, claims) = (part(good, 0), part(good, 1));
    let mut forged = Vec::new();
    let mut with =
        |what: &str, header: Value, claims: Value| forged.push((what.to_owned(), forge(&header, &claims)));
    let changed = |value: &Value, name: &str, to: Value| {
        let mut value = value.clone();
        value[name] = to;
        value
    };
    for alg in [
        json!("none"),
        json!("None"),
        json!("HS512"),
        json!("EdDSA"),
        json!(""),
        Value::Null,
        json!(["HS256"]),
    ] {
        with(&format!("alg {alg}"), changed(&header, "alg", alg), claims.clone());
    }
    with("crit", changed(&changed(&header, "crit", json!(["x"])), "x", json!(1)), claims.clone());
    with("kid", changed(&header, "kid", json!("../../dev/null")), claims.clone());
    with("typ", changed(&header, "typ", json!("at+jwt")), claims.clone());
    with("another use", header.clone(), changed(&claims, "use", json!("id")));
    with("another scheme", header.clone(), changed(&claims, "aud", json!("another")));
    with("another issuer", header.clone(), changed(&claims, "iss", json!("another")));
    with("exp as text", header.clone(), changed(&claims, "exp", json!("9999999999")));
    with("exp null", header.clone(), changed(&claims, "exp", Value::Null));
    with("exp float", header.clone(), changed(&claims, "exp", json!(1e300)));
    with("future iat", header.clone(), changed(&claims, "iat", json!(9_999_999_999u64)));
    with("sub number", header, changed(&claims, "sub", json!(1)));
    let unsigned = good.rsplit_once('.').unwrap().0;
    forged.push(("no signature".into(), format!("{unsigned}.")));
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    forged.push(("unsigned none".into(), format!("{none}.{}.", good.split('.').nth(1).unwrap())));
    let mut flipped = good.to_owned().into_bytes();
    let middle = flipped.len() - 20;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    forged.push(("flipped signature".into(), String::from_utf8(flipped).unwrap()));
    forged
}

/// Calls at the same moment, and what each was told.
pub(super) fn race<T: Send>(callers: usize, call: impl Fn() -> T + Sync) -> Vec<T> {
    let start = std::sync::Barrier::new(callers);
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..callers)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    call()
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}
