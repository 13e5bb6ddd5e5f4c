//! What is read, and everything else that is not.

use super::super::keys::KeyRing;
use super::super::local::{LocalKey, test_secret};
use super::*;
use crate::error::Why;
use serde_json::json;
use std::sync::{Arc, LazyLock};

pub(super) const NOW: u64 = 1_700_000_000;

fn ring() -> Arc<Keys> {
    static RING: LazyLock<Arc<Keys>> = LazyLock::new(|| {
        KeyRing::new(Arc::new(LocalKey::hs256(&test_secret(1)).unwrap()))
            .with(Arc::new(LocalKey::ed25519(&[2; 32])))
            .with(Arc::new(LocalKey::es256(&[3; 32]).unwrap()))
            .with(Arc::new(LocalKey::hs256(&test_secret(4)).unwrap()))
            .now()
    });
    RING.clone()
}

/// Claims as a token carries them.
pub(super) fn text(claims: &Map<String, Value>) -> String {
    serde_json::to_string(claims).unwrap()
}

pub(super) fn claims() -> Map<String, Value> {
    let claims = json!({
        "iss": "us", "aud": "scheme", "sub": "alice", "jti": "1", "use": "access", "iat": NOW, "exp": NOW + 60,
    });
    claims.as_object().unwrap().clone()
}

pub(super) fn read(token: &str) -> Result<Claims, Why> {
    let now = Timestamp::from_secs(NOW);
    let expected = Expected { issuer: "us", audience: "scheme", r#use: "access", now, longest: 60 };
    decode(&ring(), token, &expected).map_err(|error| error.why())
}

/// A token with this header text, signed with this key whatever the header says.
pub(super) fn forged(signer: &dyn Signer, header: &str, claims: &str) -> String {
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode_to_string(header), URL_SAFE_NO_PAD.encode_to_string(claims));
    let signature = signer.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode_to_string(signature))
}

#[test]
fn what_is_written_is_read_with_every_algorithm() {
    let keys = [
        LocalKey::hs256(&test_secret(1)).unwrap(),
        LocalKey::ed25519(&[2; 32]),
        LocalKey::es256(&[3; 32]).unwrap(),
    ];
    for key in keys {
        let token = encode(&Writer::new(&key), text(&claims()).as_bytes()).unwrap();
        assert_eq!(read(&token).unwrap().subject, "alice", "{}", key.algorithm());
    }
}

#[test]
fn headers_that_say_how_to_check_are_refused_though_well_signed() {
    let ring = ring();
    let signer = ring.current();
    let kid = signer.kid();
    let other = LocalKey::ed25519(&[2; 32]);
    let claims = Value::Object(claims()).to_string();
    let good = format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{kid}"}}"#);
    assert!(read(&forged(signer, &good, &claims)).is_ok(), "the forger's tool makes good tokens");
    let wrong = [
        format!(r#"{{"typ":"JWT","alg":"none","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"JWT","alg":"NONE","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"JWT","alg":"","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"JWT","alg":null,"kid":"{kid}"}}"#),
        format!(r#"{{"typ":"JWT","alg":["HS256"],"kid":"{kid}"}}"#),
        format!(r#"{{"typ":"JWT","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"JWT","alg":"HS512","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"JWT","alg":"EdDSA","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{}"}}"#, other.kid()),
        r#"{"typ":"JWT","alg":"HS256"}"#.into(),
        r#"{"typ":"JWT","alg":"HS256","kid":""}"#.into(),
        r#"{"typ":"JWT","alg":"HS256","kid":"../../dev/null"}"#.into(),
        format!(r#"{{"typ":"JWT","alg":"HS256","kid":["{kid}"]}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"at+jwt","alg":"HS256","kid":"{kid}"}}"#),
        format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{kid}","crit":["x"],"x":1}}"#),
        format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{kid}","crit":[]}}"#),
        format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{kid}","b64":false}}"#),
        format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{kid}","jwk":{{"kty":"oct","k":"AA"}}}}"#),
        format!(r#"{{"typ":"JWT","alg":"HS256","alg":"HS256","kid":"{kid}"}}"#),
    ];
    for header in wrong {
        assert!(read(&forged(signer, &header, &claims)).is_err(), "{header}");
    }
}

#[test]
fn an_hmac_key_made_from_a_public_key_signs_nothing() {
    let public = LocalKey::ed25519(&[2; 32]);
    let forger = LocalKey::hs256(public.public_key().unwrap()).unwrap();
    for alg in ["HS256", "EdDSA"] {
        //= cbs.token.header-order
        let header = format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"{}"}}"#, public.kid());
        assert!(read(&forged(&forger, &header, &Value::Object(claims()).to_string())).is_err());
    }
}

#[test]
fn claims_of_the_wrong_kind_are_refused_though_well_signed() {
    let ring = ring();
    let wrong: &[(&str, &[Value])] = &[
        (
            "exp",
            &[
                Value::Null,
                json!("1800000000"),
                json!(true),
                json!(1.8e9),
                json!(-1),
                json!(1e300),
                json!(u64::MAX),
            ],
        ),
        ("iat", &[Value::Null, json!("1"), json!(1.5), json!(NOW + 61)]),
        ("nbf", &[json!("1"), json!(NOW + 61), Value::Null]),
        ("iss", &[Value::Null, json!("US"), json!("us/"), json!(["us"])]),
        (
            "aud",
            &[
                Value::Null,
                json!("other"),
                json!(["scheme"]),
                json!(["scheme", "other"]),
                json!([]),
                json!(1),
            ],
        ),
        ("sub", &[Value::Null, json!(1), json!("")]),
        ("jti", &[Value::Null, json!(1), json!("")]),
        ("use", &[Value::Null, json!("refresh"), json!("ACCESS")]),
        ("gen", &[json!("1"), json!(-1), json!(0.5)]),
    ];
    for (name, values) in wrong {
        for value in *values {
            let mut claims = claims();
            claims.insert((*name).into(), value.clone());
            assert!(
                read(&encode(&Writer::new(ring.current()), text(&claims).as_bytes()).unwrap()).is_err(),
                "{name}: {value}"
            );
        }
        let mut claims = claims();
        if claims.remove(*name).is_some() {
            assert!(
                read(&encode(&Writer::new(ring.current()), text(&claims).as_bytes()).unwrap()).is_err(),
                "no {name}"
            );
        }
    }
    let mut ahead = claims();
    ahead.insert("iat".into(), json!(NOW + 10));
    ahead.insert("nbf".into(), json!(NOW + 10));
    assert!(
        read(&encode(&Writer::new(ring.current()), text(&ahead).as_bytes()).unwrap()).is_ok(),
        "ten seconds ahead is a clock, not a trick"
    );
    let header = format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{}"}}"#, ring.current().kid());
    let twice = Value::Object(claims()).to_string().replacen('{', r#"{"exp":1,"#, 1);
    assert!(read(&forged(ring.current(), &header, &twice)).is_err());
}

#[test]
fn a_token_has_one_spelling() {
    let ring = ring();
    let token = encode(&Writer::new(ring.current()), text(&claims()).as_bytes()).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let index = last.find(signature.chars().last().unwrap()).unwrap();
    let twin = &last[index ^ 1..=index ^ 1];
    let spellings = [
        String::new(),
        "..".into(),
        header.into(),
        message.into(),
        format!("{message}."),
        format!("{token}.x"),
        format!("{token}.x.y"),
        format!("{token}="),
        format!("{token}\n"),
        format!(" {token}"),
        format!("{header}=.{payload}.{signature}"),
        format!("{message}.{}{twin}", &signature[..signature.len() - 1]),
        format!("{message}.{}", &signature[..signature.len() - 2]),
        "x".repeat(10_000),
    ];
    for spelling in spellings {
        assert!(read(&spelling).is_err(), "{spelling:?}");
    }
}
