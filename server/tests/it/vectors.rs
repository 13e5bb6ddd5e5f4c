//! The server's verification against the vectors both sides are held to.

use super::support::{Server, Wallet, hex};
use countersign_fixtures::{ethereum_key, vectors};
use countersign_server::wallet::ed25519::{registrable, signed_by};
use countersign_server::wallet::eip191::{Address, signer};
use serde_json::{Value, json};

#[test]
fn wallet_signatures_are_told_apart() {
    for vector in &vectors::eip191().vectors {
        let given = &vector.given;
        let address = Address::parse(&given.address);
        let proven = address.is_some() && signer(given.text.as_bytes(), &given.signature) == address;
        assert_eq!(proven, vector.is_valid(), "{}: {}", vector.id, vector.says);
    }
}

#[test]
fn addresses_are_read_in_any_letter_case() {
    for vector in &vectors::address().vectors {
        let read = Address::parse(&vector.given.text).map(|address| address.to_string());
        let expected = vector.is_valid().then(|| format!("0x{}", vector.given.bytes));
        assert_eq!(read, expected, "{}: {}", vector.id, vector.says);
    }
}

#[test]
fn registered_keys_sign_in_one_form_only() {
    for vector in &vectors::ed25519().vectors {
        let given = &vector.given;
        let key: [u8; 32] =
            data_encoding::HEXLOWER.decode(given.public.as_bytes()).unwrap().try_into().unwrap();
        let signature = data_encoding::BASE64.decode(given.signature.as_bytes());
        let proven = registrable(&key).is_some()
            && signature.is_ok_and(|signature| signed_by(&key, given.text.as_bytes(), &signature));
        assert_eq!(proven, vector.is_valid(), "{}: {}", vector.id, vector.says);
    }
}

#[test]
fn whole_web3mq_logins_are_told_apart() {
    let server = Server::start();
    for vector in &vectors::web3mq_login().vectors {
        // Each one is the first login of its wallet.
        assert_eq!(server.post("/__reset", &json!({})).status, 200);
        let answer = server.post("/api/user_login/", &vector.given.body);
        let accepted = answer.status == 200 && answer.json()["code"] == 0;
        assert_eq!(accepted, vector.is_valid(), "{}: {}: {}", vector.id, vector.says, answer.json());
    }
}

#[test]
fn texts_answer_the_challenge_they_carry() {
    let server = Server::start();
    let key = ethereum_key("documented").expect("a key of the fixtures");
    let wallet = Wallet::of(&data_encoding::HEXLOWER.decode(key.secret.as_bytes()).unwrap());
    for vector in &vectors::challenge_text().vectors {
        let given = &vector.given;
        let asked = server.post("/login_random_secret", &json!({ "wallet_address": key.address }));
        let secret = asked.text("/data");
        // The vector's text, about the challenge that this server gave.
        let mut text = given.text.clone();
        for write in [str::to_owned, |text: &str| hex(text.as_bytes()), reversed, str::to_uppercase, but_last]
        {
            text = text.replace(&write(&given.challenge), &write(&secret));
        }
        let body = json!({
            "login_random_secret": text, "signature": wallet.sign(text.as_bytes()), "wallet_address": key.address,
        });
        let answer: Value = server.post("/login", &body).json();
        assert_eq!(answer["code"] == 0, vector.is_valid(), "{}: {}: {answer}", vector.id, vector.says);
    }
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

fn but_last(text: &str) -> String {
    text[..text.len() - 1].to_owned()
}
