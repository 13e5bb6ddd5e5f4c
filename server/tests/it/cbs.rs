//! Document 004.

use super::support::{Answer, Server, account, claims, forgeries, race, seeds};
use countersign_server::schemes::{CbsSettings, RefreshAnswer, Settings};
use secrecy::ExposeSecret as _;
use serde_json::json;

const LOGIN: &str = "/v1/api/auth/login";
const REFRESH: &str = "/v1/api/auth/refresh";

fn log_in(server: &Server, path: &str) -> Answer {
    let (user, password) = account("cbs");
    server.post(path, &json!({ "user": user, "password": password }))
}

fn refresh(server: &Server, token: &str, access: Option<&str>) -> Answer {
    let bearer = access.map(|access| format!("Bearer {access}"));
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
    server.send("POST", REFRESH, &headers, json!({ "refresh_token": token }).to_string().as_bytes())
}

fn pair(answer: &Answer) -> (String, String) {
    assert_eq!((answer.checked(), &answer.json()["code"]), (200, &json!(0)), "{answer:?}");
    assert_eq!(answer.text("/result/token_type"), "Bearer");
    let (access, refresh) = (answer.text("/result/access_token"), answer.text("/result/refresh_token"));
    for (token, advertised) in [(&access, "access_token_expires_in"), (&refresh, "refresh_token_expires_in")]
    {
        let told = claims(token);
        let lasts = told["exp"].as_u64().unwrap() - told["iat"].as_u64().unwrap();
        assert_eq!(answer.json()["result"][advertised].as_u64(), Some(lasts));
        assert_eq!(told["identifier"], account("cbs").0.as_str());
        assert!(told["attributes"].is_object());
    }
    (access, refresh)
}

fn refused(answer: &Answer, status: u16) {
    assert_eq!(answer.checked(), status, "{answer:?}");
    let body = answer.json();
    assert_eq!((&body["code"], &body["result"]["code"]), (&json!(status), &json!(status)));
    assert!(body["result"]["error"].is_string() && body["result"]["desc"].is_string());
    assert!(!body.to_string().contains("token\":"));
}

#[test]
fn a_user_logs_in_on_both_prefixes_and_refreshes() {
    let server = Server::start();
    for path in [LOGIN, "/api/v1/auth/login"] {
        let answer = log_in(&server, path);
        let (access, token) = pair(&answer);
        assert!(answer.json().get("redirect").is_none());
        let renewed = refresh(&server, &token, Some(&access));
        pair(&renewed);
        assert_eq!(
            (&renewed.json()["result"]["code"], &renewed.json()["result"]["desc"]),
            (&json!(0), &json!("Ok"))
        );
    }
}

#[test]
fn only_who_must_change_the_password_is_redirected() {
    let server = Server::start();
    for seed in seeds().into_iter().filter(|seed| seed.scheme == "cbs") {
        let answer =
            server.post(LOGIN, &json!({ "user": seed.name, "password": seed.password.expose_secret() }));
        assert_eq!(answer.checked(), 200);
        let expected = seed.flags.contains("must_change_password").then(|| json!("pw/reset"));
        assert_eq!(answer.json().get("redirect"), expected.as_ref());
    }
}

#[test]
fn wrong_credentials_are_401_in_the_result_envelope() {
    let server = Server::start();
    let (user, password) = account("cbs");
    let wrong = server.post(LOGIN, &json!({ "user": user, "password": "wrong" }));
    refused(&wrong, 401);
    let unknown = server.post(LOGIN, &json!({ "user": "nobody", "password": password }));
    assert_eq!(wrong.body, unknown.body);
    for body in [json!({}), json!({ "user": user }), json!({ "user": 1, "password": true })] {
        refused(&server.post(LOGIN, &body), 400);
    }
}

#[test]
fn refresh_needs_a_refresh_token_and_a_fitting_access_token_if_any() {
    let server = Server::start();
    let (access, token) = pair(&log_in(&server, LOGIN));
    let (other, _) = pair(&log_in(&server, LOGIN));
    refused(&refresh(&server, &access, None), 401);
    refused(&refresh(&server, &token, Some(&other)), 401);
    refused(&refresh(&server, &token, Some("garbage")), 401);
    refused(&refresh(&server, "garbage", Some(&access)), 401);
    refused(&server.post(REFRESH, &json!({})), 401);
    let only_header = server.send("POST", REFRESH, &[("Authorization", &format!("Bearer {access}"))], b"");
    assert!([400, 401, 415].contains(&only_header.checked()));
    for (what, forged) in forgeries(&token) {
        assert_eq!(refresh(&server, &forged, None).checked(), 401, "{what}");
    }
    pair(&refresh(&server, &token, None));
}

#[test]
fn an_ended_access_token_still_accompanies_its_refresh_token() {
    let server = Server::start();
    let (access, token) = pair(&log_in(&server, LOGIN));
    server.advance(1_801);
    pair(&refresh(&server, &token, Some(&access)));
    server.advance(14_400);
    refused(&refresh(&server, &token, Some(&access)), 401);
}

#[test]
fn racers_get_the_same_pair_and_late_reuse_ends_the_session() {
    let server = Server::start();
    let (_, token) = pair(&log_in(&server, LOGIN));
    let answers = race(20, || refresh(&server, &token, None));
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    let (_, successor) = pair(&answers[0]);
    server.advance(31);
    refused(&refresh(&server, &token, None), 401);
    refused(&refresh(&server, &successor, None), 401);
}

#[test]
fn the_documents_literal_answer_is_a_setting() {
    let cbs = CbsSettings { refresh_answer: RefreshAnswer::Minimal, ..CbsSettings::default() };
    let server = Server::with(&Settings { cbs, ..Settings::default() }, |builder| builder);
    let (access, token) = pair(&log_in(&server, LOGIN));
    for _ in 0..3 {
        server.advance(1_000);
        let answer = refresh(&server, &token, Some(&access));
        assert_eq!(
            (answer.checked(), answer.json()),
            (200, json!({ "result": { "code": 0, "desc": "Ok" } }))
        );
    }
}
