//! Reads and forges JSON Web Tokens with code of our own, byte by byte (RFC 7515, RFC 7519).
//!
//! Nothing here verifies a token in order to trust it: the target does that. What is read is held against what the target
//! said; what is forged is what the target must refuse.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{KeyInit, Mac};
use serde_json::{Map, Value, json};

/// A token in three parts whose first two are JSON objects.
#[derive(Debug, Clone)]
pub struct Jwt {
    /// The text it was read from.
    pub text: String,
    /// Header.
    pub header: Map<String, Value>,
    /// Claims.
    pub claims: Map<String, Value>,
    /// Signature bytes; empty where the last part is.
    pub signature: Vec<u8>,
}

impl Jwt {
    /// Reads a token; `None` where it is no JWT.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self {
            text: text.to_owned(),
            header: object(header)?,
            claims: object(claims)?,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// A claim as whole seconds, rounded down.
    #[must_use]
    pub fn seconds(&self, claim: &str) -> Option<i64> {
        let value = self.claims.get(claim)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "seconds since 1970 are far below the range of i64"
        )]
        value.as_i64().or_else(|| {
            value.as_f64().filter(|number| number.is_finite()).map(|number| number.floor() as i64)
        })
    }

    /// The first two parts as they stand.
    #[must_use]
    pub fn signing_input(&self) -> &str {
        self.text.rsplit_once('.').map_or("", |(input, _)| input)
    }

    /// The same header and claims, changed, with the old signature.
    #[must_use]
    pub fn with_claims(&self, change: impl FnOnce(&mut Map<String, Value>)) -> String {
        let mut claims = self.claims.clone();
        change(&mut claims);
        // The other part keeps its bytes: written anew, it would be another token for that reason alone.
        let header = self.text.split('.').next().unwrap_or_default();
        format!("{header}.{}.{}", part(&claims), URL_SAFE_NO_PAD.encode(&self.signature))
    }

    /// The claims under another header, with this signature.
    #[must_use]
    pub fn with_header(&self, change: impl FnOnce(&mut Map<String, Value>), signature: &[u8]) -> String {
        let mut header = self.header.clone();
        change(&mut header);
        let claims = self.text.split('.').nth(1).unwrap_or_default();
        format!("{}.{claims}.{}", part(&header), URL_SAFE_NO_PAD.encode(signature))
    }

    /// The claims, changed, signed with HMAC-SHA256 under a key of ours.
    #[must_use]
    pub fn resigned(
        &self,
        key: &[u8],
        header: impl FnOnce(&mut Map<String, Value>),
        claims: impl FnOnce(&mut Map<String, Value>),
    ) -> String {
        let mut new_header = self.header.clone();
        new_header.insert("alg".to_owned(), json!("HS256"));
        header(&mut new_header);
        let mut new_claims = self.claims.clone();
        claims(&mut new_claims);
        sign_hs256(&new_header, &new_claims, key)
    }

    /// Whether the signature is HMAC-SHA256 of the token under this key.
    #[must_use]
    pub fn is_signed_with(&self, key: &[u8]) -> bool {
        hs256(self.signing_input().as_bytes(), key) == self.signature
    }

    /// The algorithm the header names.
    #[must_use]
    pub fn alg(&self) -> &str {
        self.header.get("alg").and_then(Value::as_str).unwrap_or_default()
    }
}

/// A token signed with HMAC-SHA256.
#[must_use]
pub fn sign_hs256(header: &Map<String, Value>, claims: &Map<String, Value>, key: &[u8]) -> String {
    sign(header, claims, key, Hmac::Sha256)
}

/// A token signed with an HMAC, whatever its header says.
#[must_use]
pub fn sign(header: &Map<String, Value>, claims: &Map<String, Value>, key: &[u8], mac: Hmac) -> String {
    let input = unsigned(header, claims);
    let signature = URL_SAFE_NO_PAD.encode(mac.of(input.as_bytes(), key));
    format!("{input}.{signature}")
}

/// The first two parts of a token.
#[must_use]
pub fn unsigned(header: &Map<String, Value>, claims: &Map<String, Value>) -> String {
    format!("{}.{}", part(header), part(claims))
}

fn part(object: &Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(Value::Object(object.clone()).to_string())
}

/// Replaces the signature part.
#[must_use]
pub fn with_signature(token: &str, signature: &str) -> String {
    let input = token.rsplit_once('.').map_or(token, |(input, _)| input);
    format!("{input}.{signature}")
}

/// The token with a signature that nobody made, as long as one of HMAC-SHA-256.
#[must_use]
pub fn with_invented_signature(token: &str) -> String {
    with_signature(token, &"A".repeat(43))
}

/// HMAC-SHA256; any key length works.
#[must_use]
pub fn hs256(input: &[u8], key: &[u8]) -> Vec<u8> {
    Hmac::Sha256.of(input, key)
}

/// The hash under an HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hmac {
    /// HS256.
    Sha256,
    /// HS384.
    Sha384,
    /// HS512.
    Sha512,
}

impl Hmac {
    /// The code of an input; any key length works.
    #[must_use]
    pub fn of(self, input: &[u8], key: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => mac::<hmac::Hmac<sha2::Sha256>>(input, key),
            Self::Sha384 => mac::<hmac::Hmac<sha2::Sha384>>(input, key),
            Self::Sha512 => mac::<hmac::Hmac<sha2::Sha512>>(input, key),
        }
    }
}

fn mac<M: Mac + KeyInit>(input: &[u8], key: &[u8]) -> Vec<u8> {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    mac.update(input);
    mac.finalize().into_bytes().to_vec()
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    match serde_json::from_slice(&bytes).ok()? {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_is_that_of_rfc_4231() {
        let mac = data_encoding::HEXLOWER.encode(&hs256(b"what do ya want for nothing?", b"Jefe"));
        assert_eq!(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn the_longer_macs_are_those_of_rfc_4231() {
        let of =
            |mac: Hmac| data_encoding::HEXLOWER.encode(&mac.of(b"what do ya want for nothing?", b"Jefe"));
        assert!(of(Hmac::Sha384).starts_with("af45d2e376484031617f78d2b58a6b1b"));
        assert!(of(Hmac::Sha512).starts_with("164b7a7bfcf819e2e395fbe73b56e0a3"));
    }

    #[test]
    fn a_token_is_read_as_it_was_signed() {
        let header = json!({"alg": "HS256"}).as_object().unwrap().clone();
        let claims = json!({"exp": 1_300_819_380}).as_object().unwrap().clone();
        let jwt = Jwt::read(&sign_hs256(&header, &claims, b"key")).unwrap();
        assert!(jwt.is_signed_with(b"key") && !jwt.is_signed_with(b"another"));
        assert_eq!(jwt.seconds("exp"), Some(1_300_819_380));
    }

    #[test]
    fn forged_tokens_differ_where_they_should() {
        let header = json!({"alg": "HS256"}).as_object().unwrap().clone();
        let claims = json!({"sub": "a"}).as_object().unwrap().clone();
        let jwt = Jwt::read(&sign_hs256(&header, &claims, b"key")).unwrap();
        let other =
            Jwt::read(&jwt.with_claims(|claims| drop(claims.insert("sub".into(), json!("b"))))).unwrap();
        assert_eq!(other.signature, jwt.signature);
        assert_eq!(other.claims["sub"], "b");
        assert!(!other.is_signed_with(b"key"));
        for none in ["a.b", "", "...", "a.b.c.d"] {
            assert!(Jwt::read(none).is_none(), "{none}");
        }
    }
}
