//! The examples, started, used and stopped.

use super::support::{Answer, Wallet, send};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::oneshot;

#[expect(dead_code, reason = "its `main` is for those who run it")]
#[path = "../../examples/axum.rs"]
mod axum;
#[expect(dead_code, reason = "its `main` is for those who run it")]
#[path = "../../examples/badge.rs"]
mod badge;

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Runs an example while it is used; it must then stop when it is told to.
fn used<F>(
    run: impl FnOnce(tokio::net::TcpListener, oneshot::Receiver<()>) -> F,
    use_it: impl FnOnce(SocketAddr),
) where
    F: Future<Output = Outcome> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, told) = oneshot::channel();
    let running = runtime.spawn(run(listener, told));
    use_it(address);
    stop.send(()).unwrap();
    runtime
        .block_on(async { tokio::time::timeout(Duration::from_secs(20), running).await })
        .expect("it stops")
        .unwrap()
        .unwrap();
}

fn post(address: SocketAddr, path: &str, body: &Value) -> Answer {
    send(address, "POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
}

#[test]
fn a_sixth_scheme_opens_the_door_to_its_badge_and_throttles_guesses() {
    let run = |listener, told: oneshot::Receiver<()>| badge::run(listener, async { drop(told.await) });
    used(run, |address| {
        let entered = post(address, "/badge/enter", &json!({ "badge": "4711", "pin": "8391-27" }));
        assert_eq!((entered.checked(), entered.json()["seconds"].clone()), (200, json!(28_800)));
        let bearer = format!("Bearer {}", entered.text("/token"));
        let whose = send(address, "GET", "/badge/whose", &[("Authorization", &bearer)], b"");
        assert_eq!(whose.json(), json!({ "badge": "4711" }));
        let malformed = post(address, "/badge/enter", &json!({ "badge": "4711", "pin": "12" }));
        assert_eq!(malformed.json(), json!({ "code": 400, "why": "Bad Request" }));
        let wrong = json!({ "badge": "4712", "pin": "0000" });
        // More than two windows' worth, so that the end of one in the middle changes nothing.
        let told: Vec<u16> = (0..12).map(|_| post(address, "/badge/enter", &wrong).checked()).collect();
        assert_eq!((told[0], told.contains(&429)), (401, true), "{told:?}");
        assert_eq!(send(address, "GET", "/badge/whose", &[], b"").checked(), 401);
        assert_eq!(send(address, "GET", "/openapi/badge.json", &[], b"").checked(), 200);
    });
}

#[test]
fn axum_serves_its_own_routes_and_logins_and_limits_clients() {
    let run = |listener, told: oneshot::Receiver<()>| axum::run(listener, async { drop(told.await) });
    used(run, |address| {
        assert_eq!(send(address, "GET", "/hello", &[], b"").body, b"hello");
        let wallet = Wallet::new(7);
        let asked = post(address, "/login_random_secret", &json!({ "wallet_address": wallet.address }));
        let secret = asked.text("/data");
        let body = json!({
            "login_random_secret": secret,
            "signature": wallet.sign(secret.as_bytes()),
            "wallet_address": wallet.address,
        });
        assert_eq!(post(address, "/login", &body).json()["code"], 0);
        assert_eq!(send(address, "GET", "/nowhere", &[], b"").checked(), 404);
        let told: Vec<u16> = super::support::race(60, || post(address, "/login", &json!({})).checked());
        assert!(told.contains(&429), "{told:?}");
    });
}
