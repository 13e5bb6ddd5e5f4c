//! Document 000.

use super::support::{Answer, Server, Wallet, claims, forgeries, hex, race, unhex};
use serde_json::{Value, json};
use sha3::{Digest as _, Keccak256};

const WEEK: u64 = 604_800;

fn secret(server: &Server, address: &str) -> String {
    let answer = server.post("/login_random_secret", &json!({ "wallet_address": address }));
    assert_eq!((answer.checked(), &answer.json()["code"]), (200, &json!(0)));
    assert_eq!(answer.json()["msg"], "Here's your login random secret.");
    answer.text("/data")
}

fn present(server: &Server, text: &str, signature: &str, address: &str) -> Answer {
    let body = json!({ "login_random_secret": text, "signature": signature, "wallet_address": address });
    server.post("/login", &body)
}

fn refused(answer: &Answer) {
    assert_eq!(answer.checked(), 200, "what is wrong travels as HTTP 200");
    let body = answer.json();
    assert_ne!(body["code"], 0, "{body}");
    assert!(body["msg"].as_str().is_some_and(|msg| !msg.is_empty()));
    assert_eq!(body["data"], Value::Null);
}

fn log_in(server: &Server, wallet: &Wallet) -> String {
    let secret = secret(server, &wallet.address);
    let answer = present(server, &secret, &wallet.sign(secret.as_bytes()), &wallet.address);
    assert_eq!((answer.checked(), &answer.json()["code"]), (200, &json!(0)), "{answer:?}");
    assert_eq!(answer.json()["msg"], "Here's your JWT.");
    answer.text("/data/access_token")
}

#[test]
fn a_wallet_logs_in_and_its_token_says_what_clients_read() {
    let server = Server::start();
    let wallet = Wallet::of(&unhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"));
    let token = log_in(&server, &wallet);
    let told = claims(&token);
    let iat = told["iat"].as_u64().unwrap();
    assert_eq!(told["access_expired_at"].as_u64(), Some(iat + WEEK));
    assert!(told["exp"].as_u64().unwrap() > iat + WEEK);
    assert_eq!(told["eth_wallet_address"], "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23");
    assert!(told["user_id"].is_string());
}

#[test]
fn secrets_are_thirty_two_hex_digits_and_never_the_same() {
    let server = Server::start();
    let wallet = Wallet::new(1);
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let secret = secret(&server, &wallet.address);
        assert!(
            secret.len() == 32 && secret.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
            "{secret}"
        );
        assert!(seen.insert(secret));
    }
}

#[test]
fn the_signed_text_may_carry_the_secret_and_addresses_any_letter_case() {
    let server = Server::start();
    let wallet = Wallet::of(&unhex("4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"));
    let checksummed = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23";
    let upper = format!("0x{}", wallet.address[2..].to_uppercase());
    for (asked, presented) in [
        (wallet.address.as_str(), checksummed),
        (checksummed, upper.as_str()),
        (upper.as_str(), &wallet.address),
    ] {
        let secret = secret(&server, asked);
        let in_hex = hex(secret.as_bytes());
        let text = format!(
            "SwapChat wants you to sign in with your Ethereum account:\n{presented}\nNonce: 0x{in_hex}\nIssued At: 01/02/2022 10:00"
        );
        let answer = present(&server, &text, &wallet.sign(text.as_bytes()), presented);
        assert_eq!(answer.json()["code"], 0, "{answer:?}");
    }
    let secret = secret(&server, &wallet.address);
    let text = format!("localhost wants you…\n\nNonce: {secret}\n");
    assert_eq!(present(&server, &text, &wallet.sign(text.as_bytes()), &wallet.address).json()["code"], 0);
    let bare = self::secret(&server, &wallet.address);
    let without_prefix = wallet.sign(bare.as_bytes())[2..].to_owned();
    assert_eq!(present(&server, &bare, &without_prefix, &wallet.address).json()["code"], 0);
}

#[test]
fn other_proofs_are_refused() {
    let server = Server::start();
    let (wallet, stranger) = (Wallet::new(2), Wallet::new(3));
    let fresh = || secret(&server, &wallet.address);
    let try_with = |text: &str, signature: &str| refused(&present(&server, text, signature, &wallet.address));

    let secret = fresh();
    try_with(&secret, &stranger.sign(secret.as_bytes()));
    try_with(&secret, &wallet.sign(&unhex(&secret)));
    try_with(&secret, &wallet.sign_hash(&Keccak256::digest(&secret)));
    try_with(&secret, &wallet.sign(secret.to_uppercase().as_bytes()));
    let secret = fresh();
    let good = wallet.sign(secret.as_bytes());
    try_with(&secret.to_uppercase(), &wallet.sign(secret.to_uppercase().as_bytes()));
    try_with("b1e069cab9827c08700280b6ed1151fe", &wallet.sign(b"b1e069cab9827c08700280b6ed1151fe"));
    try_with("", &wallet.sign(b""));
    try_with(&secret, "");
    try_with(&secret, "0x");
    try_with(&secret, &format!("{good}00"));
    try_with(&secret, &format!("{}1d", &good[..130]));
    try_with(&secret, &good[..130]);
    let theirs = self::secret(&server, &stranger.address);
    try_with(&theirs, &wallet.sign(theirs.as_bytes()));
    refused(&present(&server, &secret, &good, &stranger.address));
    refused(&present(&server, &secret, &good, &wallet.address[..41]));
    assert_eq!(
        present(&server, &secret, &good, &wallet.address).json()["code"],
        0,
        "refusals so far did not burn it"
    );
}

#[test]
fn a_secret_is_good_once_and_for_its_time() {
    let server = Server::start();
    let wallet = Wallet::new(4);
    let secret = secret(&server, &wallet.address);
    let signature = wallet.sign(secret.as_bytes());
    assert_eq!(present(&server, &secret, &signature, &wallet.address).json()["code"], 0);
    refused(&present(&server, &secret, &signature, &wallet.address));

    let late = self::secret(&server, &wallet.address);
    server.advance(301);
    refused(&present(&server, &late, &wallet.sign(late.as_bytes()), &wallet.address));
}

#[test]
fn of_many_calls_at_once_with_one_secret_one_succeeds() {
    let server = Server::start();
    let wallet = Wallet::new(5);
    let secret = secret(&server, &wallet.address);
    let signature = wallet.sign(secret.as_bytes());
    let answers = race(20, || present(&server, &secret, &signature, &wallet.address));
    assert_eq!(answers.iter().filter(|answer| answer.json()["code"] == 0).count(), 1);
    answers.iter().filter(|answer| answer.json()["code"] != 0).for_each(refused);
}

#[test]
fn four_failures_leave_a_secret_and_five_take_it() {
    let server = Server::start();
    let (wallet, stranger) = (Wallet::new(6), Wallet::new(7));
    for (failures, survives) in [(4, true), (5, false)] {
        let secret = secret(&server, &wallet.address);
        for _ in 0..failures {
            refused(&present(&server, &secret, &stranger.sign(secret.as_bytes()), &wallet.address));
        }
        let answer = present(&server, &secret, &wallet.sign(secret.as_bytes()), &wallet.address);
        assert_eq!(answer.json()["code"] == 0, survives, "after {failures} failures");
    }
}

#[test]
fn a_stranger_asking_in_my_name_does_not_take_my_secret() {
    let server = Server::start();
    let wallet = Wallet::new(8);
    let mine = secret(&server, &wallet.address);
    for _ in 0..300 {
        secret(&server, &wallet.address);
    }
    assert_eq!(present(&server, &mine, &wallet.sign(mine.as_bytes()), &wallet.address).json()["code"], 0);
}

#[test]
fn a_token_is_refreshed_after_its_seven_days_and_within_seven_more() {
    let server = Server::start();
    let token = log_in(&server, &Wallet::new(9));
    server.advance(WEEK);
    let answer = server.get("/refresh", &token);
    assert_eq!((answer.checked(), &answer.json()["code"]), (200, &json!(0)));
    let fresh = answer.text("/data/access_token");
    let (old, new) = (claims(&token), claims(&fresh));
    assert_eq!(old["user_id"], new["user_id"]);
    assert_eq!(old["eth_wallet_address"], new["eth_wallet_address"]);
    assert!(new["access_expired_at"].as_u64().unwrap() >= old["access_expired_at"].as_u64().unwrap() + WEEK);
    server.advance(WEEK);
    assert_eq!(server.get("/refresh", &token).checked(), 401);
    assert_eq!(server.get("/refresh", &fresh).checked(), 200);
}

#[test]
fn refresh_without_a_good_token_is_401_with_both_names_of_the_text() {
    let server = Server::start();
    let token = log_in(&server, &Wallet::new(10));
    let mut answers = vec![server.send("GET", "/refresh", &[], b"")];
    for authorization in ["", "Bearer", "Bearer x", "Basic x", token.as_str()] {
        answers.push(server.send("GET", "/refresh", &[("Authorization", authorization)], b""));
    }
    answers.extend(forgeries(&token).iter().map(|(_, forged)| server.get("/refresh", forged)));
    for answer in answers {
        assert_eq!(answer.checked(), 401);
        let body = answer.json();
        assert_eq!((&body["code"], &body["data"]), (&json!(401), &Value::Null));
        assert!(body["msg"].is_string() && body["msg"] == body["message"]);
    }
    let lower = format!("bearer {token}");
    assert_eq!(server.send("GET", "/refresh", &[("Authorization", &lower)], b"").checked(), 200);
}

#[test]
fn bodies_out_of_form_are_refused_in_the_envelope() {
    let server = Server::start();
    for body in [
        json!({}),
        json!({ "wallet_address": 1 }),
        json!({ "wallet_address": "" }),
        json!({ "wallet_address": "0x12" }),
        json!([]),
    ] {
        refused(&server.post("/login_random_secret", &body));
    }
    for missing in ["login_random_secret", "signature", "wallet_address"] {
        let mut body = json!({ "login_random_secret": "x", "signature": "x", "wallet_address": "x" });
        body.as_object_mut().unwrap().remove(missing);
        refused(&server.post("/login", &body));
    }
}
