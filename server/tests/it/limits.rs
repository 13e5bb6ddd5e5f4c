//! Who asks too often is told so in the scheme's own words, and nobody else notices.

use super::support::{Answer, Server, account};
use countersign_server::client::{ForwardedHeader, Proxies};
use countersign_server::limits::{AttemptRules, LimitRules, Rate};
use countersign_server::schemes::Settings;
use serde_json::json;
use std::time::Duration;

/// A server behind a proxy on loopback, so that a test can be many clients.
fn behind_a_proxy(rules: LimitRules) -> Server {
    let loopback = ["127.0.0.0/8".parse().unwrap()];
    let server = Server::with(&Settings::default(), |builder| {
        builder.client_limits(rules).proxies(Proxies::new(&loopback, ForwardedHeader::XForwardedFor))
    });
    // To where windows begin, so that none ends within a test.
    server.advance(3_600 - server.now_millis() / 1_000 % 3_600);
    server
}

fn from(server: &Server, client: &str, path: &str, body: &serde_json::Value) -> Answer {
    let headers = [("Content-Type", "application/json"), ("X-Forwarded-For", client)];
    server.send("POST", path, &headers, body.to_string().as_bytes())
}

fn slow(burst: u32) -> Rate {
    Rate { every: Duration::from_secs(3_600), burst }
}

#[test]
fn a_client_that_asks_too_often_is_told_in_every_envelope_and_others_are_served() {
    let server = behind_a_proxy(LimitRules { client: Some(slow(1)), ..LimitRules::default() });
    let cases = [
        ("/login", "/code", 429),
        ("/api/user_login/", "/code", 429),
        ("/api/v1/user/login", "/code", 429),
        ("/v1/login", "/code", 42900),
        ("/v1/api/auth/login", "/result/code", 429),
    ];
    for (index, (path, pointer, code)) in cases.into_iter().enumerate() {
        let client = format!("198.51.100.{index}");
        assert_eq!(from(&server, &client, path, &json!({})).header("retry-after"), None);
        let told = from(&server, &client, path, &json!({}));
        assert_eq!(
            (told.checked(), told.json().pointer(pointer).cloned()),
            (429, Some(json!(code))),
            "{path}"
        );
        let wait: u32 = told.header("retry-after").unwrap().parse().unwrap();
        assert!((3_590..=3_600).contains(&wait), "{wait}");
    }
    assert_ne!(from(&server, "198.51.100.99", "/login", &json!({})).checked(), 429);
    assert_eq!(server.send("GET", "/healthz", &[], b"").status, 200);
}

#[test]
fn changing_addresses_within_a_64_or_in_headers_of_strangers_changes_nothing() {
    let server = behind_a_proxy(LimitRules { client: Some(slow(1)), ..LimitRules::default() });
    let ask = |client: &str| from(&server, client, "/login", &json!({})).checked();
    assert_ne!(ask("2001:db8:1:2::1"), 429);
    assert_eq!(ask("2001:db8:1:2:3::4"), 429);
    assert_ne!(ask("2001:db8:1:3::1"), 429);
    let direct = Server::with(&Settings::default(), |builder| {
        builder.client_limits(LimitRules { client: Some(slow(1)), ..LimitRules::default() })
    });
    assert_ne!(from(&direct, "198.51.100.1", "/login", &json!({})).checked(), 429);
    assert_eq!(from(&direct, "198.51.100.2", "/login", &json!({})).checked(), 429);
}

#[test]
fn a_flooded_scheme_leaves_the_others_served() {
    let server = behind_a_proxy(LimitRules { scheme: Some(slow(3)), ..LimitRules::default() });
    for client in 0..3 {
        assert_ne!(from(&server, &format!("198.51.100.{client}"), "/login", &json!({})).checked(), 429);
    }
    assert_eq!(from(&server, "198.51.100.9", "/login", &json!({})).checked(), 429);
    let (username, password) = account("ethgas");
    let login = json!({ "username": username, "password": password });
    assert_eq!(from(&server, "198.51.100.9", "/api/v1/user/login", &login).checked(), 200);
}

#[test]
fn a_stranger_is_throttled_at_an_account_and_its_owner_is_not_locked_out() {
    let rules = AttemptRules { pair: 3, account: 10, slowed: 3_600, ..AttemptRules::default() };
    let server = behind_a_proxy(LimitRules { attempts: Some(rules), ..LimitRules::default() });
    for (scheme, path, name, secret) in [
        ("ethgas", "/api/v1/user/login", "username", "password"),
        ("nftrainbow", "/v1/login", "app_id", "app_secret"),
        ("cbs", "/v1/api/auth/login", "user", "password"),
    ] {
        let (username, password) = account(scheme);
        let right = json!({ name: username, secret: password });
        let wrong = json!({ name: username, secret: "a guess" });
        assert_eq!(from(&server, "192.0.2.1", path, &right).checked(), 200, "the owner's usual place");
        let statuses: Vec<u16> =
            (0..6).map(|_| from(&server, "198.51.100.1", path, &wrong).checked()).collect();
        assert_eq!(statuses, [401, 401, 401, 429, 429, 429], "{scheme}");
        let told = from(&server, "198.51.100.1", path, &right);
        assert_eq!(told.checked(), 429, "also a right guess is not told from a wrong one");
        assert!(told.header("retry-after").unwrap().parse::<u32>().unwrap() <= 300);
        for client in 10..30 {
            from(&server, &format!("198.51.100.{client}"), path, &wrong);
        }
        assert_eq!(from(&server, "198.51.100.99", path, &wrong).checked(), 429, "guesses from everywhere");
        assert_eq!(from(&server, "192.0.2.1", path, &right).checked(), 200, "the owner, meanwhile");
        // An account that does not exist is throttled alike, so that the limit tells nothing.
        let nobody = json!({ name: "nobody at all", secret: "a guess" });
        let statuses: Vec<u16> =
            (0..5).map(|_| from(&server, "203.0.113.1", path, &nobody).checked()).collect();
        assert_eq!(statuses, [401, 401, 401, 429, 429], "{scheme}");
    }
}

#[test]
fn two_hundred_guesses_at_once_are_judged_as_one_after_the_other_would_be() {
    let rules = AttemptRules { pair: 5, ..AttemptRules::default() };
    let server = behind_a_proxy(LimitRules { attempts: Some(rules), ..LimitRules::default() });
    let (username, _) = account("ethgas");
    let wrong = json!({ "username": username, "password": "a guess" });
    let answers =
        super::support::race(200, || from(&server, "198.51.100.1", "/api/v1/user/login", &wrong).checked());
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 5);
    assert_eq!(answers.iter().filter(|status| **status == 429).count(), 195);
}
