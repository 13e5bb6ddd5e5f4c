//! The harness' own cryptography against the vectors that both sides are held to.
//!
//! The harness signs and reads; it verifies only to test itself. So a valid vector must come out of the key that made it,
//! and an invalid one must not.

use countersign::jwt::Jwt;
use countersign::wallet::{
    LoginKey, SignAs, Wallet, hash_hex, older_hash_hex, recover, sibling_hash_hex, signature_hex,
};
use countersign_fixtures::{ed25519_keys, ethereum_keys, vectors};
use countersign_spec::Concat;
use data_encoding::HEXLOWER;

/// The wallet of the fixtures behind an address.
fn wallet(address: &str) -> Wallet {
    let key = ethereum_keys().iter().find(|key| key.address.eq_ignore_ascii_case(address));
    Wallet::from_hex(&key.unwrap_or_else(|| panic!("no key for {address}")).secret).unwrap()
}

/// Sixty-five bytes with a recovery byte of 27 or 28, as wallets write them.
fn plain(signature: &str) -> Option<[u8; 65]> {
    let digits = signature.strip_prefix("0x").unwrap_or(signature).to_ascii_lowercase();
    let mut bytes: [u8; 65] = HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()?;
    if bytes[64] < 27 {
        bytes[64] += 27;
    }
    Some(bytes)
}

#[test]
fn wallets_sign_what_the_vectors_say() {
    for vector in &vectors::eip191().vectors {
        let given = &vector.given;
        let made = wallet(&given.address).sign(&given.text, SignAs::Personal);
        // RFC 6979 leaves one signature for a key and a text; forms of writing it do not matter here.
        let same = plain(&given.signature) == Some(made);
        assert_eq!(same, vector.is_valid(), "{}: {}", vector.id, vector.says);
        let signer = plain(&given.signature).and_then(|signature| recover(&given.text, &signature));
        if vector.is_valid() {
            assert_eq!(signer, Some(given.address.to_ascii_lowercase()), "{}", vector.id);
        } else if !vector.has("malleable") {
            assert_ne!(signer, Some(given.address.to_ascii_lowercase()), "{}: {}", vector.id, vector.says);
        }
    }
}

#[test]
fn wallets_make_the_documented_mistakes_when_they_are_to() {
    let by_label = |label: &str| vectors::eip191().vectors.iter().find(|vector| vector.has(label)).unwrap();
    for (label, how) in [
        ("hex-decoded", SignAs::HexDecoded),
        ("missing-prefix", SignAs::Unprefixed),
        ("wrong-hash", SignAs::Sha3),
    ] {
        let given = &by_label(label).given;
        let made = wallet(&given.address).sign(&given.text, how);
        assert_eq!(Some(made), plain(&given.signature), "{label}: {}", signature_hex(&made));
    }
    let secret = &vectors::eip191().vectors.iter().find(|vector| vector.id == "secret").unwrap().given;
    let twin = countersign::wallet::high_s_twin(&plain(&secret.signature).unwrap());
    assert_eq!(Some(twin), plain(&by_label("malleable").given.signature));
}

#[test]
fn wallets_have_the_addresses_of_the_vectors() {
    let known: Vec<Wallet> =
        ethereum_keys().iter().map(|key| Wallet::from_hex(&key.secret).unwrap()).collect();
    for (wallet, key) in known.iter().zip(ethereum_keys()) {
        assert_eq!(wallet.address(), key.address, "{}", key.name);
    }
    let mut seen = 0;
    for vector in &vectors::address().vectors {
        let given = &vector.given;
        let named = known.iter().any(|wallet| wallet.lower_address() == given.text.to_ascii_lowercase());
        if vector.is_valid() {
            let lower = format!("0x{}", given.bytes);
            assert_eq!(given.text.to_ascii_lowercase(), lower, "{}", vector.id);
            // Not every valid vector belongs to a key of the fixtures.
            let Some(wallet) = known.iter().find(|wallet| wallet.lower_address() == lower) else { continue };
            let checksummed = given.text == wallet.address();
            assert_eq!(checksummed, vector.labels.is_empty(), "{}: {}", vector.id, vector.says);
            seen += 1;
        } else {
            assert!(!named, "{}: {}", vector.id, vector.says);
        }
    }
    assert!(seen >= 3, "only {seen} vectors belong to a key of the fixtures");
}

#[test]
fn login_keys_sign_what_the_vectors_say() {
    let mut valid = 0;
    for vector in &vectors::ed25519().vectors {
        let given = &vector.given;
        // Some vectors are about keys that nobody holds.
        let Some(key) = ed25519_keys().iter().find(|key| key.public == given.public) else { continue };
        let seed: [u8; 32] = HEXLOWER.decode(key.seed.as_bytes()).unwrap().try_into().unwrap();
        let own = LoginKey::from_seed(&seed);
        assert_eq!(own.public_hex(), key.public, "{}", key.name);
        let same = own.sign_base64(&given.text) == given.signature;
        assert_eq!(same, vector.is_valid(), "{}: {}", vector.id, vector.says);
        valid += usize::from(same);
    }
    assert!(valid >= 2, "only {valid} vectors belong to a key of the fixtures");
}

#[test]
fn the_hash_of_the_nonce_is_that_of_the_vectors() {
    for vector in &vectors::sha3_224().vectors {
        let same = hash_hex(Concat::Sha3_224, &vector.given.text) == vector.given.digest;
        assert_eq!(same, vector.is_valid(), "{}: {}", vector.id, vector.says);
    }
    let by_id = |id: &str| &vectors::sha3_224().vectors.iter().find(|vector| vector.id == id).unwrap().given;
    let (keccak, sha2) = (by_id("keccak-empty"), by_id("sha-2-empty"));
    assert_eq!(sibling_hash_hex(Concat::Sha3_224, &keccak.text), keccak.digest);
    assert_eq!(older_hash_hex(Concat::Sha3_224, &sha2.text), sha2.digest);
}

#[test]
fn the_nonce_is_made_in_the_documented_order() {
    let scheme = countersign_spec::Spec::embedded().scheme("web3mq").unwrap();
    let derived = scheme.proof.derived.values().next().expect("the proof of web3mq derives a nonce");
    for vector in &vectors::web3mq_nonce().vectors {
        let given = &vector.given;
        let value = |member: &str| match member {
            "userid" => given.userid.clone(),
            "pubkey_type" => given.pubkey_type.clone(),
            "pubkey_value" => given.pubkey_value.clone(),
            "did_type" => given.did_type.clone(),
            "did_value" => given.did_value.clone(),
            "timestamp" => given.timestamp.to_string(),
            other => panic!("the specification hashes `{other}`, which no vector has"),
        };
        let input: String = derived.of.iter().map(|place| value(place.name())).collect();
        let same = hash_hex(derived.hash, &input) == given.nonce;
        assert_eq!(same, vector.is_valid(), "{}: {}", vector.id, vector.says);
    }
}

#[test]
fn tokens_are_read_and_forged_as_the_vectors_say() {
    for vector in &vectors::jwt_hs256().vectors {
        let given = &vector.given;
        let read = Jwt::read(&given.token);
        let signed = read.as_ref().is_some_and(|jwt| jwt.is_signed_with(given.key.as_bytes()));
        if vector.is_valid() {
            let jwt = read.unwrap();
            assert!(signed, "{}: {}", vector.id, vector.says);
            assert_eq!(jwt.alg(), "HS256", "{}", vector.id);
            assert_eq!(serde_json::Value::Object(jwt.claims.clone()), given.claims, "{}", vector.id);
            // Signing the same parts again leads to the same signature.
            let again = countersign::jwt::hs256(jwt.signing_input().as_bytes(), given.key.as_bytes());
            assert_eq!(again, jwt.signature, "{}", vector.id);
        } else if read.is_some_and(|jwt| jwt.alg() == "HS256" && !jwt.header.contains_key("crit")) {
            // What is left after the header was looked at must fall at the signature.
            assert!(!signed, "{}: {}", vector.id, vector.says);
        }
    }
}
