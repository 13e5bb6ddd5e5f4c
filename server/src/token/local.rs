//! Keys held in this process.

use super::crypto::{self, Checking, Signing};
use super::keys::Signer;
use crate::error::LoginError;
use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fmt::Debug;

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum TokenAlgorithm {
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// HMAC with SHA-256, as the documents show.
    #[serde(rename = "HS256")]
    Hs256,
}

impl TokenAlgorithm {
    /// Its name as `alg` says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }
}

/// A key held in this process.
pub struct LocalKey {
    kid: String,
    algorithm: TokenAlgorithm,
    signing: Signing,
    checking: Checking,
    /// As RFC 8037 and SEC 1 write it; nothing for a secret.
    public: Vec<u8>,
}

/// A key that must not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too few different bytes to have come from a random source.
    #[error("the signing secret is not random: make one with `openssl rand -hex 32`")]
    NotRandom,
    /// No number that can be a private key on the curve P-256.
    #[error("the signing key is no number below the order of P-256")]
    NotOnCurve,
    /// Known from documents or examples.
    #[error("the signing secret is a sample that everybody knows: make one with `openssl rand -hex 32`")]
    Sample,
    /// RFC 7518 section 3.2 asks for as many bits as the hash has.
    #[error("the signing secret has fewer than 32 bytes: make one with `openssl rand -hex 32`")]
    Short,
}

impl LocalKey {
    /// A secret for HMAC with SHA-256.
    ///
    /// # Errors
    /// When the secret is short, known or plainly not random.
    pub fn hs256(secret: &[u8]) -> Result<Self, KeyError> {
        check_secret(secret)?;
        let (signing, checking) = crypto::hs256(secret).ok_or(KeyError::Short)?;
        let kid = name("HS256", secret);
        Ok(Self { kid, algorithm: TokenAlgorithm::Hs256, signing, checking, public: Vec::new() })
    }

    /// A seed for Ed25519.
    #[must_use]
    pub fn ed25519(seed: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let public = key.verifying_key().to_bytes().to_vec();
        let kid = name("EdDSA", &public);
        let (signing, checking) = crypto::ed25519(key);
        Self { kid, algorithm: TokenAlgorithm::EdDsa, signing, checking, public }
    }

    /// A private key on the curve P-256, as a number of 32 bytes. Signatures are deterministic (RFC 6979).
    ///
    /// # Errors
    /// When the number is zero or not below the order of the curve; one in 2^32 random ones is.
    pub fn es256(scalar: &[u8; 32]) -> Result<Self, KeyError> {
        let key = p256::ecdsa::SigningKey::from_slice(scalar).map_err(|_| KeyError::NotOnCurve)?;
        let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        let kid = name("ES256", &public);
        let (signing, checking) = crypto::es256(key);
        Ok(Self { kid, algorithm: TokenAlgorithm::Es256, signing, checking, public })
    }

    /// A key of this algorithm, made from random bytes.
    ///
    /// # Errors
    /// As [`Self::hs256`] and [`Self::es256`].
    pub fn from_seed(algorithm: TokenAlgorithm, seed: &[u8; 32]) -> Result<Self, KeyError> {
        match algorithm {
            TokenAlgorithm::EdDsa => Ok(Self::ed25519(seed)),
            TokenAlgorithm::Es256 => Self::es256(seed),
            TokenAlgorithm::Hs256 => Self::hs256(seed),
        }
    }

    /// The public half, where there is one.
    #[must_use]
    pub fn public_key(&self) -> Option<&[u8]> {
        (!self.public.is_empty()).then_some(self.public.as_slice())
    }
}

impl Signer for LocalKey {
    fn kid(&self) -> &str {
        &self.kid
    }

    fn algorithm(&self) -> &'static str {
        self.algorithm.name()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, LoginError> {
        self.signing
            .try_sign(message)
            .map_err(|error| LoginError::internal(format!("signing failed: {error}")))
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.checking.verify(message, &signature.to_vec()).is_ok()
    }

    fn public_jwk(&self) -> Option<Map<String, Value>> {
        let coordinate = |bytes: &[u8]| Value::from(URL_SAFE_NO_PAD.encode_to_string(bytes));
        let members = match (self.algorithm, self.public.as_slice()) {
            // RFC 8037 section 2.
            (TokenAlgorithm::EdDsa, x) => {
                vec![("kty", "OKP".into()), ("crv", "Ed25519".into()), ("x", coordinate(x))]
            }
            // RFC 7518 section 6.2; a byte says that both coordinates follow.
            (TokenAlgorithm::Es256, [_, point @ ..]) => {
                let (x, y) = point.split_at_checked(32)?;
                let (x, y) = (coordinate(x), coordinate(y));
                vec![("kty", "EC".into()), ("crv", "P-256".into()), ("x", x), ("y", y)]
            }
            _ => return None,
        };
        Some(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl Debug for LocalKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// Whether a secret that somebody chose can be one.
///
/// # Errors
/// When it is short, known or plainly not random.
pub(super) fn check_secret(secret: &[u8]) -> Result<(), KeyError> {
    let text = String::from_utf8_lossy(secret).to_ascii_lowercase();
    //= common.token.strong-key
    //= nftrainbow.token.published-key
    if SAMPLES.iter().any(|sample| text.contains(sample)) {
        return Err(KeyError::Sample);
    }
    if secret.len() < 32 {
        return Err(KeyError::Short);
    }
    if secret.iter().collect::<std::collections::BTreeSet<_>>().len() < 8 {
        return Err(KeyError::NotRandom);
    }
    Ok(())
}

/// A secret for tests, different for each number.
#[cfg(test)]
pub(super) fn test_secret(number: u8) -> [u8; 32] {
    std::array::from_fn(|index| number.wrapping_mul(32).wrapping_add(u8::try_from(index).unwrap_or_default()))
}

/// Secrets from documents and examples, in lower case. A secret that merely contains one is no better.
const SAMPLES: [&str; 6] =
    ["changeme", "jwt-openapi-key", "jwt_secret", "my-secret", "secret-key", "your-256-bit-secret"];

/// A name that says nothing of the key but which it is.
fn name(algorithm: &str, key: &[u8]) -> String {
    let hash =
        Sha256::new().chain_update("countersign kid ").chain_update(algorithm).chain_update(key).finalize();
    URL_SAFE_NO_PAD.encode_to_string(&hash[..9])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_secrets_are_refused() {
        assert_eq!(LocalKey::hs256(b"secret").unwrap_err(), KeyError::Short);
        assert_eq!(LocalKey::hs256(b"jwt-openapi-key").unwrap_err(), KeyError::Sample);
        assert_eq!(
            LocalKey::hs256(b"Your-256-Bit-Secret-padded-to-be-long-enough").unwrap_err(),
            KeyError::Sample
        );
        assert_eq!(LocalKey::hs256(&[1; 31]).unwrap_err(), KeyError::Short);
        assert_eq!(LocalKey::hs256(&[1; 32]).unwrap_err(), KeyError::NotRandom);
    }

    #[test]
    fn numbers_that_are_no_key_on_the_curve_are_refused() {
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let order: [u8; 32] = data_encoding::HEXLOWER.decode(order.as_bytes()).unwrap().try_into().unwrap();
        for bad in [[0; 32], [0xff; 32], order] {
            assert_eq!(LocalKey::es256(&bad).unwrap_err(), KeyError::NotOnCurve);
        }
        let mut below = order;
        below[31] -= 1;
        assert!(LocalKey::es256(&below).is_ok());
    }

    #[test]
    fn every_algorithm_signs_the_same_bytes_the_same_way() {
        let keys = [
            LocalKey::hs256(&test_secret(1)).unwrap(),
            LocalKey::ed25519(&[2; 32]),
            LocalKey::es256(&[3; 32]).unwrap(),
        ];
        for key in keys {
            let signature = key.sign(b"message").unwrap();
            assert_eq!(signature, key.sign(b"message").unwrap(), "{}", key.algorithm());
            assert!(key.verify(b"message", &signature));
            assert!(!key.verify(b"massage", &signature));
            for wrong in [&signature[1..], &[signature.as_slice(), &[0]].concat(), &[]] {
                assert!(!key.verify(b"message", wrong), "{} of {} bytes", key.algorithm(), wrong.len());
            }
        }
    }

    #[test]
    fn numbers_outside_the_group_sign_nothing() {
        let key = LocalKey::es256(&[3; 32]).unwrap();
        let good = key.sign(b"message").unwrap();
        let order = data_encoding::HEXLOWER
            .decode(b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
        let (order, zero) = (order.unwrap(), vec![0; 32]);
        let (r, s) = good.split_at(32);
        for (r, s) in [(&zero[..], s), (r, &zero), (&order, s), (r, &order), (&order, &order), (&zero, &zero)]
        {
            assert!(!key.verify(b"message", &[r, s].concat()));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = LocalKey::hs256(b"0123456789abcdefghijklmnopqrstuvwxyz").unwrap();
        assert!(!format!("{key:?}").contains("0123456789"));
    }
}
