//! Typed views on a [`Store`]: what is outstanding, and who registered which key.

use super::{Key, Put, Space, Store};
use crate::env::Timestamp;
use crate::error::{Denied, LoginError};
use crate::scheme::Registration;
use crate::token::Subject;
use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Challenges that wait for an answer.
///
/// Each stands for itself, so a stranger who asks in somebody's name takes nothing away from them. They are kept under a
/// hash of whom they are for and what they say: a dump of the store answers none.
#[derive(Debug, Clone)]
pub(crate) struct Challenges {
    store: Arc<dyn Store>,
}

/// A challenge that was found.
#[derive(Debug)]
pub(crate) struct Outstanding {
    key: Key,
    until: Timestamp,
}

impl Outstanding {
    /// Where wrong answers to it are counted: under the same hash.
    fn failures(&self) -> Key {
        let name = self.key.name();
        Key::new(Space::Ephemeral, &format!("{FAILURES}{}", name.strip_prefix(CHALLENGE).unwrap_or(name)))
    }
}

/// The table of challenges.
const CHALLENGE: &str = "challenge";
/// The table of wrong answers to them.
const FAILURES: &str = "failures";

#[derive(Serialize, Deserialize)]
struct Pending {
    until: Timestamp,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    kept: Value,
}

impl Challenges {
    pub(crate) const fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    pub(crate) async fn add(
        &self,
        scheme: &str,
        bound_to: &str,
        challenge: &str,
        pending: &Value,
        until: Timestamp,
    ) -> Result<(), LoginError> {
        //= common.challenge.survives-strangers
        //= swapchat.secret.survives-strangers
        //= common.challenge.expires
        let key = key(Space::Ephemeral, CHALLENGE, scheme, &[bound_to, challenge]);
        let value = write(&Pending { until, kept: pending.clone() })?;
        if self.store.put(&key, value, until, Put::New).await? {
            return Ok(());
        }
        Err(LoginError::internal("a random challenge was drawn twice"))
    }

    pub(crate) async fn find(
        &self,
        scheme: &str,
        bound_to: &str,
        candidates: &[String],
    ) -> Result<Option<(Outstanding, Value)>, LoginError> {
        for challenge in candidates {
            let key = key(Space::Ephemeral, CHALLENGE, scheme, &[bound_to, challenge]);
            if let Some(bytes) = self.store.get(&key).await? {
                let Pending { until, kept } = read(&bytes)?;
                return Ok(Some((Outstanding { key, until }, kept)));
            }
        }
        Ok(None)
    }

    /// Uses it up; says whether this call did.
    pub(crate) async fn used(&self, challenge: &Outstanding) -> Result<bool, LoginError> {
        Ok(self.store.take(&challenge.key).await?.is_some())
    }

    /// Counts a wrong answer, the last of which ends the challenge.
    pub(crate) async fn failed(&self, challenge: &Outstanding, tries: u64) -> Result<(), LoginError> {
        if self.store.bump(&challenge.failures(), challenge.until).await? >= tries {
            self.store.remove(&challenge.key).await?;
        }
        Ok(())
    }
}

/// Keys that were registered, by the name they were registered under.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    store: Arc<dyn Store>,
}

#[derive(Serialize, Deserialize)]
struct Registered {
    owner: String,
    subject: Subject,
    key: [u8; 32],
    /// The latest time any registration gave.
    stamp: u64,
    /// Keys that were replaced, the latest last.
    retired: Vec<[u8; 32]>,
}

impl Registry {
    pub(crate) const fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Registers a key under the subject's name. The name stays with the owner who took it first; that owner may
    /// replace the key.
    ///
    /// A login that was recorded could be played back to bring an old key into force again; so a key that was replaced
    /// comes back only with a time later than all before. That nobody else holds the same key is not asked: a stranger
    /// could otherwise take a public key and lock its holder out.
    pub(crate) async fn register(
        &self,
        scheme: &str,
        subject: &Subject,
        registration: &Registration,
    ) -> Result<(), LoginError> {
        let key = key(Space::Durable, "key", scheme, &[&subject.id]);
        let Registration { owner, key: new, stamp } = registration;
        for _ in 0..ATTEMPTS {
            let Some(was) = self.store.get(&key).await? else {
                let (owner, subject) = (owner.clone(), subject.clone());
                let first = Registered { owner, subject, key: *new, stamp: *stamp, retired: Vec::new() };
                if self.store.put(&key, write(&first)?, Timestamp::NEVER, Put::New).await? {
                    return self.remember_first(scheme, registration, subject_id(&first)).await;
                }
                continue;
            };
            let mut present: Registered = read(&was)?;
            if present.owner != *owner {
                return Err(LoginError::new(Denied::NameTaken, "the name is held by another owner"));
            }
            if present.key == *new && *stamp <= present.stamp {
                return Ok(());
            }
            if present.key != *new {
                if present.retired.contains(new) && *stamp <= present.stamp {
                    return Err(LoginError::new(
                        Denied::Proof,
                        "a login with a replaced key was played back",
                    ));
                }
                present.retired.push(present.key);
                if present.retired.len() > RETIRED {
                    present.retired.remove(0);
                }
                present.key = *new;
            }
            present.subject = subject.clone();
            present.stamp = present.stamp.max(*stamp);
            if self.store.swap(&key, was, write(&present)?, Timestamp::NEVER).await? {
                return self.remember_first(scheme, registration, subject_id(&present)).await;
            }
        }
        Err(LoginError::internal("a registered key changed too often"))
    }

    /// Who registered under this name, and the key in force.
    pub(crate) async fn find(
        &self,
        scheme: &str,
        name: &str,
    ) -> Result<Option<(Subject, [u8; 32])>, LoginError> {
        let key = key(Space::Durable, "key", scheme, &[name]);
        let found = self.store.get(&key).await?.map(|bytes| read::<Registered>(&bytes)).transpose()?;
        Ok(found.map(|registered| (registered.subject, registered.key)))
    }

    /// Who registered first for this owner.
    pub(crate) async fn first_of(&self, scheme: &str, owner: &str) -> Result<Option<Subject>, LoginError> {
        let key = key(Space::Durable, "owner", scheme, &[owner]);
        let Some(bytes) = self.store.get(&key).await? else { return Ok(None) };
        let name: String = read(&bytes)?;
        Ok(self.find(scheme, &name).await?.map(|(subject, _)| subject))
    }

    async fn remember_first(
        &self,
        scheme: &str,
        registration: &Registration,
        name: &str,
    ) -> Result<(), LoginError> {
        let key = key(Space::Durable, "owner", scheme, &[&registration.owner]);
        if self.store.get(&key).await?.is_none() {
            self.store.put(&key, write(&name)?, Timestamp::NEVER, Put::New).await?;
        }
        Ok(())
    }
}

fn subject_id(registered: &Registered) -> &str {
    &registered.subject.id
}

/// Replaced keys that are remembered for each name.
const RETIRED: usize = 16;
/// Changes by others that a caller sits out.
const ATTEMPTS: usize = 64;

/// A key made from a hash of its parts: parts come from callers and may be of any length, and some are secret.
pub(crate) fn key(space: Space, table: &str, scheme: &str, parts: &[&str]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let mut name = String::with_capacity(table.len() + scheme.len() + 30);
    for part in [table, "/", scheme, "/"] {
        name.push_str(part);
    }
    URL_SAFE_NO_PAD.encode_append(&hash.finalize()[..21], &mut name);
    Key::new(space, &name)
}

pub(crate) fn write<T: Serialize>(value: &T) -> Result<Bytes, LoginError> {
    // Without the spare room a growing vector has: there may be very many of these.
    let written = serde_json::to_vec(value).map(Vec::into_boxed_slice);
    written
        .map(Bytes::from)
        .map_err(|error| LoginError::internal(format!("a record cannot be written: {error}")))
}

pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, LoginError> {
    // As a text: serde_json would otherwise look at each member's encoding for itself.
    let read = std::str::from_utf8(bytes).map_err(|error| error.to_string());
    read.and_then(|text| serde_json::from_str(text).map_err(|error| error.to_string()))
        .map_err(|error| LoginError::internal(format!("a record cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::SystemClock;
    use crate::error::Why;
    use crate::store::MemoryStore;

    fn store() -> Arc<dyn Store> {
        Arc::new(MemoryStore::new(Arc::new(SystemClock)))
    }

    fn subject(id: &str) -> Subject {
        Subject { id: id.into(), attributes: serde_json::Map::new() }
    }

    fn registration(owner: &str, key: u8, stamp: u64) -> Registration {
        Registration { owner: owner.into(), key: [key; 32], stamp }
    }

    async fn outcome(registry: &Registry, owner: &str, key: u8, stamp: u64) -> Result<u8, Why> {
        registry
            .register("s", &subject("n"), &registration(owner, key, stamp))
            .await
            .map_err(|error| error.why())?;
        Ok(registry.find("s", "n").await.unwrap().unwrap().1[0])
    }

    #[tokio::test]
    async fn a_name_stays_with_its_first_owner_who_may_replace_the_key() {
        let registry = Registry::new(store());
        assert_eq!(outcome(&registry, "a", 1, 10).await, Ok(1));
        assert_eq!(outcome(&registry, "b", 2, 20).await, Err(Why::Denied(Denied::NameTaken)));
        assert_eq!(outcome(&registry, "a", 2, 20).await, Ok(2));
        assert_eq!(outcome(&registry, "a", 2, 20).await, Ok(2), "the same login again is the same login");
        assert_eq!(outcome(&registry, "a", 3, 5).await, Ok(3), "a new key may come with any time");
    }

    #[tokio::test]
    async fn a_replaced_key_comes_back_only_with_a_later_time() {
        let registry = Registry::new(store());
        for (key, stamp) in [(1, 10), (2, 20)] {
            outcome(&registry, "a", key, stamp).await.unwrap();
        }
        assert_eq!(outcome(&registry, "a", 1, 10).await, Err(Why::Denied(Denied::Proof)));
        assert_eq!(outcome(&registry, "a", 1, 21).await, Ok(1));
    }

    #[tokio::test]
    async fn the_first_name_of_an_owner_is_found() {
        let registry = Registry::new(store());
        assert!(registry.first_of("s", "a").await.unwrap().is_none());
        for name in ["n", "m"] {
            registry.register("s", &subject(name), &registration("a", 1, 1)).await.unwrap();
        }
        assert_eq!(registry.first_of("s", "a").await.unwrap().unwrap().id, "n");
        assert!(registry.first_of("other", "a").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_challenge_is_for_one_caller_once_and_for_few_tries() {
        let challenges = Challenges::new(store());
        let candidates = ["x".to_owned(), "c".to_owned()];
        let find = |who: &'static str| challenges.find("s", who, &candidates);
        challenges.add("s", "a", "c", &Value::Null, Timestamp::NEVER).await.unwrap();
        assert!(find("b").await.unwrap().is_none());
        let (found, _) = find("a").await.unwrap().unwrap();
        assert!(challenges.used(&found).await.unwrap());
        assert!(!challenges.used(&found).await.unwrap());

        challenges.add("s", "a", "c", &Value::Null, Timestamp::NEVER).await.unwrap();
        for wrong in 1..=5 {
            let (found, _) = find("a").await.unwrap().unwrap_or_else(|| panic!("gone before try {wrong}"));
            challenges.failed(&found, 5).await.unwrap();
        }
        assert!(find("a").await.unwrap().is_none());
    }
}
