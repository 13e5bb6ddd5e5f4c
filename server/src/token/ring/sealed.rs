//! A key ring in a store that replicas share, sealed so that who can read the store can sign nothing.

use super::{KeptRing, RingError};
use crate::env::{Random, Timestamp, random_bytes};
use crate::store::{Key, Put, Space, Store};
use crate::token::local::check_secret;
use bytes::Bytes;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A ring under ChaCha20-Poly1305, whose key is derived from a secret that every replica is given.
#[derive(Clone)]
pub struct SealedRing {
    store: Arc<dyn Store>,
    random: Arc<dyn Random>,
    sealing: Arc<LessSafeKey>,
    /// What the seal vouches for beside the ring: a ring of another server is no ring of ours.
    bound_to: String,
    key: Key,
}

impl SealedRing {
    /// The ring of the server of this name (`iss`) in this store.
    ///
    /// # Errors
    /// When the secret is short, known or plainly not random.
    pub fn new(
        store: Arc<dyn Store>,
        secret: &SecretString,
        issuer: &str,
        random: Arc<dyn Random>,
    ) -> Result<Self, RingError> {
        let secret = secret.expose_secret().as_bytes();
        check_secret(secret).map_err(RingError::Weak)?;
        // The secret has all the entropy there is; the salt only keeps this use apart from others.
        let derived = Salt::new(HKDF_SHA256, b"countersign key ring").extract(secret);
        let key = derived.expand(&[b"chacha20-poly1305"], &CHACHA20_POLY1305);
        let key = key.map_err(|_| RingError::Sealed(PLACE.into()))?;
        let sealing = Arc::new(LessSafeKey::new(UnboundKey::from(key)));
        let bound_to = format!("countersign key ring {FORMAT} {issuer}");
        let key = Key::new(Space::Durable, "keyring");
        Ok(Self { store, random, sealing, bound_to, key })
    }

    /// The ring and the bytes it was read from, if one was made.
    ///
    /// # Errors
    /// When the store fails, the secret is another, or the bytes were changed.
    pub async fn load(&self) -> Result<Option<(KeptRing, Bytes)>, RingError> {
        let Some(bytes) = self.store.get(&self.key).await? else { return Ok(None) };
        Ok(Some((self.unseal(&bytes)?, bytes)))
    }

    /// The bytes as they are, to tell a change by.
    pub(super) async fn bytes(&self) -> Result<Option<Bytes>, RingError> {
        Ok(self.store.get(&self.key).await?)
    }

    /// Changes the ring, or makes it from nothing; of replicas that do so at once, the later ones see what the earlier did.
    ///
    /// # Errors
    /// When the store fails or the ring cannot be read, or what `change` says; then nothing was changed.
    pub async fn update(
        &self,
        mut change: impl FnMut(Option<KeptRing>) -> Result<KeptRing, RingError>,
    ) -> Result<KeptRing, RingError> {
        for _ in 0..ATTEMPTS {
            let (was, bytes) = self.load().await?.unzip();
            let serial = was.as_ref().map(KeptRing::serial);
            let ring = change(was)?;
            if serial == Some(ring.serial()) {
                return Ok(ring);
            }
            let value = self.seal(&ring)?;
            let stored = match bytes {
                None => self.store.put(&self.key, value, Timestamp::NEVER, Put::New).await?,
                Some(was) => self.store.swap(&self.key, was, value, Timestamp::NEVER).await?,
            };
            if stored {
                return Ok(ring);
            }
        }
        Err(RingError::Busy(PLACE.into()))
    }

    fn seal(&self, ring: &KeptRing) -> Result<Bytes, RingError> {
        // Drawn anew for each of the few changes a ring ever sees, so no two are alike.
        let nonce = random_bytes::<NONCE_LEN>(self.random.as_ref())?;
        let mut text = ring.write()?;
        let tag = self
            .sealing
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), self.aad(), &mut text)
            .map_err(|_| RingError::Sealed(PLACE.into()))?;
        Ok([&[FORMAT], nonce.as_slice(), text.as_slice(), tag.as_ref()].concat().into())
    }

    pub(super) fn unseal(&self, bytes: &[u8]) -> Result<KeptRing, RingError> {
        let sealed = || RingError::Sealed(PLACE.into());
        let rest = bytes.strip_prefix(&[FORMAT]).ok_or_else(sealed)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or_else(sealed)?;
        let mut text = Zeroizing::new(rest.to_vec());
        let opened = self.sealing.open_in_place(Nonce::assume_unique_for_key(*nonce), self.aad(), &mut text);
        KeptRing::read(opened.map_err(|_| sealed())?, PLACE)
    }

    fn aad(&self) -> Aad<&[u8]> {
        Aad::from(self.bound_to.as_bytes())
    }
}

impl std::fmt::Debug for SealedRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedRing").field("bound_to", &self.bound_to).finish_non_exhaustive()
    }
}

pub(super) const PLACE: &str = "the store";
/// The first byte of what is stored.
const FORMAT: u8 = 1;
/// Changes by others that a caller sits out.
const ATTEMPTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::{SystemClock, SystemRandom};
    use crate::store::MemoryStore;
    use crate::token::TokenAlgorithm;

    const SECRET: &str = "correct-horse-battery-staple-0123456789";

    fn store() -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(Arc::new(SystemClock)))
    }

    fn sealed(store: &Arc<dyn Store>, secret: &str, issuer: &str) -> Result<SealedRing, RingError> {
        SealedRing::new(store.clone(), &secret.into(), issuer, Arc::new(SystemRandom))
    }

    fn fresh(was: Option<KeptRing>) -> Result<KeptRing, RingError> {
        match was {
            Some(ring) => Ok(ring),
            None => KeptRing::fresh(TokenAlgorithm::Hs256, Timestamp::from_secs(1), &SystemRandom),
        }
    }

    #[tokio::test]
    async fn replicas_that_start_at_once_share_one_ring() {
        let store = store();
        let starts: Vec<_> = (0..8)
            .map(|_| {
                let replica = sealed(&store, SECRET, "us").unwrap();
                tokio::spawn(async move { replica.update(fresh).await.unwrap().keys()[0].kid().to_owned() })
            })
            .collect();
        let mut kids = std::collections::BTreeSet::new();
        for start in starts {
            kids.insert(start.await.unwrap());
        }
        assert_eq!(kids.len(), 1);
    }

    #[tokio::test]
    async fn a_ring_opens_only_with_its_secret_for_its_server_and_unchanged() {
        let store = store();
        let ours = sealed(&store, SECRET, "us").unwrap();
        ours.update(fresh).await.unwrap();
        assert!(ours.load().await.unwrap().is_some());
        let other_secret = format!("{SECRET}!");
        for (secret, issuer) in [(other_secret.as_str(), "us"), (SECRET, "them")] {
            let other = sealed(&store, secret, issuer).unwrap();
            assert!(matches!(other.load().await, Err(RingError::Sealed(_))));
        }
        let bytes = ours.bytes().await.unwrap().unwrap();
        for place in [0, 1, 12, 13, bytes.len() - 1] {
            let mut changed = bytes.to_vec();
            changed[place] ^= 1;
            assert!(ours.unseal(&changed).is_err(), "byte {place}");
        }
        for length in [0, 1, 12, 13, 28, bytes.len() - 1] {
            assert!(ours.unseal(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[tokio::test]
    async fn what_is_stored_shows_no_key() {
        let store = store();
        let ours = sealed(&store, SECRET, "us").unwrap();
        let ring = ours.update(fresh).await.unwrap();
        let text = String::from_utf8(ring.write().unwrap().to_vec()).unwrap();
        let stored = ours.bytes().await.unwrap().unwrap();
        for line in text.lines().map(str::trim).filter(|line| line.len() > 8) {
            assert!(!stored.windows(line.len()).any(|window| window == line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn weak_secrets_seal_nothing() {
        for weak in ["", "short", "changeme-changeme-changeme-changeme", &"a".repeat(64)] {
            assert!(matches!(sealed(&store(), weak, "us"), Err(RingError::Weak(_))), "{weak}");
        }
    }
}
