//! Putting servers together, on each store, and what happens when parts fail.

use super::support::{SECRET, Server, account};
use bytes::Bytes;
use countersign_server::env::{Clock, MovableClock, SystemRandom, Timestamp};
use countersign_server::error::LoginError;
use countersign_server::password::{Cost, Passwords};
use countersign_server::scheme::{
    Body, Cx, Grants, LoginScheme, Never, Policy, Proven, Refusal, Refused, Renewal, Said, Step, Subject,
};
use countersign_server::schemes::{Ethgas, EthgasSettings, Settings};
use countersign_server::store::{Call, Key, MemoryStore, Put, Store, StoreError};
use countersign_server::token::{From, KeyRing, LocalKey};
use countersign_server::{BuildError, Builder, Login};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn builder() -> Builder {
    let clock = Arc::new(MovableClock::running());
    Login::builder()
        .store(Arc::new(MemoryStore::new(clock.clone())))
        .clock(clock)
        .keys(KeyRing::new(Arc::new(LocalKey::hs256(SECRET).unwrap())))
        .passwords(Passwords::start(Cost::CHEAP, 1, 8, Arc::new(SystemRandom)).unwrap())
}

/// A scheme whose operations are not those of its specification, or that panics.
#[derive(Debug)]
struct Odd<const PANICS: bool>;

impl<const PANICS: bool> LoginScheme for Odd<PANICS> {
    const ID: &'static str = "nftrainbow";
    const OPERATIONS: &'static [(&'static str, Step)] = if PANICS {
        &[("login", Step::Login), ("refresh_token", Step::Refresh), ("contracts", Step::Protected)]
    } else {
        &[("login", Step::Login), ("refresh", Step::Refresh), ("contracts", Step::Protected)]
    };
    type Start = Never;
    type Pending = Never;
    type Answer = Value;
    type Query = Never;

    fn grants(&self) -> Grants {
        let renewal = Renewal::Reissue { window: 0, from: From::Issue };
        Grants::Tokens(Policy { lifetime: 1, ends: "exp", began: "iat", renewal })
    }

    async fn proceed(&self, _: &Cx<'_>, _: Option<Never>, input: Value) -> Result<Proven, LoginError> {
        assert!(!PANICS, "as asked: {}", input["app_id"]);
        Ok(Subject { id: "x".into(), attributes: serde_json::Map::new() }.into())
    }

    fn say(&self, _: &Said<'_>) -> Option<Body> {
        None
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Refused {
        let status = refusal.why.status();
        Refused { status, body: json!({ "odd": status }), authenticate: None }
    }
}

#[test]
fn a_plugin_must_serve_exactly_the_operations_of_its_folder() {
    let error = builder().scheme(Odd::<false>).build().unwrap_err();
    assert!(matches!(&error, BuildError::Differs { scheme, .. } if scheme == "nftrainbow"), "{error}");
    assert!(error.to_string().contains("refresh"), "{error}");
    assert!(builder().all_schemes(&Settings::default()).build().is_ok());
}

#[test]
fn two_schemes_cannot_have_one_path_and_missing_parts_are_named() {
    let twice = builder()
        .scheme(Ethgas::new(EthgasSettings::default()))
        .scheme(Ethgas::new(EthgasSettings::default()));
    assert!(matches!(twice.build().unwrap_err(), BuildError::Route { .. }));
    assert!(matches!(Login::builder().build().unwrap_err(), BuildError::Missing("a store")));
}

#[test]
fn a_panic_costs_one_request_and_is_told_in_the_envelope() {
    let server = Server::with(&Settings::default(), |_| builder().scheme(Odd::<true>));
    for _ in 0..3 {
        let answer = server.post("/v1/login", &json!({ "app_id": "a", "app_secret": "b" }));
        assert_eq!((answer.status, answer.json()), (500, json!({ "odd": 500 })));
    }
    assert_eq!(server.send("GET", "/healthz", &[], b"").status, 200);
}

/// A store that can be broken.
#[derive(Debug)]
struct Breakable {
    store: MemoryStore,
    broken: Arc<AtomicBool>,
}

impl Breakable {
    fn guard<'a, T: Send + 'a>(&'a self, call: Call<'a, T>) -> Call<'a, T> {
        if self.broken.load(Ordering::SeqCst) {
            return Call::now(Err(StoreError::new("answer", &"it was broken")));
        }
        call
    }
}

impl Store for Breakable {
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool> {
        self.guard(self.store.put(key, value, until, mode))
    }
    fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.guard(self.store.get(key))
    }
    fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.guard(self.store.take(key))
    }
    fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool> {
        self.guard(self.store.swap(key, was, value, until))
    }
    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64> {
        self.guard(self.store.bump(key, until))
    }
    fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()> {
        self.guard(self.store.remove(key))
    }
    fn clear(&self) -> Call<'_, ()> {
        self.guard(self.store.clear())
    }
    fn ping(&self) -> Call<'_, ()> {
        self.guard(self.store.ping())
    }
}

#[test]
fn a_broken_store_is_503_with_retry_after_and_recovers() {
    let broken = Arc::new(AtomicBool::new(false));
    let clock: Arc<dyn Clock> = Arc::new(MovableClock::running());
    let store = Arc::new(Breakable { store: MemoryStore::new(clock), broken: broken.clone() });
    let server =
        Server::with(&Settings::default(), |_| builder().store(store).all_schemes(&Settings::default()));
    let secret =
        || server.post("/login_random_secret", &json!({ "wallet_address": format!("0x{}", "1".repeat(40)) }));
    assert_eq!(secret().json()["code"], 0);
    broken.store(true, Ordering::SeqCst);
    let (username, password) = account("ethgas");
    for answer in
        [secret(), server.post("/api/v1/user/login", &json!({ "username": username, "password": password }))]
    {
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.json()["code"], 503);
        assert!(!String::from_utf8_lossy(&answer.body).contains("broken"), "causes stay in the log");
    }
    broken.store(false, Ordering::SeqCst);
    assert_eq!(secret().json()["code"], 0);
}

#[test]
fn tokens_are_still_verified_while_the_store_is_down() {
    let broken = Arc::new(AtomicBool::new(false));
    let clock = Arc::new(MovableClock::running());
    let store = Arc::new(Breakable { store: MemoryStore::new(clock.clone()), broken: broken.clone() });
    let server = Server::over(store, clock, &Settings::default(), |builder| builder);
    let (username, password) = account("ethgas");
    let credentials = json!({ "username": username, "password": password });
    let login = || server.post("/api/v1/user/login", &credentials).text("/data/accessToken");
    let (kept, ended) = (login(), login());
    let verify = |token: &str| server.post_bearer("/api/v1/user/login/verify", token);
    assert_eq!(server.post_bearer("/api/v1/user/logout", &ended).checked(), 200);
    assert_eq!((verify(&kept).checked(), verify(&ended).checked()), (200, 401));
    let before = verify(&kept).json();
    broken.store(true, Ordering::SeqCst);
    assert_eq!(verify(&kept).json(), before, "the token says it all");
    let forged = format!("{}x", &kept[..kept.len() - 1]);
    assert_eq!(verify(&forged).checked(), 401);
    for answer in [
        server.get("/api/v1/user/info", &kept),
        server.post_bearer("/api/v1/user/logout", &kept),
        server.post("/api/v1/user/login", &credentials),
    ] {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    }
    broken.store(false, Ordering::SeqCst);
    assert_eq!((verify(&kept).checked(), verify(&ended).checked()), (200, 401));
}

#[test]
fn a_full_queue_for_passwords_is_503_while_the_rest_is_served() {
    let slow = Cost { memory_kib: 16 * 1024, passes: 3, lanes: 1 };
    let server = Server::with(&Settings::default(), |builder| {
        builder.passwords(Passwords::start(slow, 1, 1, Arc::new(SystemRandom)).unwrap())
    });
    let answers = super::support::race(12, || {
        let login = server.post("/api/v1/user/login", &json!({ "username": "nobody", "password": "x" }));
        (
            login,
            server
                .post("/login_random_secret", &json!({ "wallet_address": format!("0x{}", "2".repeat(40)) })),
        )
    });
    let shed: Vec<_> = answers.iter().map(|(login, _)| login).filter(|login| login.status == 503).collect();
    assert!(!shed.is_empty() && shed.len() < answers.len(), "{} of {} shed", shed.len(), answers.len());
    assert!(shed.iter().all(|login| login.header("retry-after") == Some("1") && login.json()["code"] == 503));
    assert!(answers.iter().all(|(_, secret)| secret.json()["code"] == 0));
}

#[test]
fn sessions_survive_a_restart_on_the_embedded_store_and_challenges_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let wallet = super::support::Wallet::new(1);
    let (token, secret) = {
        let server = Server::embedded(&file);
        let (username, password) = account("ethgas");
        let login = server.post("/api/v1/user/login", &json!({ "username": username, "password": password }));
        let secret =
            server.post("/login_random_secret", &json!({ "wallet_address": wallet.address })).text("/data");
        (login.text("/data/refreshToken"), secret)
    };
    let server = Server::embedded(&file);
    assert_eq!(server.post("/api/v1/user/login/refresh", &json!({ "refreshToken": token })).checked(), 200);
    let body = json!({ "login_random_secret": secret, "signature": wallet.sign(secret.as_bytes()), "wallet_address": wallet.address });
    assert_ne!(server.post("/login", &body).json()["code"], 0);
}
