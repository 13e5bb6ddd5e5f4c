//! A running server follows changes of its ring.

use super::file::Stamp;
use super::{KeptRing, RingError, RingHome, sealed};
use crate::audit::AuditEvent;
use crate::observer;
use crate::token::keys::KeyRing;
use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Looks where a ring is kept and hands what changed to the server.
#[derive(Debug)]
pub struct Follower {
    home: RingHome,
    keys: KeyRing,
    serial: u64,
    seen: Seen,
}

/// What the last look saw, so that the next can tell a change without opening anything.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    File(Option<Stamp>),
    Store(Option<Bytes>),
}

impl Follower {
    /// Follows the ring that was read last.
    ///
    /// # Errors
    /// When the ring makes no sense.
    pub fn new(home: RingHome, ring: &KeptRing) -> Result<Self, RingError> {
        let keys = KeyRing::of(ring.open()?);
        Ok(Self { home, keys, serial: ring.serial(), seen: Seen::Nothing })
    }

    /// The keys it keeps up to date.
    #[must_use]
    pub fn keys(&self) -> KeyRing {
        self.keys.clone()
    }

    /// Looks once; says whether the keys changed. Where the ring cannot be read, or is gone, the keys stay as they are.
    ///
    /// # Errors
    /// When it cannot be read, or is older than the one in use.
    pub async fn look(&mut self) -> Result<bool, RingError> {
        let (seen, ring) = match &self.home {
            RingHome::File(file) => {
                let (file, was) = (
                    file.clone(),
                    match self.seen {
                        Seen::File(stamp) => stamp,
                        _ => None,
                    },
                );
                let look = tokio::task::spawn_blocking(move || {
                    let stamp = file.stamp()?;
                    let ring = if stamp == was { None } else { file.load()? };
                    Ok::<_, RingError>((Seen::File(stamp), ring))
                });
                look.await.map_err(|error| RingError::Broken {
                    place: "the file".into(),
                    problem: format!("reading it failed: {error}"),
                })??
            }
            RingHome::Sealed(sealed) => {
                let bytes = sealed.bytes().await?;
                let seen = Seen::Store(bytes);
                let ring = match &seen {
                    Seen::Store(Some(bytes)) if seen != self.seen => Some(sealed.unseal(bytes)?),
                    _ => None,
                };
                (seen, ring)
            }
        };
        self.seen = seen;
        let Some(ring) = ring.filter(|ring| ring.serial() != self.serial) else { return Ok(false) };
        if ring.serial() < self.serial {
            let place = match &self.home {
                RingHome::File(file) => file.place(),
                RingHome::Sealed(_) => sealed::PLACE.into(),
            };
            return Err(RingError::RolledBack(place));
        }
        self.keys.replace(ring.open()?);
        self.serial = ring.serial();
        Ok(true)
    }

    /// Looks again and again until what this returns is dropped.
    #[must_use]
    pub fn run(mut self) -> Following {
        Following::of(observer::carry(async move {
            let mut every = tokio::time::interval(self.home.interval());
            every.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut told = String::new();
            loop {
                every.tick().await;
                match self.look().await {
                    Ok(changed) => {
                        told.clear();
                        if changed {
                            let keys = self.keys.now();
                            AuditEvent::KeysChanged { signing: keys.current().kid() }.tell();
                        }
                    }
                    Err(error) => {
                        // Once, not every second for as long as it lasts.
                        let error = error.to_string();
                        if error != told {
                            tracing::error!(
                                error,
                                "the signing keys could not be read again; those in use stay"
                            );
                            told = error;
                        }
                    }
                }
            }
        }))
    }
}

/// A task that follows a ring; it ends when this is dropped.
#[derive(Debug)]
pub struct Following(JoinHandle<()>);

impl Following {
    /// Runs this until it is dropped.
    pub(crate) fn of(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{KeptState, KeyFile, SealedRing};
    use super::*;
    use crate::env::{SystemClock, SystemRandom, Timestamp};
    use crate::store::{Key, MemoryStore, Put, Space, Store};
    use crate::token::TokenAlgorithm;
    use std::sync::Arc;

    async fn made(home: &RingHome) -> KeptRing {
        home.update(|_| KeptRing::fresh(TokenAlgorithm::EdDsa, Timestamp::from_secs(0), &SystemRandom))
            .await
            .unwrap()
    }

    async fn rotated(home: &RingHome) -> KeptRing {
        let later = Timestamp::from_secs(10_000);
        let rotate = |ring: Option<KeptRing>| {
            let mut ring = ring.unwrap();
            ring.rotate(later, 60, true, &SystemRandom).map(|()| ring)
        };
        home.update(rotate).await.unwrap()
    }

    fn current(ring: &KeptRing) -> &str {
        ring.keys().iter().find(|key| key.state() == KeptState::Current).unwrap().kid()
    }

    fn homes() -> (tempfile::TempDir, Arc<dyn Store>, [RingHome; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let secret = "correct-horse-battery-staple-0123456789".into();
        let sealed = SealedRing::new(store.clone(), &secret, "us", Arc::new(SystemRandom)).unwrap();
        let homes = [RingHome::File(KeyFile::new(folder.path())), RingHome::Sealed(sealed)];
        (folder, store, homes)
    }

    #[tokio::test]
    async fn a_rotation_and_a_revocation_reach_every_follower() {
        let (_folder, _, homes) = homes();
        for home in homes {
            let ring = made(&home).await;
            let mut replicas: Vec<_> = (0..3).map(|_| Follower::new(home.clone(), &ring).unwrap()).collect();
            for replica in &mut replicas {
                assert!(!replica.look().await.unwrap(), "nothing changed");
            }
            let after = rotated(&home).await;
            for replica in &mut replicas {
                assert!(replica.look().await.unwrap());
                assert!(!replica.look().await.unwrap());
                let keys = replica.keys().now();
                assert_eq!(keys.current().kid(), current(&after));
                assert!(keys.find(current(&ring)).is_some(), "the one before still checks");
            }
            let bad = current(&ring).to_owned();
            home.update(|ring| {
                let mut ring = ring.unwrap();
                ring.revoke(&bad, Timestamp::from_secs(10_001), &SystemRandom).map(|()| ring)
            })
            .await
            .unwrap();
            for replica in &mut replicas {
                assert!(replica.look().await.unwrap());
                assert!(replica.keys().now().find(&bad).is_none());
            }
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_leaves_the_keys_in_use() {
        let (folder, store, homes) = homes();
        let key = Key::new(Space::Durable, "keyring");
        for home in homes {
            let ring = made(&home).await;
            let mut follower = Follower::new(home.clone(), &ring).unwrap();
            let (path, bytes) = (folder.path().join("keys.json"), "broken");
            match &home {
                RingHome::File(_) => std::fs::write(&path, bytes).unwrap(),
                RingHome::Sealed(_) => {
                    store.put(&key, bytes.into(), Timestamp::NEVER, Put::Replace).await.unwrap();
                }
            }
            assert!(follower.look().await.is_err());
            assert_eq!(follower.keys().now().current().kid(), current(&ring));
            match &home {
                RingHome::File(_) => std::fs::remove_file(&path).unwrap(),
                RingHome::Sealed(_) => store.remove(&key).await.unwrap(),
            }
            assert!(!follower.look().await.unwrap(), "a ring that is gone changes nothing");
            assert_eq!(follower.keys().now().current().kid(), current(&ring));
        }
    }

    #[tokio::test]
    async fn an_older_ring_that_is_put_back_is_not_taken() {
        let (_folder, store, [_, home]) = homes();
        let ring = made(&home).await;
        let key = Key::new(Space::Durable, "keyring");
        let old = store.get(&key).await.unwrap().unwrap();
        let mut follower = Follower::new(home.clone(), &ring).unwrap();
        let after = rotated(&home).await;
        assert!(follower.look().await.unwrap());
        store.put(&key, old, Timestamp::NEVER, Put::Replace).await.unwrap();
        assert!(matches!(follower.look().await, Err(RingError::RolledBack(_))));
        assert_eq!(follower.keys().now().current().kid(), current(&after));
    }
}
