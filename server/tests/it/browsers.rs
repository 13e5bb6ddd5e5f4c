//! What browsers are told, and what every answer carries.

use super::support::{Answer, Server, account};
use countersign_server::client::{ForwardedHeader, Proxies};
use countersign_server::http::cors::Cors;
use countersign_server::schemes::Settings;
use serde_json::json;
use std::time::Duration;

fn server(credentials: bool) -> Server {
    let origins = ["https://app.example".to_owned(), "http://localhost:3000".to_owned()];
    let cors = Cors::new(&origins, &["X-App".to_owned()], credentials, Duration::from_secs(600)).unwrap();
    Server::with(&Settings::default(), |builder| builder.cors(cors))
}

fn log_in(server: &Server, origin: &str) -> Answer {
    let (username, password) = account("ethgas");
    let body = json!({ "username": username, "password": password }).to_string();
    let headers = [("Content-Type", "application/json"), ("Origin", origin)];
    server.send("POST", "/api/v1/user/login", &headers, body.as_bytes())
}

fn preflight(server: &Server, path: &str, origin: &str) -> Answer {
    let asks = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "x-app"),
    ];
    server.send("OPTIONS", path, &asks, b"")
}

#[test]
fn a_listed_origin_may_call_and_read() {
    for credentials in [false, true] {
        let server = server(credentials);
        let asked = preflight(&server, "/api/v1/user/login", "https://app.example");
        assert_eq!(asked.status, 204);
        assert_eq!(asked.header("access-control-allow-origin"), Some("https://app.example"));
        assert!(asked.header("access-control-allow-methods").unwrap().contains("POST"));
        assert_eq!(asked.header("access-control-allow-headers"), Some("authorization, content-type, x-app"));
        assert_eq!(asked.header("access-control-max-age"), Some("600"));
        let said = log_in(&server, "http://localhost:3000");
        assert_eq!(said.checked(), 200);
        assert_eq!(said.header("access-control-allow-origin"), Some("http://localhost:3000"));
        assert_eq!(said.header("vary"), Some("Origin"));
        for answer in [asked, said] {
            assert_eq!(answer.header("access-control-allow-credentials"), credentials.then_some("true"));
        }
    }
}

#[test]
fn no_other_origin_is_told_anything() {
    let server = server(true);
    for origin in
        ["null", "https://app.example.evil.example", "http://app.example", "https://APP.example", "*"]
    {
        for answer in [preflight(&server, "/api/v1/user/login", origin), log_in(&server, origin)] {
            let told = answer.headers.iter().find(|(name, _)| name.starts_with("access-control"));
            assert_eq!(told, None, "{origin}");
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    }
    assert_eq!(preflight(&server, "/nowhere", "https://app.example").status, 404);
    let silent = Server::start();
    let answer = preflight(&silent, "/api/v1/user/login", "https://app.example");
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin"), answer.header("vary")),
        (204, None, None)
    );
}

#[test]
fn every_answer_carries_a_request_id_and_no_hsts_in_the_clear() {
    let loopback = ["127.0.0.0/8".parse().unwrap()];
    let trusting = Server::with(&Settings::default(), |builder| {
        builder.proxies(Proxies::new(&loopback, ForwardedHeader::default()))
    });
    let server = Server::start();
    let ask = |server: &Server, path: &str, id: &str| {
        let answer = server.send("GET", path, &[("X-Request-Id", id)], b"");
        assert_eq!(answer.header("strict-transport-security"), None);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        answer.header("x-request-id").unwrap().to_owned()
    };
    for path in ["/healthz", "/nowhere", "/v1/refresh_token", "/login"] {
        assert_eq!(ask(&trusting, path, "of-the-proxy.1"), "of-the-proxy.1");
        assert_eq!(ask(&trusting, path, "not sensible").len(), 32);
        assert_ne!(ask(&server, path, "of-a-stranger"), "of-a-stranger");
        assert_ne!(ask(&server, path, "x"), ask(&server, path, "x"));
    }
}
