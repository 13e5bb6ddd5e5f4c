//! Keys as callers see them: the key set, and tokens under each algorithm.

use super::support::{Server, account, claims, part};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_server::schemes::Settings;
use countersign_server::token::{KeyRing, LocalKey, Signer};
use serde_json::{Value, json};
use std::sync::Arc;

const KEY_SET: &str = "/.well-known/jwks.json";

fn server(key: LocalKey) -> Server {
    Server::with(&Settings::default(), |builder| builder.keys(KeyRing::new(Arc::new(key))))
}

fn login(server: &Server) -> (String, String) {
    let (username, password) = account("ethgas");
    let answer = server.post("/api/v1/user/login", &json!({ "username": username, "password": password }));
    (answer.text("/data/accessToken"), answer.text("/data/refreshToken"))
}

/// Whether a key of the set, read by another library, signed this token.
fn signed(key: &Value, token: &str) -> bool {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let verified = match key["alg"].as_str().unwrap() {
        "EdDSA" => UnparsedPublicKey::new(&ED25519, bytes("x")).verify(message.as_bytes(), &signature),
        "ES256" => {
            let point = [vec![4], bytes("x"), bytes("y")].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message.as_bytes(), &signature)
        }
        other => panic!("{other}"),
    };
    verified.is_ok()
}

#[test]
fn tokens_can_be_checked_with_the_published_keys_alone() {
    for key in [LocalKey::ed25519(&[5; 32]), LocalKey::es256(&[5; 32]).unwrap()] {
        let (alg, kid) = (key.algorithm(), key.kid().to_owned());
        let server = server(key);
        let answer = server.send("GET", KEY_SET, &[], b"");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        let set = answer.json();
        assert_eq!(set["keys"].as_array().unwrap().len(), 1);
        let published = &set["keys"][0];
        assert_eq!((published["alg"].as_str(), published["kid"].as_str()), (Some(alg), Some(kid.as_str())));
        assert_eq!(published.get("d"), None, "the private half stays here");
        let (access, refresh) = login(&server);
        for token in [&access, &refresh] {
            assert!(signed(published, token), "{alg}");
            assert_eq!(part(token, 0), json!({ "typ": "JWT", "alg": alg, "kid": kid }));
        }
        assert!(!signed(published, &format!("{}x.{}", &access[..9], &access[11..])));
    }
}

#[test]
fn the_key_set_of_a_shared_secret_is_empty() {
    let server = Server::start();
    let answer = server.send("GET", KEY_SET, &[], b"");
    assert_eq!((answer.status, answer.json()), (200, json!({ "keys": [] })));
    assert_eq!(server.send("POST", KEY_SET, &[], b"{}").status, 405);
}

#[test]
fn a_refresh_answered_twice_is_the_same_bytes_under_each_algorithm() {
    let keys = [
        LocalKey::hs256(b"0123456789abcdefghijklmnopqrstuvwxyz").unwrap(),
        LocalKey::ed25519(&[5; 32]),
        LocalKey::es256(&[5; 32]).unwrap(),
    ];
    for key in keys {
        let alg = key.algorithm();
        let server = server(key);
        let (_, token) = login(&server);
        let refresh = || server.post("/api/v1/user/login/refresh", &json!({ "refreshToken": token }));
        let (one, two) = (refresh(), refresh());
        assert_eq!(one.checked(), 200);
        assert_eq!(one.body, two.body, "{alg}");
        assert_eq!(claims(&one.text("/data/refreshToken"))["gen"], 1);
    }
}
