//! The cryptography of the three algorithms, in the form that jsonwebtoken has for it: HMAC-SHA-256, strict Ed25519 and
//! deterministic ECDSA on P-256, on the generation that the rest of this crate uses.
//!
//! A key is made ready once. jsonwebtoken's own functions make one anew for each token: they would derive the public half
//! for each Ed25519 signature and hash an HMAC's key twice.

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto::{JwtSigner, JwtVerifier};
use sha2::Sha256;

/// Signs with one key.
pub(super) type Signing = Box<dyn JwtSigner + Send + Sync>;
/// Checks what the other half of the key signed.
pub(super) type Checking = Box<dyn JwtVerifier + Send + Sync>;

/// Both halves of a secret for HMAC, which are one; nothing where it cannot be one.
pub(super) fn hs256(secret: &[u8]) -> Option<(Signing, Checking)> {
    let key = Hs256(Hmac::<Sha256>::new_from_slice(secret).ok()?);
    Some((Box::new(key.clone()), Box::new(key)))
}

/// Both halves of an Ed25519 key.
pub(super) fn ed25519(key: SigningKey) -> (Signing, Checking) {
    let public = Ed25519PublicKey(key.verifying_key());
    (Box::new(Ed25519Key(key)), Box::new(public))
}

/// Both halves of a key on P-256.
pub(super) fn es256(key: p256::ecdsa::SigningKey) -> (Signing, Checking) {
    let public = P256PublicKey(*key.verifying_key());
    (Box::new(P256Key(key)), Box::new(public))
}

#[derive(Clone)]
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
