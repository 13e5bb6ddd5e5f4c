//! Whoever reads the store can log in as nobody.

use super::support::{Server, Wallet, account};
use bytes::Bytes;
use countersign_server::env::MovableClock;
use countersign_server::env::Timestamp;
use countersign_server::schemes::Settings;
use countersign_server::store::{Call, Key, MemoryStore, Put, Store};
use serde_json::json;
use std::sync::{Arc, Mutex};

/// Remembers every name and value that was ever written.
#[derive(Debug)]
struct Recorder {
    store: MemoryStore,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    fn note(&self, key: &Key, value: &[u8]) {
        let mut written = self.written.lock().unwrap();
        for part in [key.name().as_bytes(), value] {
            written.extend_from_slice(part);
            written.push(b'\n');
        }
    }
}

impl Store for Recorder {
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, until: Timestamp, mode: Put) -> Call<'a, bool> {
        self.note(key, &value);
        self.store.put(key, value, until, mode)
    }
    fn get<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.store.get(key)
    }
    fn take<'a>(&'a self, key: &'a Key) -> Call<'a, Option<Bytes>> {
        self.store.take(key)
    }
    fn swap<'a>(&'a self, key: &'a Key, was: Bytes, value: Bytes, until: Timestamp) -> Call<'a, bool> {
        self.note(key, &value);
        self.store.swap(key, was, value, until)
    }
    fn bump<'a>(&'a self, key: &'a Key, until: Timestamp) -> Call<'a, u64> {
        self.note(key, &[]);
        self.store.bump(key, until)
    }
    fn remove<'a>(&'a self, key: &'a Key) -> Call<'a, ()> {
        self.store.remove(key)
    }
    fn clear(&self) -> Call<'_, ()> {
        self.store.clear()
    }
    fn ping(&self) -> Call<'_, ()> {
        self.store.ping()
    }
}

/// Logs in everywhere and refreshes; what callers hold afterwards, and what they know.
fn secrets(server: &Server) -> Vec<(String, String)> {
    let mut secrets = Vec::new();
    let mut token = |what: &str, token: String| {
        let parts: Vec<&str> = token.split('.').collect();
        secrets.push((format!("claims of {what}"), parts[1].to_owned()));
        secrets.push((format!("signature of {what}"), parts[2].to_owned()));
        secrets.push((what.to_owned(), token));
    };
    let (username, password) = account("ethgas");
    let login = server.post("/api/v1/user/login", &json!({ "username": username, "password": password }));
    let refresh = login.text("/data/refreshToken");
    let renewed = server.post("/api/v1/user/login/refresh", &json!({ "refreshToken": refresh }));
    for (what, answer) in [("ethgas login", &login), ("ethgas refresh", &renewed)] {
        token(what, answer.text("/data/accessToken"));
        token(what, answer.text("/data/refreshToken"));
    }
    let (user, word) = account("cbs");
    let login = server.post("/v1/api/auth/login", &json!({ "user": user, "password": word }));
    token("cbs login", login.text("/result/access_token"));
    token("cbs login", login.text("/result/refresh_token"));
    let (app_id, app_secret) = account("nftrainbow");
    let login = server.post("/v1/login", &json!({ "app_id": app_id, "app_secret": app_secret }));
    token("nftrainbow login", login.text("/token"));
    token("nftrainbow refresh", server.get("/v1/refresh_token", &login.text("/token")).text("/token"));
    let wallet = Wallet::new(9);
    let ask =
        || server.post("/login_random_secret", &json!({ "wallet_address": wallet.address })).text("/data");
    let (used, waiting) = (ask(), ask());
    let body = json!({ "login_random_secret": used, "signature": wallet.sign(used.as_bytes()), "wallet_address": wallet.address });
    token("swapchat login", server.post("/login", &body).text("/data/access_token"));
    for (what, secret) in [("a used challenge", used), ("a waiting challenge", waiting)] {
        secrets.push((what.into(), secret));
    }
    for (what, secret) in [("a password", password), ("a password", word), ("an app secret", app_secret)] {
        secrets.push((what.into(), secret));
    }
    secrets
}

fn shows(dump: &[u8], secret: &str) -> bool {
    dump.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[test]
fn nothing_that_is_ever_written_to_a_store_is_a_token_a_challenge_or_a_password() {
    let clock = Arc::new(MovableClock::running());
    let written = Arc::new(Mutex::new(Vec::new()));
    let store = Arc::new(Recorder { store: MemoryStore::new(clock.clone()), written: written.clone() });
    let server = Server::over(store, clock, &Settings::default(), |builder| builder);
    let secrets = secrets(&server);
    drop(server);
    let dump = written.lock().unwrap();
    assert!(
        shows(&dump, "family/ethgas/") && shows(&dump, "challenge"),
        "it is the store's content that is looked at"
    );
    for (what, secret) in &secrets {
        assert!(!shows(&dump, secret), "{what}: {secret}");
    }
}

#[test]
fn the_file_of_the_embedded_store_holds_no_token_and_no_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.redb");
    let server = Server::embedded(&file);
    let secrets = secrets(&server);
    drop(server);
    let dump = std::fs::read(&file).unwrap();
    assert!(shows(&dump, "family/ethgas/") && shows(&dump, "argon2id"));
    for (what, secret) in &secrets {
        assert!(!shows(&dump, secret), "{what}: {secret}");
    }
}
