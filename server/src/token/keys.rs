//! The keys of a server: which signs, which only check, and for how long.

use super::jwt;
use crate::env::Timestamp;
use crate::error::LoginError;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock};

/// Signs and checks with one key and one algorithm.
///
/// A key kept elsewhere, in a module or a service, implements this.
pub trait Signer: Debug + Send + Sync {
    /// The key's name, which tokens carry as `kid`.
    fn kid(&self) -> &str;

    /// The one algorithm it is used with, as `alg` says it.
    fn algorithm(&self) -> &'static str;

    /// The signature over these bytes. The same bytes must give the same signature: a refresh answered twice is answered
    /// alike.
    ///
    /// # Errors
    /// When the key cannot be used.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, LoginError>;

    /// Whether the signature is this key's over these bytes.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool;

    /// What a JWK (RFC 7517) says of the public half: `kty` and the members that go with it. Nothing for a secret that
    /// both sides must know.
    fn public_jwk(&self) -> Option<Map<String, Value>>;
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Only checks, until this moment or for as long as it is here: a secret that was replaced, or is to come.
    Accepted {
        /// From when on it does not.
        until: Option<Timestamp>,
    },
    /// Signs, and checks.
    Current,
    /// Published, and checks; will sign after the next rotation. By then whoever holds a copy of the keys has it.
    Next,
    /// Checks what it signed before this moment, until the last of that has ended.
    Retiring {
        /// When it signed last.
        since: Timestamp,
    },
}

/// A key and what it is for.
#[derive(Debug, Clone)]
pub struct RingKey {
    /// The key.
    pub signer: Arc<dyn Signer>,
    /// What it is for.
    pub state: KeyState,
}

impl RingKey {
    /// Whether a token that this key signed, and that lasts so many seconds at most, can still be good.
    pub(super) fn checks(&self, now: Timestamp, longest: u64) -> bool {
        match self.state {
            KeyState::Current | KeyState::Next => true,
            KeyState::Accepted { until } => until.is_none_or(|until| now < until),
            KeyState::Retiring { since } => now <= since.plus_secs(SPREAD).plus_secs(longest),
        }
    }
}

/// Seconds after a rotation within which every process that shares the keys signs with the new one.
pub const SPREAD: u64 = 10;

/// Seconds for which anybody may keep the published keys. A key is published for longer than this before it signs.
pub const KEY_SET_SECONDS: u32 = 300;

/// What writes tokens.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub(super) signer: &'a dyn Signer,
    /// The header of all tokens of this key.
    pub(super) header: Cow<'a, str>,
}

impl<'a> Writer<'a> {
    /// For a key whose tokens' header is not at hand.
    pub(super) fn new(signer: &'a dyn Signer) -> Self {
        Self { signer, header: Cow::Owned(jwt::header(signer)) }
    }
}

/// The keys at one moment.
#[derive(Debug, Clone)]
pub struct Keys {
    current: Arc<dyn Signer>,
    /// The header of all tokens of the current key.
    header: String,
    others: Vec<RingKey>,
}

impl Keys {
    /// One key that signs, and others that only check.
    #[must_use]
    pub fn new(current: Arc<dyn Signer>, others: Vec<RingKey>) -> Self {
        Self { header: jwt::header(current.as_ref()), current, others }
    }

    /// The key that signs.
    #[must_use]
    pub fn current(&self) -> &dyn Signer {
        self.current.as_ref()
    }

    /// The names of all keys, the one that signs first.
    pub(crate) fn names(&self) -> Vec<String> {
        let others = self.others.iter().map(|key| key.signer.kid());
        std::iter::once(self.current.kid()).chain(others).map(str::to_owned).collect()
    }

    /// The key of this name. Names are only compared: none is a path, a query or an address.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<RingKey> {
        if self.current.kid() == kid {
            return Some(RingKey { signer: self.current.clone(), state: KeyState::Current });
        }
        self.others.iter().find(|key| key.signer.kid() == kid).cloned()
    }

    /// The key that signs, if this is the header its tokens carry.
    pub(super) fn wrote(&self, header: &str) -> Option<RingKey> {
        (self.header == header).then(|| RingKey { signer: self.current.clone(), state: KeyState::Current })
    }

    /// The key that signs, with the header of all its tokens.
    pub(super) fn writer(&self) -> Writer<'_> {
        Writer { signer: self.current.as_ref(), header: Cow::Borrowed(&self.header) }
    }

    /// The same of the key of this name, or of the one that signs where it is gone.
    pub(super) fn writer_of(&self, kid: &str) -> Writer<'_> {
        let other = self.others.iter().find(|key| key.signer.kid() == kid && self.current.kid() != kid);
        other.map_or_else(|| self.writer(), |key| Writer::new(key.signer.as_ref()))
    }

    /// The public halves as a JWK set (RFC 7517 section 5). A secret shared for HMAC is no part of it.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let signers = std::iter::once(&self.current).chain(self.others.iter().map(|key| &key.signer));
        let keys: Vec<Value> = signers
            .filter_map(|signer| {
                let mut key = signer.public_jwk()?;
                for (name, value) in [("kid", signer.kid()), ("alg", signer.algorithm()), ("use", "sig")] {
                    key.insert(name.into(), value.into());
                }
                Some(Value::Object(key))
            })
            .collect();
        json!({ "keys": keys })
    }
}

/// The keys of a running server. Clones share them, so that a change is seen by all at once.
#[derive(Debug, Clone)]
pub struct KeyRing {
    // Held for as long as it takes to copy a pointer.
    keys: Arc<RwLock<Arc<Keys>>>,
}

impl KeyRing {
    /// A ring of one key.
    #[must_use]
    pub fn new(current: Arc<dyn Signer>) -> Self {
        Self::of(Keys::new(current, Vec::new()))
    }

    /// A ring of these keys.
    #[must_use]
    pub fn of(keys: Keys) -> Self {
        Self { keys: Arc::new(RwLock::new(Arc::new(keys))) }
    }

    /// The same ring with a further key to check with.
    #[must_use]
    pub fn with(self, other: Arc<dyn Signer>) -> Self {
        let mut keys = self.now().as_ref().clone();
        keys.others.push(RingKey { signer: other, state: KeyState::Next });
        Self::of(keys)
    }

    /// The keys at this moment.
    #[must_use]
    pub fn now(&self) -> Arc<Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other keys in their place, for every clone.
    pub fn replace(&self, keys: Keys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

#[cfg(test)]
mod tests {
    use super::super::local::{LocalKey, test_secret};
    use super::*;

    #[test]
    fn a_key_set_shows_public_halves_and_nothing_else() {
        let secret = LocalKey::hs256(&test_secret(1)).unwrap();
        let (ed, es) = (LocalKey::ed25519(&[2; 32]), LocalKey::es256(&[3; 32]).unwrap());
        let ring = KeyRing::new(Arc::new(secret)).with(Arc::new(ed)).with(Arc::new(es));
        let jwks = ring.now().jwks();
        let keys = jwks["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2, "a shared secret is not published");
        let names = |key: &Value| key.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&keys[0]), ["alg", "crv", "kid", "kty", "use", "x"]);
        assert_eq!(names(&keys[1]), ["alg", "crv", "kid", "kty", "use", "x", "y"]);
        assert_eq!((keys[0]["kty"].as_str(), keys[1]["kty"].as_str()), (Some("OKP"), Some("EC")));
    }

    #[test]
    fn a_retiring_key_checks_until_its_last_token_has_ended() {
        let signer: Arc<dyn Signer> = Arc::new(LocalKey::ed25519(&[2; 32]));
        let since = Timestamp::from_secs(1_000);
        let key = RingKey { signer, state: KeyState::Retiring { since } };
        assert!(key.checks(Timestamp::from_secs(1_000 + SPREAD + 60), 60));
        assert!(!key.checks(Timestamp::from_secs(1_001 + SPREAD + 60), 60));
    }

    #[test]
    fn an_accepted_key_checks_until_its_moment_whatever_lasts_longer() {
        let signer: Arc<dyn Signer> = Arc::new(LocalKey::ed25519(&[2; 32]));
        let checks = |until, now| {
            let key = RingKey { signer: signer.clone(), state: KeyState::Accepted { until } };
            key.checks(Timestamp::from_secs(now), 1_000)
        };
        let until = Some(Timestamp::from_secs(50));
        assert!(checks(until, 49) && !checks(until, 50) && checks(None, 1_000_000));
    }

    #[test]
    fn a_replacement_is_seen_by_every_clone() {
        let (one, two) = (LocalKey::ed25519(&[1; 32]), LocalKey::ed25519(&[2; 32]));
        let (first, second) = (one.kid().to_owned(), two.kid().to_owned());
        let ring = KeyRing::new(Arc::new(one));
        let clone = ring.clone();
        assert_eq!(clone.now().current().kid(), first);
        ring.replace(Keys::new(Arc::new(two), Vec::new()));
        assert_eq!(clone.now().current().kid(), second);
        assert!(clone.now().find(&first).is_none());
    }
}
