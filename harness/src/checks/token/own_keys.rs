//! Tokens under key pairs of ours whose public half they bring along (`jwk`).
//!
//! The keys are made once for this file and stand in it: they are no secret, and nobody may trust them.

use crate::jwt::Jwt;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};

/// An RSA key of 2,048 bits, PKCS #8.
const RSA: &str = include_str!("own_rsa_key.txt");

/// A token's claims under a key of its own, once for each algorithm of key pairs that is common.
pub(super) fn forgeries(jwt: &Jwt) -> Vec<(String, String)> {
    [rsa(jwt), ecdsa(jwt), edwards(jwt)].into_iter().flatten().collect()
}

fn rsa(jwt: &Jwt) -> Option<(String, String)> {
    let pair =
        RsaKeyPair::from_pkcs8(&STANDARD.decode(RSA.split_whitespace().collect::<String>()).ok()?).ok()?;
    let parts: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
    let (n, e) = (URL_SAFE_NO_PAD.encode(&parts.n), URL_SAFE_NO_PAD.encode(&parts.e));
    let key = json!({ "kty": "RSA", "n": n, "e": e });
    Some(signed(jwt, "RS256", &key, |input| {
        let mut signature = vec![0; pair.public().modulus_len()];
        let random = SystemRandom::new();
        pair.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature).map(|()| signature).unwrap_or_default()
    }))
}

fn ecdsa(jwt: &Jwt) -> Option<(String, String)> {
    let random = SystemRandom::new();
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).ok()?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).ok()?;
    // A point without compression: one byte, then both coordinates.
    let (x, y) = pair.public_key().as_ref().get(1..65)?.split_at(32);
    let key = json!({
        "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)
    });
    Some(signed(jwt, "ES256", &key, |input| {
        pair.sign(&random, input).map(|signature| signature.as_ref().to_vec()).unwrap_or_default()
    }))
}

fn edwards(jwt: &Jwt) -> Option<(String, String)> {
    let pair = SigningKey::from_bytes(&[0x2a; 32]);
    let key = json!({
        "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.verifying_key().as_bytes())
    });
    Some(signed(jwt, "EdDSA", &key, |input| pair.sign(input).to_bytes().to_vec()))
}

fn signed(jwt: &Jwt, alg: &str, key: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> (String, String) {
    let unsigned = jwt.with_header(
        |header| {
            header.insert("alg".to_owned(), json!(alg));
            header.insert("jwk".to_owned(), key.clone());
        },
        &[],
    );
    let input = unsigned.trim_end_matches('.');
    let signature = URL_SAFE_NO_PAD.encode(sign(input.as_bytes()));
    (
        format!("a token that carries the public key it is signed with (jwk, {alg})"),
        format!("{input}.{signature}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    #[test]
    fn every_token_verifies_under_the_key_that_it_brings() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
        let forged = forgeries(&Jwt::read(token).unwrap());
        assert_eq!(forged.len(), 3);
        for (what, token) in forged {
            let jwt = Jwt::read(&token).unwrap();
            let (key, input) = (&jwt.header["jwk"], jwt.signing_input().as_bytes());
            let part = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
            match jwt.alg() {
                "RS256" => {
                    let key = RsaPublicKeyComponents { n: part("n"), e: part("e") };
                    key.verify(&RSA_PKCS1_2048_8192_SHA256, input, &jwt.signature).expect(&what);
                }
                "ES256" => {
                    let point = [vec![4], part("x"), part("y")].concat();
                    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                    key.verify(input, &jwt.signature).expect(&what);
                }
                _ => {
                    let key = UnparsedPublicKey::new(&ring::signature::ED25519, part("x"));
                    key.verify(input, &jwt.signature).expect(&what);
                }
            }
        }
    }
}
