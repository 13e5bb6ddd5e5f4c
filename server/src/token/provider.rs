//! The cryptography jsonwebtoken calls: HMAC-SHA-256, strict Ed25519 and deterministic ECDSA on P-256, on
//! the generation the rest of this crate uses.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use sha2::Sha256;
use std::sync::Once;

/// Makes this the process's provider, once. Where a program that embeds the server has set one before, that one stays:
/// it then computes the same three algorithms.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = PROVIDER.install_default();
    });
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(hs256(key.as_bytes())?)),
        Algorithm::EdDSA => Ok(Box::new(Ed25519Key(SigningKey::from_bytes(&array(key.as_bytes())?)))),
        Algorithm::ES256 => {
            let key = p256::ecdsa::SigningKey::from_slice(key.as_bytes());
            Ok(Box::new(P256Key(key.map_err(|_| ErrorKind::InvalidKeyFormat)?)))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let bytes = key.try_get_as_bytes()?;
    match algorithm {
        Algorithm::HS256 => Ok(Box::new(hs256(bytes)?)),
        Algorithm::EdDSA => {
            let key = VerifyingKey::from_bytes(&array(bytes)?).map_err(|_| ErrorKind::InvalidKeyFormat)?;
            Ok(Box::new(Ed25519PublicKey(key)))
        }
        Algorithm::ES256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes);
            Ok(Box::new(P256PublicKey(key.map_err(|_| ErrorKind::InvalidKeyFormat)?)))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn hs256(secret: &[u8]) -> Result<Hs256, Error> {
    let keyed = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| ErrorKind::InvalidKeyFormat)?;
    Ok(Hs256(keyed))
}

fn array(bytes: &[u8]) -> Result<[u8; 32], Error> {
    bytes.try_into().map_err(|_| ErrorKind::InvalidKeyFormat.into())
}

struct Hs256(Hmac<Sha256>);

impl signature::Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl signature::Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        // Compares in constant time, and refuses any other length.
        self.0.clone().chain_update(message).verify_slice(signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

struct Ed25519Key(SigningKey);

impl signature::Signer<Vec<u8>> for Ed25519Key {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.0.sign(message).to_bytes().to_vec())
    }
}

impl JwtSigner for Ed25519Key {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct Ed25519PublicKey(VerifyingKey);

impl signature::Verifier<Vec<u8>> for Ed25519PublicKey {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let signature =
            ed25519_dalek::Signature::from_slice(signature).map_err(|_| signature::Error::new())?;
        self.0.verify_strict(message, &signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Ed25519PublicKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::EdDSA
    }
}

struct P256Key(p256::ecdsa::SigningKey);

impl signature::Signer<Vec<u8>> for P256Key {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        // RFC 6979: the nonce follows from key and message.
        let signature: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(&self.0, message);
        Ok(signature.to_bytes().to_vec())
    }
}

impl JwtSigner for P256Key {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

struct P256PublicKey(p256::ecdsa::VerifyingKey);

impl signature::Verifier<Vec<u8>> for P256PublicKey {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        // r and s of 32 bytes each, as RFC 7518 section 3.4 has it; DER is refused with every other length.
        let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_| signature::Error::new())?;
        p256::ecdsa::signature::Verifier::verify(&self.0, message, &signature)
            .map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for P256PublicKey {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

#[cfg(test)]
mod published;
