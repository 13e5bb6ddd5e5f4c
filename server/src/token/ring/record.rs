//! What is kept of a ring, and how it changes: no file, no store.

use super::RingError;
use crate::env::{Random, Timestamp, random_bytes};
use crate::token::keys::{KEY_SET_SECONDS, KeyState, Keys, RingKey, SPREAD, Signer};
use crate::token::local::{KeyError, LocalKey, TokenAlgorithm};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::sync::Arc;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// All keys of a server, those revoked among them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptRing {
    /// One more with every change.
    serial: u64,
    keys: Vec<KeptKey>,
}

/// A key as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptKey {
    kid: String,
    algorithm: TokenAlgorithm,
    state: KeptState,
    since: Timestamp,
    /// Gone once the key is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Seed>,
}

/// What a kept key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeptState {
    /// Signs, and checks.
    Current,
    /// Published, and signs after the next rotation.
    Next,
    /// Checks what it signed.
    Retiring,
    /// Refused.
    Revoked,
}

impl KeptKey {
    /// Its name.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> TokenAlgorithm {
        self.algorithm
    }

    /// What it is for.
    #[must_use]
    pub const fn state(&self) -> KeptState {
        self.state
    }

    /// Since when.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    fn fresh(
        algorithm: TokenAlgorithm,
        state: KeptState,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Self, RingError> {
        for _ in 0..DRAWS {
            let seed = Seed(random_bytes::<32>(random)?);
            // One number in 2^32 is no key on P-256; another is drawn.
            if let Ok(signer) = LocalKey::from_seed(algorithm, &seed.0) {
                let kid = signer.kid().to_owned();
                return Ok(Self { kid, algorithm, state, since: now, secret: Some(seed) });
            }
        }
        Err(broken("the source of randomness gives no usable key"))
    }

    fn signer(&self) -> Result<Option<Arc<dyn Signer>>, KeyError> {
        let Some(seed) = &self.secret else { return Ok(None) };
        let signer = LocalKey::from_seed(self.algorithm, &seed.0)?;
        Ok(Some(Arc::new(signer)))
    }
}

impl KeptRing {
    /// A ring with a key that signs and one that will.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn fresh(algorithm: TokenAlgorithm, now: Timestamp, random: &dyn Random) -> Result<Self, RingError> {
        let key = |state| KeptKey::fresh(algorithm, state, now, random);
        Ok(Self { serial: 1, keys: vec![key(KeptState::Current)?, key(KeptState::Next)?] })
    }

    /// The keys, those revoked among them.
    #[must_use]
    pub fn keys(&self) -> &[KeptKey] {
        &self.keys
    }

    /// How often it was changed.
    #[must_use]
    pub const fn serial(&self) -> u64 {
        self.serial
    }

    /// Makes the next key one of this algorithm; says whether that changed anything.
    ///
    /// # Errors
    /// When there are no random bytes.
    pub fn prepare(
        &mut self,
        algorithm: TokenAlgorithm,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<bool, RingError> {
        let next = self.place(KeptState::Next)?;
        if self.keys[next].algorithm == algorithm {
            return Ok(false);
        }
        self.keys[next] = KeptKey::fresh(algorithm, KeptState::Next, now, random)?;
        self.serial += 1;
        Ok(true)
    }

    /// Signs with the next key from now on, and publishes one after it. The present key goes on checking what it signed.
    /// Keys of which no token can be left, when tokens last `longest` seconds, are dropped.
    ///
    /// # Errors
    /// [`RingError::TooSoon`] unless `hurry`, or when there are no random bytes.
    pub fn rotate(
        &mut self,
        now: Timestamp,
        longest: u64,
        hurry: bool,
        random: &dyn Random,
    ) -> Result<(), RingError> {
        let (current, next) = (self.place(KeptState::Current)?, self.place(KeptState::Next)?);
        let wait = self.keys[next].since.plus_secs(published_for(self.keys[next].algorithm));
        if now < wait && !hurry {
            return Err(RingError::TooSoon(wait.secs().saturating_sub(now.secs()).max(1)));
        }
        let after = KeptKey::fresh(self.keys[next].algorithm, KeptState::Next, now, random)?;
        for (place, state) in [(current, KeptState::Retiring), (next, KeptState::Current)] {
            (self.keys[place].state, self.keys[place].since) = (state, now);
        }
        self.keys.push(after);
        let over = |key: &KeptKey| {
            matches!(key.state, KeptState::Retiring | KeptState::Revoked)
                && key.since.plus_secs(SPREAD).plus_secs(longest) < now
        };
        self.keys.retain(|key| !over(key));
        self.serial += 1;
        Ok(())
    }

    /// Refuses everything this key signed. Where it is the one that signs, the next one does from now on. Revoking it
    /// again is fine.
    ///
    /// # Errors
    /// When no key has this name, or there are no random bytes.
    pub fn revoke(&mut self, kid: &str, now: Timestamp, random: &dyn Random) -> Result<(), RingError> {
        let Some(place) = self.keys.iter().position(|key| key.kid == kid) else {
            let known: Vec<&str> = self.keys.iter().map(KeptKey::kid).collect();
            return Err(RingError::Unknown { kid: kid.to_owned(), known: known.join(", ") });
        };
        let next = self.place(KeptState::Next)?;
        match self.keys[place].state {
            KeptState::Revoked => return Ok(()),
            KeptState::Retiring => {}
            was @ (KeptState::Current | KeptState::Next) => {
                let after = KeptKey::fresh(self.keys[next].algorithm, KeptState::Next, now, random)?;
                if was == KeptState::Current {
                    (self.keys[next].state, self.keys[next].since) = (KeptState::Current, now);
                }
                self.keys.push(after);
            }
        }
        let key = &mut self.keys[place];
        (key.state, key.since, key.secret) = (KeptState::Revoked, now, None);
        self.serial += 1;
        Ok(())
    }

    /// The keys to sign and check with.
    ///
    /// # Errors
    /// When what is kept makes no sense.
    pub fn open(&self) -> Result<Keys, RingError> {
        let mut names = BTreeSet::new();
        let (mut current, mut others) = (None, Vec::new());
        for key in &self.keys {
            if !names.insert(key.kid.as_str()) {
                return Err(broken("two keys have one name"));
            }
            let signer = key.signer().map_err(|error| broken(&error.to_string()))?;
            let signer = match (signer, key.state) {
                (_, KeptState::Revoked) => continue,
                (Some(signer), _) if signer.kid() == key.kid => signer,
                _ => return Err(broken(&format!("the key `{}` is not the one of that name", key.kid))),
            };
            let state = match key.state {
                KeptState::Next => KeyState::Next,
                KeptState::Retiring => KeyState::Retiring { since: key.since },
                KeptState::Current | KeptState::Revoked => {
                    if current.replace(signer).is_some() {
                        return Err(broken("two keys would sign"));
                    }
                    continue;
                }
            };
            others.push(RingKey { signer, state });
        }
        self.place(KeptState::Next)?;
        current.map(|current| Keys::new(current, others)).ok_or_else(|| broken("no key would sign"))
    }

    /// The ring as text. It holds the keys.
    pub(super) fn write(&self) -> Result<Zeroizing<Vec<u8>>, RingError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| broken(&error.to_string()))?;
        Ok(Zeroizing::new(text))
    }

    /// Reads what [`Self::write`] wrote.
    pub(super) fn read(text: &[u8], place: &str) -> Result<Self, RingError> {
        // The parser's words could quote a key, so only the place is told.
        let ring: Self = serde_json::from_slice(text).map_err(|error| RingError::Broken {
            place: place.to_owned(),
            problem: format!("line {} is no part of a key ring", error.line()),
        })?;
        ring.open().map(|_| ()).map_err(|error| match error {
            RingError::Broken { problem, .. } => RingError::Broken { place: place.to_owned(), problem },
            other => other,
        })?;
        Ok(ring)
    }

    fn place(&self, state: KeptState) -> Result<usize, RingError> {
        let place = self.keys.iter().position(|key| key.state == state);
        place.ok_or_else(|| broken("a key is missing: one must sign and one must be next"))
    }
}

/// Seconds a key is known before it signs: the public half to whoever keeps the published set, a shared secret to the
/// other replicas.
const fn published_for(algorithm: TokenAlgorithm) -> u64 {
    match algorithm {
        TokenAlgorithm::Hs256 => SPREAD,
        TokenAlgorithm::EdDsa | TokenAlgorithm::Es256 => KEY_SET_SECONDS as u64 + SPREAD,
    }
}

/// Draws for one key.
const DRAWS: usize = 4;

fn broken(problem: &str) -> RingError {
    RingError::Broken { place: "the ring".into(), problem: problem.to_owned() }
}

/// What a key is made from. Written as hex, never shown, and wiped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Seed([u8; 32]);

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Serialize for Seed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(data_encoding::HEXLOWER.encode(&self.0)))
    }
}

impl<'de> Deserialize<'de> for Seed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok().map(Zeroizing::new);
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        bytes.map(Self).ok_or_else(|| serde::de::Error::custom("a secret is 64 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemRandom;

    const LONGEST: u64 = 1_000;

    fn ring(algorithm: TokenAlgorithm) -> KeptRing {
        KeptRing::fresh(algorithm, Timestamp::from_secs(0), &SystemRandom).unwrap()
    }

    fn kid(ring: &KeptRing, state: KeptState) -> String {
        ring.keys()[ring.place(state).unwrap()].kid.clone()
    }

    fn rotate(ring: &mut KeptRing, at: u64) -> Result<(), RingError> {
        ring.rotate(Timestamp::from_secs(at), LONGEST, false, &SystemRandom)
    }

    #[test]
    fn a_rotation_signs_with_the_key_that_was_published_and_keeps_the_one_before() {
        for algorithm in [TokenAlgorithm::Hs256, TokenAlgorithm::EdDsa, TokenAlgorithm::Es256] {
            let mut ring = ring(algorithm);
            let (first, next) = (kid(&ring, KeptState::Current), kid(&ring, KeptState::Next));
            rotate(&mut ring, 10_000).unwrap();
            let keys = ring.open().unwrap();
            assert_eq!(keys.current().kid(), next);
            assert_eq!(keys.find(&kid(&ring, KeptState::Next)).unwrap().state, KeyState::Next);
            let since = Timestamp::from_secs(10_000);
            assert_eq!(keys.find(&first).unwrap().state, KeyState::Retiring { since });
        }
    }

    #[test]
    fn a_rotation_waits_until_everybody_can_know_the_next_key() {
        for (algorithm, seconds) in
            [(TokenAlgorithm::Hs256, 10), (TokenAlgorithm::EdDsa, 310), (TokenAlgorithm::Es256, 310)]
        {
            let mut ring = ring(algorithm);
            let before = ring.serial();
            assert!(matches!(rotate(&mut ring, seconds - 1), Err(RingError::TooSoon(1))));
            assert_eq!(ring.serial(), before, "nothing was changed");
            rotate(&mut ring, seconds).unwrap();
            assert!(matches!(rotate(&mut ring, seconds), Err(RingError::TooSoon(_))), "the one after it too");
            ring.rotate(Timestamp::from_secs(seconds), LONGEST, true, &SystemRandom).unwrap();
        }
    }

    #[test]
    fn keys_are_dropped_when_their_last_token_has_ended() {
        let mut ring = ring(TokenAlgorithm::EdDsa);
        let first = kid(&ring, KeptState::Current);
        rotate(&mut ring, 1_000).unwrap();
        rotate(&mut ring, 1_000 + LONGEST + SPREAD).unwrap();
        assert!(ring.open().unwrap().find(&first).is_some());
        rotate(&mut ring, 1_001 + 2 * (LONGEST + SPREAD)).unwrap();
        assert!(ring.keys().iter().all(|key| key.kid != first));
        assert_eq!(ring.keys().len(), 3, "what retired first is gone, what retired last is not");
    }

    #[test]
    fn a_revoked_key_is_gone_at_once_and_its_secret_with_it() {
        for state in [KeptState::Current, KeptState::Next, KeptState::Retiring] {
            let mut ring = ring(TokenAlgorithm::Hs256);
            rotate(&mut ring, 100).unwrap();
            let (bad, next) = (kid(&ring, state), kid(&ring, KeptState::Next));
            ring.revoke(&bad, Timestamp::from_secs(101), &SystemRandom).unwrap();
            let keys = ring.open().unwrap();
            assert!(keys.find(&bad).is_none(), "{state:?}");
            if state == KeptState::Current {
                assert_eq!(keys.current().kid(), next);
            }
            let key = ring.keys().iter().find(|key| key.kid == bad).unwrap();
            assert!(key.secret.is_none() && key.state == KeptState::Revoked);
            let serial = ring.serial();
            ring.revoke(&bad, Timestamp::from_secs(102), &SystemRandom).unwrap();
            assert_eq!(ring.serial(), serial, "again is fine");
        }
        let error = ring(TokenAlgorithm::Hs256).revoke("x", Timestamp::NEVER, &SystemRandom).unwrap_err();
        assert!(error.to_string().starts_with("there is no key `x`; the keys are "), "{error}");
    }

    #[test]
    fn another_algorithm_is_published_before_it_signs() {
        let mut ring = ring(TokenAlgorithm::Hs256);
        let now = Timestamp::from_secs(1_000);
        assert!(!ring.prepare(TokenAlgorithm::Hs256, now, &SystemRandom).unwrap());
        assert!(ring.prepare(TokenAlgorithm::Es256, now, &SystemRandom).unwrap());
        assert_eq!(ring.open().unwrap().current().algorithm(), "HS256");
        assert!(matches!(rotate(&mut ring, 1_001), Err(RingError::TooSoon(309))));
        rotate(&mut ring, 1_310).unwrap();
        assert_eq!(ring.open().unwrap().current().algorithm(), "ES256");
    }

    #[test]
    fn what_is_written_is_read_and_what_makes_no_sense_is_refused_without_a_quote() {
        let ring = ring(TokenAlgorithm::EdDsa);
        let text = String::from_utf8(ring.write().unwrap().to_vec()).unwrap();
        assert_eq!(KeptRing::read(text.as_bytes(), "x").unwrap().serial(), 1);
        let secret = data_encoding::HEXLOWER.encode(&ring.keys()[0].secret.as_ref().unwrap().0);
        assert!(text.contains(&secret) && !format!("{ring:?}").contains(&secret));
        let wrong = [
            text.replace("\"next\"", "\"current\""),
            text.replace("\"current\"", "\"next\""),
            text.replace("\"next\"", "\"revoked\""),
            text.replace("EdDSA", "ES256"),
            text.replace(&secret, &"0".repeat(64)),
            text.replace(&secret, &secret[1..]),
            text.replace("\"serial\"", "\"cereal\""),
            text.replace(ring.keys()[1].kid(), ring.keys()[0].kid()),
            text[..text.len() - 3].to_owned(),
            String::new(),
        ];
        for text in wrong {
            let error = KeptRing::read(text.as_bytes(), "the place").unwrap_err().to_string();
            assert!(error.starts_with("the keys in the place cannot be used: "), "{error}");
            assert!(!error.contains(&secret[1..]), "{error}");
        }
    }
}
