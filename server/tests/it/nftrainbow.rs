//! Document 003.

use super::support::{Answer, Server, account, claims, forgeries};
use serde_json::{Value, json};

const LOGIN: &str = "/v1/login";
const REFRESH: &str = "/v1/refresh_token";
const HOUR: u64 = 3_600;

fn log_in(server: &Server) -> Answer {
    let (app_id, app_secret) = account("nftrainbow");
    server.post(LOGIN, &json!({ "app_id": app_id, "app_secret": app_secret }))
}

/// The token, after checking that the answer holds nothing else.
fn token(answer: &Answer) -> String {
    assert_eq!(answer.checked(), 200, "{answer:?}");
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["expire", "token"]);
    let expire: jiff::Timestamp = answer.text("/expire").parse().unwrap();
    let token = answer.text("/token");
    let told = claims(&token);
    assert_eq!(told["exp"].as_i64(), Some(expire.as_second()));
    assert_eq!(told["exp"].as_u64().unwrap() - told["orig_iat"].as_u64().unwrap(), HOUR);
    token
}

fn refused(answer: &Answer, status: u16, code: u32) {
    assert_eq!((answer.checked(), &answer.json()["code"]), (status, &json!(code)), "{answer:?}");
    assert!(answer.json()["message"].as_str().is_some_and(|message| !message.is_empty()));
    if status == 401 {
        assert_eq!(answer.header("www-authenticate"), Some("JWT realm=Rainbow-openapi"));
    }
}

#[test]
fn an_app_logs_in_and_refreshes() {
    let server = Server::start();
    let first = token(&log_in(&server));
    let second = token(&server.get(REFRESH, &first));
    assert_ne!(first, second, "also within one second");
    assert_eq!(claims(&first)["id"], claims(&second)["id"]);
    assert!(claims(&first)["id"].is_u64());
}

#[test]
fn wrong_id_and_wrong_secret_are_told_the_same() {
    let server = Server::start();
    let (app_id, app_secret) = account("nftrainbow");
    let answers = [
        server.post(LOGIN, &json!({ "app_id": app_id, "app_secret": "wrong" })),
        server.post(LOGIN, &json!({ "app_id": "unknown", "app_secret": app_secret })),
        server.post(LOGIN, &json!({ "app_id": app_id.to_lowercase(), "app_secret": app_secret })),
    ];
    for answer in &answers {
        refused(answer, 401, 40100);
        assert_eq!(answer.body, answers[0].body);
    }
}

#[test]
fn bodies_out_of_form_are_refused_with_400() {
    let server = Server::start();
    for body in [
        json!({}),
        json!({ "app_id": "a" }),
        json!({ "app_id": 1, "app_secret": "b" }),
        json!({ "APP_ID": "a", "APP_SECRET": "b" }),
        json!(null),
    ] {
        refused(&server.post(LOGIN, &body), 400, 40000);
    }
}

#[test]
fn causes_have_their_codes_and_the_scheme_word_its_case() {
    let server = Server::start();
    let good = token(&log_in(&server));
    let with = |authorization: &str| server.send("GET", REFRESH, &[("Authorization", authorization)], b"");
    refused(&server.send("GET", REFRESH, &[], b""), 401, 40102);
    refused(&with(""), 401, 40102);
    refused(&with(&format!("bearer {good}")), 401, 40103);
    refused(&with(&good), 401, 40103);
    refused(&with("Bearer garbage"), 401, 40103);
    for (what, forged) in forgeries(&good) {
        let answer = server.get(REFRESH, &forged);
        assert_eq!(answer.checked(), 401, "{what}");
        assert!(answer.json()["code"].as_u64().unwrap() / 100 == 401);
    }
    let flipped = forgeries(&good).into_iter().find(|(what, _)| what == "flipped signature").unwrap().1;
    refused(&server.get(REFRESH, &flipped), 401, 40101);
}

#[test]
fn any_token_is_refreshed_for_five_hours_after_its_own_issue() {
    let server = Server::start();
    let first = token(&log_in(&server));
    server.advance(2 * HOUR);
    let second = token(&server.get(REFRESH, &first));
    server.advance(3 * HOUR - 60);
    token(&server.get(REFRESH, &first));
    token(&server.get(REFRESH, &first));
    server.advance(120);
    refused(&server.get(REFRESH, &first), 401, 40104);
    token(&server.get(REFRESH, &second));
}

#[test]
fn a_missing_or_odd_time_of_issue_never_refreshes() {
    let server = Server::start();
    let good = token(&log_in(&server));
    let (header, told) = (super::support::part(&good, 0), claims(&good));
    for orig_iat in [Value::Null, json!("1"), json!(-1), json!(1.5), json!(1e300)] {
        let mut changed = told.clone();
        changed["orig_iat"] = orig_iat;
        assert_eq!(server.get(REFRESH, &super::support::forge(&header, &changed)).checked(), 401);
    }
    let mut without = told;
    without.as_object_mut().unwrap().remove("orig_iat");
    assert_eq!(server.get(REFRESH, &super::support::forge(&header, &without)).checked(), 401);
}
