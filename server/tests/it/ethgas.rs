//! Document 002.

use super::support::{Server, account, claims, forgeries, race};
use serde_json::{Value, json};

const LOGIN: &str = "/api/v1/user/login";
const VERIFY: &str = "/api/v1/user/login/verify";
const REFRESH: &str = "/api/v1/user/login/refresh";
const LOGOUT: &str = "/api/v1/user/logout";
const INFO: &str = "/api/v1/user/info";

fn log_in(server: &Server) -> (String, String) {
    let (username, password) = account("ethgas");
    let answer = server.post(LOGIN, &json!({ "username": username, "password": password }));
    assert_eq!(answer.checked(), 200, "{answer:?}");
    (answer.text("/data/accessToken"), answer.text("/data/refreshToken"))
}

fn refresh(server: &Server, token: &str) -> (u16, Value) {
    let answer = server.post(REFRESH, &json!({ "refreshToken": token }));
    (answer.checked(), answer.json())
}

#[test]
fn the_documented_flow_works_from_login_to_logout() {
    let server = Server::start();
    let (username, password) = account("ethgas");
    let answer = server.post(LOGIN, &json!({ "username": username, "password": password, "extra": true }));
    assert_eq!(answer.checked(), 200);
    let body = answer.json();
    assert_eq!((&body["code"], &body["data"]["expiresIn"]), (&json!(200), &json!(3600)));
    assert!(body["message"].is_string());
    let access = answer.text("/data/accessToken");
    let told = claims(&access);
    assert_eq!(told["exp"].as_u64().unwrap() - told["iat"].as_u64().unwrap(), 3_600);

    let verified = server.post_bearer(VERIFY, &access).json();
    assert_eq!(verified["data"]["valid"], true);
    assert_eq!(verified["data"]["expiresAt"], told["exp"]);
    let info = server.get(INFO, &access).json();
    assert_eq!(info["data"]["username"], username.as_str());
    assert_eq!(info["data"]["userId"], verified["data"]["userId"]);

    let out = server.post_bearer(LOGOUT, &access);
    assert_eq!((out.checked(), &out.json()["data"]), (200, &json!({ "loggedOut": true })));
    for answer in
        [server.post_bearer(VERIFY, &access), server.get(INFO, &access), server.post_bearer(LOGOUT, &access)]
    {
        assert_eq!(answer.checked(), 401);
        assert_eq!((&answer.json()["code"], &answer.json()["data"]), (&json!(401), &Value::Null));
    }
    assert_eq!(refresh(&server, &answer.text("/data/refreshToken")).0, 401);
}

#[test]
fn every_seeded_account_logs_in_with_its_exact_password_only() {
    use secrecy::ExposeSecret as _;
    let server = Server::start();
    for seed in super::support::seeds().into_iter().filter(|seed| seed.scheme == "ethgas") {
        let try_with = |password: &str| {
            server.post(LOGIN, &json!({ "username": seed.name, "password": password })).checked()
        };
        let password = seed.password.expose_secret();
        assert_eq!(try_with(password), 200);
        let mut shorter = password.to_owned();
        shorter.pop();
        for wrong in [format!("{password} "), password.to_uppercase(), shorter, format!("x{password}")] {
            assert_eq!(try_with(&wrong), 401, "{wrong:?}");
        }
    }
}

#[test]
fn an_unknown_user_and_a_wrong_password_are_told_the_same() {
    let server = Server::start();
    let (username, _) = account("ethgas");
    let long = "x".repeat(5_000);
    let known = server.post(LOGIN, &json!({ "username": username, "password": "wrong" }));
    assert_eq!(known.checked(), 401);
    for (username, password) in
        [("nobody", "wrong"), (username.as_str(), long.as_str()), ("nobody", long.as_str())]
    {
        let other = server.post(LOGIN, &json!({ "username": username, "password": password }));
        let told = |answer: &super::support::Answer| {
            // Of every two answers these differ, whatever was asked.
            let own = |name: &str| ["date", "x-request-id"].contains(&name);
            let headers: Vec<_> = answer.headers.iter().filter(|(name, _)| !own(name)).cloned().collect();
            (answer.status, headers, answer.body.clone())
        };
        assert_eq!(told(&known), told(&other));
    }
}

#[test]
fn a_body_that_is_not_in_form_is_refused_in_the_envelope() {
    let server = Server::start();
    for body in [
        json!({}),
        json!({ "username": "a" }),
        json!({ "password": "a" }),
        json!({ "username": 1, "password": "a" }),
        json!({ "username": null, "password": "a" }),
        json!({ "username": ["a"], "password": { "a": 1 } }),
        json!({ "username": "", "password": "" }),
        json!([]),
        json!("x"),
        json!({ "USERNAME": "a", "Password": "b" }),
    ] {
        let answer = server.post(LOGIN, &body);
        assert_eq!(answer.checked(), 400, "{body}");
        assert_eq!((&answer.json()["code"], &answer.json()["data"]), (&json!(400), &Value::Null));
    }
}

#[test]
fn refresh_takes_the_token_in_the_body_or_in_authorization() {
    let server = Server::start();
    for in_body in [true, false] {
        let (access, token) = log_in(&server);
        let answer = if in_body {
            server.post(REFRESH, &json!({ "refreshToken": token }))
        } else {
            server.post_bearer(REFRESH, &token)
        };
        assert_eq!(answer.checked(), 200);
        assert_eq!(answer.json()["data"]["expiresIn"], 3_600);
        let fresh = answer.text("/data/accessToken");
        assert_ne!(fresh, access);
        assert_eq!(server.get(INFO, &fresh).checked(), 200);
        assert_eq!(server.get(INFO, &access).checked(), 200, "the old access token keeps its hour");
    }
}

#[test]
fn a_refresh_with_another_sessions_access_token_along_is_refused() {
    let server = Server::start();
    let ((access, token), (other, _)) = (log_in(&server), log_in(&server));
    let send = |bearer: &str| {
        let headers = [("Content-Type", "application/json"), ("Authorization", &format!("Bearer {bearer}"))];
        server
            .send("POST", REFRESH, &headers, json!({ "refreshToken": token }).to_string().as_bytes())
            .checked()
    };
    assert_eq!(send(&other), 401);
    assert_eq!(send("garbage"), 401);
    assert_eq!(send(&access), 200);
}

#[test]
fn nothing_but_a_refresh_token_refreshes_and_nothing_but_an_access_token_authorises() {
    let server = Server::start();
    let (access, token) = log_in(&server);
    assert_eq!(refresh(&server, &access).0, 401);
    assert_eq!(server.post_bearer(REFRESH, &access).checked(), 401);
    assert_eq!(server.get(INFO, &token).checked(), 401);
    assert_eq!(server.send("POST", REFRESH, &[], b"").checked(), 401);
    assert_eq!(server.post(REFRESH, &json!({})).checked(), 400);
    for (what, forged) in forgeries(&access) {
        assert_eq!(server.get(INFO, &forged).checked(), 401, "{what}");
    }
    for (what, forged) in forgeries(&token) {
        assert_eq!(refresh(&server, &forged).0, 401, "{what}");
    }
    assert_eq!(refresh(&server, &token).0, 200, "forgeries do not cost the owner the session");
}

#[test]
fn racing_refreshes_get_the_same_pair_and_late_reuse_ends_the_session() {
    let server = Server::start();
    let (_, token) = log_in(&server);
    let answers = race(20, || server.post(REFRESH, &json!({ "refreshToken": token })));
    assert!(answers.iter().all(|answer| answer.checked() == 200));
    assert!(answers.iter().all(|answer| answer.body == answers[0].body), "every racer got the same bytes");
    let successor = answers[0].text("/data/refreshToken");
    let access = answers[0].text("/data/accessToken");

    server.advance(31);
    assert_eq!(refresh(&server, &token).0, 401);
    assert_eq!(refresh(&server, &successor).0, 401, "reuse ends the whole session");
    assert_eq!(server.get(INFO, &access).checked(), 401);
}

#[test]
fn logout_against_refresh_never_leaves_a_live_session() {
    let server = Server::start();
    for _ in 0..10 {
        let (access, token) = log_in(&server);
        let turn = std::sync::atomic::AtomicUsize::new(0);
        let answers = race(8, || {
            if turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 3 {
                (true, server.post_bearer(LOGOUT, &access))
            } else {
                (false, server.post(REFRESH, &json!({ "refreshToken": token })))
            }
        });
        for (logout, answer) in answers {
            if logout {
                assert_eq!(answer.checked(), 200);
            } else if answer.checked() == 200 {
                assert_eq!(refresh(&server, &answer.text("/data/refreshToken")).0, 401);
                assert_eq!(server.get(INFO, &answer.text("/data/accessToken")).checked(), 401);
            }
        }
    }
}

#[test]
fn tokens_end_when_they_said_they_would() {
    let server = Server::start();
    let (access, token) = log_in(&server);
    server.advance(3_590);
    assert_eq!(server.get(INFO, &access).checked(), 200);
    server.advance(10);
    assert_eq!(server.get(INFO, &access).checked(), 401);
    server.advance(30 * 24 * 3_600 - 3_600);
    assert_eq!(refresh(&server, &token).0, 401);
}
