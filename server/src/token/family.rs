//! One login is one family of refresh tokens, of which one is current.
//!
//! `current` is exchanged for its successor. The one before it, for a short window and until the successor is used, gets
//! the same successor again: an answer may have been lost, and two tabs may have asked at once. Anything older can only
//! be a copy, so the family ends. The store keeps no token, only what tokens of a generation are made from.

use super::Subject;
use super::session::SessionLimits;
use crate::accounts::Account;
use crate::audit::{AuditEvent, EndCause};
use crate::env::Timestamp;
use crate::error::{Denied, LoginError};
use crate::store::tables::{read, write};
use crate::store::{Key, Put, Space, Store};
use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What is kept about a family, written without the names of its members: it is read with every request of a session, and
/// names are half of it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Family {
    pub(super) subject: Subject,
    /// How often it was refreshed.
    pub(super) generation: u64,
    /// When the present generation was made.
    pub(super) issued_at: Timestamp,
    /// The key the present generation is signed with, so that its bytes stay the same when keys change.
    pub(super) kid: String,
    /// When somebody logged in.
    pub(super) began_at: Timestamp,
    /// When it was refreshed last.
    pub(super) active_at: Timestamp,
    /// The account whose password began it.
    #[serde(default)]
    pub(super) account: Option<AccountEpoch>,
    #[serde(default)]
    ended: Option<EndCause>,
    #[serde(default)]
    extended_until: Option<Timestamp>,
}

impl Serialize for Family {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // All of it, so that whoever adds a member has to add it here.
        let Self { subject, generation, issued_at, kid, began_at, active_at, account, ended, extended_until } =
            self;
        let subject = (&subject.id, &subject.attributes);
        let account = account.as_ref().map(|account| (&account.name, account.epoch));
        // In the order of their declaration, which is the one they are read in.
        (subject, generation, issued_at, kid, began_at, active_at, account, ended, extended_until)
            .serialize(serializer)
    }
}

/// An account as it was at a login.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct AccountEpoch {
    pub(super) name: String,
    pub(super) epoch: u64,
}

impl AccountEpoch {
    pub(super) fn of(account: &Account) -> Self {
        Self { name: account.name.clone(), epoch: account.epoch() }
    }
}

impl Family {
    pub(super) fn new(subject: Subject, now: Timestamp, kid: &str, account: Option<&Account>) -> Self {
        Self {
            subject,
            generation: 0,
            issued_at: now,
            kid: kid.to_owned(),
            began_at: now,
            active_at: now,
            account: account.map(AccountEpoch::of),
            ended: None,
            extended_until: None,
        }
    }

    fn tell_end(&self, scheme: &str, cause: EndCause, presented: u64) {
        let (subject, generation) = (self.subject.id.as_str(), self.generation);
        AuditEvent::SessionEnded { scheme, subject, cause, generation, presented }.tell();
    }

    /// Until when an access token of this generation was told to live on.
    pub(super) fn extended_until(&self, generation: u64) -> Timestamp {
        let until = self.extended_until.filter(|_| generation == self.generation);
        until.unwrap_or(Timestamp::from_millis(0))
    }
}

/// A refresh token's claim to be exchanged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn<'a> {
    pub(super) generation: u64,
    pub(super) now: Timestamp,
    pub(super) grace: u64,
    /// Set where the access tokens at hand shall live until then instead of being replaced.
    pub(super) extend_until: Option<Timestamp>,
    pub(super) limits: SessionLimits,
    pub(super) kid: &'a str,
}

/// The families in the store.
#[derive(Debug, Clone)]
pub(super) struct Families {
    store: Arc<dyn Store>,
}

impl Families {
    pub(super) const fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    pub(super) async fn add(
        &self,
        scheme: &str,
        session: &str,
        family: &Family,
        until: Timestamp,
    ) -> Result<(), LoginError> {
        if self.store.put(&key(scheme, session), write(family)?, until, Put::New).await? {
            return Ok(());
        }
        Err(LoginError::internal("a random session id was drawn twice"))
    }

    /// The family, unless it has ended.
    pub(super) async fn find(&self, scheme: &str, session: &str) -> Result<Family, LoginError> {
        Ok(self.load(&key(scheme, session)).await?.0)
    }

    /// Takes a turn: the family as it is afterwards, whose present generation is what the caller gets.
    pub(super) async fn turn(
        &self,
        scheme: &str,
        session: &str,
        turn: Turn<'_>,
        until: impl Fn(&Family) -> Timestamp,
    ) -> Result<Family, LoginError> {
        let key = key(scheme, session);
        for _ in 0..ATTEMPTS {
            let (mut family, was) = self.load(&key).await?;
            if turn.generation == family.generation {
                family.active_at = turn.now;
                match turn.extend_until {
                    Some(extended) => {
                        family.extended_until = Some(extended.min(turn.limits.end(family.began_at)));
                    }
                    None => {
                        family.generation += 1;
                        family.issued_at = turn.now;
                        family.kid = turn.kid.to_owned();
                    }
                }
                if self.store.swap(&key, was, write(&family)?, until(&family)).await? {
                    return Ok(family);
                }
                // Somebody was quicker; what they made is what we get, or the family has ended.
                continue;
            }
            let previous = turn.generation + 1 == family.generation;
            if previous && turn.now <= family.issued_at.plus_secs(turn.grace) {
                return Ok(family);
            }
            let cause = match turn.generation {
                _ if previous => EndCause::ReuseLate,
                presented if presented > family.generation => EndCause::ReuseAhead,
                _ => EndCause::ReuseOlder,
            };
            //= common.refresh.reuse
            //= common.refresh.used-up
            family.ended = Some(cause);
            if self.store.swap(&key, was, write(&family)?, until(&family)).await? {
                family.tell_end(scheme, cause, turn.generation);
                return Err(LoginError::new(Denied::TokenRefused, "a refresh token was used again"));
            }
        }
        Err(LoginError::internal("a family changed too often while it was refreshed"))
    }

    /// Ends the family; ending it again, or one that is gone, is fine. Of callers at once, one tells of it.
    pub(super) async fn end(&self, scheme: &str, session: &str, cause: EndCause) -> Result<(), LoginError> {
        let key = key(scheme, session);
        for _ in 0..ATTEMPTS {
            let (mut family, was) = match self.load(&key).await {
                Ok(found) => found,
                Err(error) if error.why() == Denied::TokenRefused.into() => return Ok(()),
                Err(error) => return Err(error),
            };
            family.ended = Some(cause);
            // It is kept as long as before: its tokens must find it ended.
            let until = family.issued_at.plus_secs(KEEP_ENDED);
            if self.store.swap(&key, was, write(&family)?, until).await? {
                if cause != EndCause::Logout {
                    family.tell_end(scheme, cause, family.generation);
                }
                return Ok(());
            }
        }
        Err(LoginError::internal("a family changed too often while it was ended"))
    }

    async fn load(&self, key: &Key) -> Result<(Family, Bytes), LoginError> {
        let refused = |reason| LoginError::new(Denied::TokenRefused, reason);
        let bytes = self.store.get(key).await?.ok_or_else(|| refused("the family is unknown"))?;
        let family: Family = read(&bytes)?;
        //= common.flow.sessions-independent
        if family.ended.is_some() {
            return Err(refused("the family has ended"));
        }
        Ok((family, bytes))
    }
}

/// The `jti` of a family's token: always the same for a generation and a use, never that of another.
pub(super) fn token_id(session: &str, generation: u64, r#use: &str) -> String {
    let hash = Sha256::digest(format!("{session} {generation} {use}", r#use = r#use));
    URL_SAFE_NO_PAD.encode_to_string(&hash[..16])
}

/// Changes by others that a caller sits out. Each lost swap means that another one succeeded.
const ATTEMPTS: usize = 64;
/// Seconds an ended family is kept for. A missing family refuses as well, so this only serves whoever looks into it.
const KEEP_ENDED: u64 = 30 * 24 * 3_600;

fn key(scheme: &str, session: &str) -> Key {
    Key::new(Space::Durable, &["family/", scheme, "/", session].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_read_as_it_was_written_also_with_the_names_of_its_members() {
        let subject =
            Subject { id: "user_1".into(), attributes: [("a".to_owned(), "b".into())].into_iter().collect() };
        let mut family = Family::new(subject, Timestamp::from_millis(7), "kid", None);
        family.generation = 3;
        family.account = Some(AccountEpoch { name: "ada".into(), epoch: 4 });
        family.ended = Some(EndCause::ReuseLate);
        family.extended_until = Some(Timestamp::from_millis(9));
        let written = write(&family).unwrap();
        assert_eq!(
            std::str::from_utf8(&written).unwrap(),
            r#"[["user_1",{"a":"b"}],3,7,"kid",7,7,["ada",4],"reuse-late",9]"#
        );
        let named = r#"{"subject":{"id":"user_1","attributes":{"a":"b"}},"generation":3,"issued_at":7,"kid":"kid",
            "began_at":7,"active_at":7,"account":{"name":"ada","epoch":4},"ended":"reuse-late","extended_until":9}"#;
        for text in [&written[..], named.as_bytes()] {
            assert_eq!(format!("{:?}", read::<Family>(text).unwrap()), format!("{family:?}"));
        }
        family.account = None;
        family.ended = None;
        family.extended_until = None;
        let without = read::<Family>(&write(&family).unwrap()).unwrap();
        assert_eq!(format!("{without:?}"), format!("{family:?}"));
    }
}
