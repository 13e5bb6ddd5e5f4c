//! A shared store that is gone, and one that hangs: who is told what, how soon, and what goes on.

use super::crash::production;
use super::private::private;
use super::process::{Program, refused};
use super::support::{Answer, Wallet, account, race, send, try_send};
use countersign_fixtures::stores::{Kind, PrivateStore};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Within so long everybody has an answer: a call may take two seconds, and the machine be busy.
const BOUND: Duration = Duration::from_secs(8);
const CALLERS: usize = 64;

#[test]
fn a_lost_redis_is_503_within_bounds_and_found_again() {
    let Some(mut private) = private(Kind::Redis) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (program, log) = start(&private, "redis", folder.path());
    goes_and_comes(&program, &mut private);
    // It is there and says nothing.
    private.pause();
    is_refused_by_all(&program);
    private.resume();
    recovers(&program);
    keeps_its_password(&private, &log);
}

#[test]
fn a_lost_postgres_is_503_within_bounds_and_found_again() {
    let Some(mut private) = private(Kind::Postgres) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (program, log) = start(&private, "postgres", folder.path());
    goes_and_comes(&program, &mut private);
    // It is there, and every statement waits.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let locking = runtime.block_on(async {
        let (client, connection) =
            tokio_postgres::connect(&private.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
            .batch_execute(
                "BEGIN; LOCK TABLE countersign_durable, countersign_ephemeral IN ACCESS EXCLUSIVE MODE",
            )
            .await
            .unwrap();
        client
    });
    is_refused_by_all(&program);
    runtime.block_on(locking.batch_execute("ROLLBACK")).unwrap();
    recovers(&program);
    keeps_its_password(&private, &log);
}

fn start(private: &PrivateStore, kind: &str, folder: &std::path::Path) -> (Program, std::path::PathBuf) {
    let url = folder.join("url");
    std::fs::write(&url, format!("{}\n", private.url())).unwrap();
    let store = format!("[store]\nkind = \"{kind}\"\nurl = \"file:{}\"\n", url.display());
    let arguments = production(folder, &store);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let log = folder.join("log");
    let program = Program::logging(&arguments, std::fs::File::create(&log).unwrap().into());
    (program, log)
}

fn goes_and_comes(program: &Program, private: &mut PrivateStore) {
    let session = login(program);
    assert_eq!(session.status, 200);
    let refresh = json!({ "refreshToken": session.text("/data/refreshToken") });
    let access = session.text("/data/accessToken");
    let wallet = Wallet::new(7);
    let secret =
        program.post("/login_random_secret", &json!({ "wallet_address": wallet.address })).text("/data");
    let proof = |secret: &str| json!({ "login_random_secret": secret, "signature": wallet.sign(secret.as_bytes()), "wallet_address": wallet.address });
    let token = program.post("/login", &proof(&secret)).text("/data/access_token");

    private.crash();
    let begun = Instant::now();
    let (user, password) = account("cbs");
    let (app_id, app_secret) = account("nftrainbow");
    for (path, body, code) in [
        ("/api/v1/user/login", credentials(), 503),
        ("/api/v1/user/login/refresh", refresh.clone(), 503),
        ("/v1/api/auth/login", json!({ "user": user, "password": password }), 503),
        ("/v1/login", json!({ "app_id": app_id, "app_secret": app_secret }), 50_300),
        ("/login_random_secret", json!({ "wallet_address": wallet.address }), 503),
        ("/login", proof(&secret), 503),
        (
            "/api/get_user_info/",
            json!({ "did_type": "eth", "did_value": wallet.address, "timestamp": 1 }),
            503,
        ),
    ] {
        unavailable(&program.post(path, &body), path, code);
    }
    // Whether a session was ended only the store knows, so a token of one is not believed without it.
    unavailable(&get(program, "/api/v1/user/info", &access), "info", 503);
    is_refused_by_all(program);
    // A token that says all there is to know is verified and exchanged with our own key.
    let renewed = get(program, "/refresh", &token);
    assert_eq!((renewed.status, &renewed.json()["code"]), (200, &json!(0)), "{renewed:?}");
    assert_eq!(send(program.address, "GET", "/healthz", &[], b"").status, 200, "alive, if not ready");
    assert!(begun.elapsed() < 2 * BOUND, "{:?}", begun.elapsed());

    private.start_again().unwrap();
    recovers(program);
    assert_eq!(program.post("/api/v1/user/login/refresh", &refresh).status, 200, "the session is there");
}

/// Many callers at once, all of whom have an answer in time.
fn is_refused_by_all(program: &Program) {
    let begun = Instant::now();
    for answer in race(CALLERS, || login(program)) {
        unavailable(&answer, "one of many", 503);
    }
    assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
}

/// The first answers may still be of the connection that was lost.
fn recovers(program: &Program) {
    let back = (0..50).any(|_| login(program).status == 200);
    assert!(back, "the server does not find its store again");
}

fn unavailable(answer: &Answer, what: &str, code: u64) {
    assert_eq!(answer.status, 503, "{what}: {answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"), "{what}");
    let body = answer.json();
    assert_eq!(body["code"], code, "{what}: {body}");
    // Wherever a scheme's clients look for it.
    let text = ["/message", "/msg", "/result/desc"].iter().find_map(|at| body.pointer(at)?.as_str());
    assert!(text.is_some_and(|text| !text.is_empty()), "{what}: {body}");
    for private in ["127.0.0.1", "Redis", "PostgreSQL", "store", "refused"] {
        assert!(!body.to_string().contains(private), "{what} tells strangers about our insides: {body}");
    }
}

fn keeps_its_password(private: &PrivateStore, log: &std::path::Path) {
    let log = std::fs::read_to_string(log).unwrap();
    for event in ["is refused with 503", "the store answers again"] {
        // Once for each time, however many calls failed. Of those in flight at the turn one may tell it once more.
        let told = log.matches(event).count();
        assert!((2..=6).contains(&told), "`{event}` is told {told} times: {log}");
    }
    assert!(!log.contains(private.password()), "{log}");
}

fn credentials() -> Value {
    let (username, password) = account("ethgas");
    json!({ "username": username, "password": password })
}

fn login(program: &Program) -> Answer {
    program.post("/api/v1/user/login", &credentials())
}

fn get(program: &Program, path: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    try_send(program.address, "GET", path, &[("Authorization", &bearer)], b"").unwrap()
}

#[test]
fn a_redis_that_forgets_is_warned_of_and_used() {
    let Some(private) = private(Kind::Redis) else { return };
    set(&private, &["CONFIG", "SET", "appendfsync", "everysec"]);
    set(&private, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let folder = tempfile::tempdir().unwrap();
    let (program, log) = start(&private, "redis", folder.path());
    assert_eq!(login(&program).status, 200);
    let log = std::fs::read_to_string(log).unwrap();
    for (setting, wanted) in [("appendfsync", "always"), ("maxmemory-policy", "noeviction")] {
        assert!(log.contains(setting) && log.contains(wanted), "{setting}: {log}");
    }
    assert!(!log.contains("appendonly"), "it is as it should be: {log}");
}

/// One command, over a connection of its own.
fn set(private: &PrivateStore, words: &[&str]) {
    let client = redis::Client::open(private.url()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        let () = command.query_async(&mut connection).await.unwrap();
    });
}

#[test]
fn a_store_that_cannot_be_opened_ends_the_start_with_one_line() {
    for (arguments, expected) in [
        (&["--dev", "--store", "redis"][..], "give store.url or --store-url"),
        (&["--dev", "--store", "postgres"], "give store.url or --store-url"),
        (
            &["--dev", "--store", "redis", "--store-url", "env:COUNTERSIGN_TEST_UNSET"],
            "COUNTERSIGN_TEST_UNSET",
        ),
        (&["--dev", "--store", "redis", "--store-url", "redis://:Hidden-Word@127.0.0.1:1"], "127.0.0.1:1"),
        (
            &["--dev", "--store", "postgres", "--store-url", "postgres://u:Hidden-Word@127.0.0.1:1/d"],
            "127.0.0.1:1",
        ),
    ] {
        let arguments = [&["--listen", "127.0.0.1:0"], arguments].concat();
        let (code, text) = refused(&arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        assert!(text.contains(expected) && text.trim().lines().count() == 1, "{arguments:?}: {text}");
        assert!(!text.contains("Hidden"), "{text}");
    }
}
