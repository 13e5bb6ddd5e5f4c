//! The one issuer behind every scheme.
//!
//! A plugin says who logged in; only this module makes tokens. Each is bound to its scheme (`aud`), its use (`use`) and
//! this issuer (`iss`), and all of that is checked here and nowhere else.

mod claims;
mod crypto;
pub mod family;
pub mod jwt;
pub mod keys;
mod local;
#[cfg(any(test, feature = "test-util"))]
pub mod model;
mod policy;
pub mod ring;
mod session;
mod writing;

use crate::accounts::{Account, Standing};
use crate::audit::EndCause;
use crate::env::{Clock, Random, Timestamp};
use crate::error::{Denied, Fault, LoginError, Why};
use crate::nonces::Nonces;
use crate::store::Store;
use family::{AccountEpoch, Families, Family};
use jwt::{Claims, Expected};
pub use keys::{KeyRing, KeyState, Keys, RingKey, Signer};
pub use local::{KeyError, LocalKey, TokenAlgorithm};
pub use policy::{From, Policy, Renewal, TokenRules, Use};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
pub use session::SessionLimits;
use session::Sessions;
use std::sync::Arc;
use writing::keep_until;

/// Who logged in, as a plugin says it and tokens carry it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What the account is called within its scheme, for ever.
    pub id: String,
    /// What the scheme wants to know again when a token comes back.
    pub attributes: Map<String, Value>,
}

/// A good token, read.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who holds it.
    pub subject: Subject,
    /// When it ends.
    pub ends: Timestamp,
    session: Option<String>,
}

/// Fresh tokens.
#[derive(Clone)]
pub struct Tokens {
    /// Authorises requests.
    pub access: String,
    /// Seconds from issue.
    pub lifetime: u64,
    /// When the access token ends.
    pub ends: Timestamp,
    /// Exchanged for the next pair, where the scheme has one.
    pub refresh: Option<RefreshToken>,
}

/// The refreshing half of a pair.
#[derive(Clone)]
pub struct RefreshToken {
    /// The token.
    pub token: String,
    /// Seconds from issue.
    pub lifetime: u64,
}

/// Not its content: whoever logs it would log a key to an account.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RefreshToken").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// A token presented for renewal, found good so far.
#[derive(Debug)]
pub struct Presented {
    /// Who holds it.
    pub subject: Subject,
    claims: Claims,
    at: Timestamp,
}

/// Makes, checks, renews and ends tokens for all schemes.
#[derive(Debug, Clone)]
pub struct Issuer {
    name: Arc<str>,
    keys: KeyRing,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    nonces: Nonces,
    families: Families,
    sessions: Sessions,
}

impl Issuer {
    /// An issuer of this name, which becomes `iss`. Sessions have the usual limits.
    #[must_use]
    pub fn new(
        name: &str,
        keys: KeyRing,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let sessions = Sessions { limits: SessionLimits::DEFAULT, standing: Standing::new(store.clone()) };
        let nonces = Nonces::new(random.clone());
        Self { name: name.into(), keys, families: Families::new(store), sessions, clock, random, nonces }
    }

    /// The same issuer with these limits of sessions.
    #[must_use]
    pub const fn limits(mut self, limits: SessionLimits) -> Self {
        self.sessions.limits = limits;
        self
    }

    /// Tokens for somebody who has just proved who they are; where that was with the password of an account, they end
    /// when it is changed or the account is disabled.
    ///
    /// # Errors
    /// When the store or the source of randomness fails.
    pub async fn grant(
        &self,
        rules: &dyn TokenRules,
        subject: &Subject,
        account: Option<&Account>,
    ) -> Result<Tokens, LoginError> {
        let now = self.clock.now();
        let policy = rules.policy();
        match policy.renewal {
            Renewal::Reissue { .. } => {
                let account = account.map(AccountEpoch::of);
                self.reissued(rules, subject, now, now, account.as_ref())
            }
            Renewal::Rotate { .. } => {
                let session = self.fresh_id()?;
                let family = Family::new(subject.clone(), now, self.keys.now().current().kid(), account);
                self.families.add(rules.id(), &session, &family, keep_until(policy, &family)).await?;
                self.pair(rules, &session, &family)
            }
        }
    }

    /// Who holds this access token, if it is good now.
    ///
    /// # Errors
    /// What is wrong with it, or that the store failed.
    pub async fn authenticate(&self, rules: &dyn TokenRules, token: &str) -> Result<Caller, LoginError> {
        self.holder(rules, token, WithoutStore::Fail).await
    }

    /// As [`Self::authenticate`], but goes on while the store does not answer: what the token itself says then stands, a
    /// logout that only the store knows of does not count, and of the subject only the name is certain.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn verify(&self, rules: &dyn TokenRules, token: &str) -> Result<Caller, LoginError> {
        self.holder(rules, token, WithoutStore::Trust).await
    }

    async fn holder(
        &self,
        rules: &dyn TokenRules,
        token: &str,
        without: WithoutStore,
    ) -> Result<Caller, LoginError> {
        let now = self.clock.now();
        let mut claims = self.read(rules, Use::Access, token, now)?;
        let ends = self.ends(rules, &claims)?;
        let ended = || LoginError::new(Denied::TokenEnded, "an access token past its end");
        let Some(session) = claims.session.take() else {
            //= common.token.expires
            //= common.token.lives
            if ends <= now {
                return Err(ended());
            }
            return Ok(Caller { subject: subject_of(rules, &mut claims), ends, session: None });
        };
        let extends = matches!(rules.policy().renewal, Renewal::Rotate { extends: true, .. });
        if ends <= now && !extends {
            return Err(ended());
        }
        let family = match self.families.find(rules.id(), &session).await {
            Ok(family) => family,
            Err(error) if ends > now && without == WithoutStore::Trust && unanswered(&error) => {
                // Not a warning: one for each request would bury what the store itself says.
                tracing::debug!(scheme = rules.id(), "the store does not answer; a token was only read");
                let session = Some(session);
                return Ok(Caller { subject: subject_of(rules, &mut claims), ends, session });
            }
            Err(error) => return Err(error),
        };
        let ends = ends.max(family.extended_until(claims.generation));
        if ends <= now {
            return Err(ended());
        }
        match self.sessions.ended(rules.id(), &family, now, false).await {
            Ok(None) => {}
            Ok(Some(cause)) => return Err(self.end_because(rules, &session, cause).await?),
            Err(error) if without == WithoutStore::Trust && unanswered(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(Caller { subject: family.subject, ends, session: Some(session) })
    }

    /// Ends the family and says how to refuse.
    async fn end_because(
        &self,
        rules: &dyn TokenRules,
        session: &str,
        cause: EndCause,
    ) -> Result<LoginError, LoginError> {
        self.families.end(rules.id(), session, cause).await?;
        let reason = match cause {
            EndCause::AbsoluteLimit | EndCause::IdleLimit => "the session has reached its limit",
            _ => "the account was changed or is gone",
        };
        Ok(LoginError::new(Denied::TokenRefused, reason))
    }

    /// Reads a token presented for renewal.
    ///
    /// # Errors
    /// What is wrong with it, or that the store failed. A token of the family that was replaced too long ago ends the
    /// family only in [`Self::renew`].
    pub async fn present(&self, rules: &dyn TokenRules, token: &str) -> Result<Presented, LoginError> {
        let now = self.clock.now();
        match rules.policy().renewal {
            Renewal::Reissue { window, from } => {
                let mut claims = self.read(rules, Use::Access, token, now)?;
                let open = match from {
                    //= common.refresh.window-open
                    From::Expiry => now < self.ends(rules, &claims)?.plus_secs(window),
                    From::Issue => now.secs() <= self.began(rules, &claims)?.plus_secs(window).secs(),
                };
                //= common.refresh.window-closed
                if !open || self.sessions.limits.reissue_end(claims.logged_in()) <= now {
                    return Err(LoginError::new(Denied::WindowOver, "a token presented after its window"));
                }
                if self.sessions.account_ended(rules.id(), claims.account.as_ref()).await?.is_some() {
                    return Err(LoginError::new(Denied::TokenRefused, "the account was changed or is gone"));
                }
                Ok(Presented { subject: subject_of(rules, &mut claims), claims, at: now })
            }
            Renewal::Rotate { .. } => {
                let claims = self.read(rules, Use::Refresh, token, now)?;
                //= common.refresh.lifetime
                if claims.exp <= now {
                    return Err(LoginError::new(Denied::TokenEnded, "a refresh token past its end"));
                }
                let session = claims.session.as_deref().unwrap_or_default();
                let family = self.families.find(rules.id(), session).await?;
                if let Some(cause) = self.sessions.ended(rules.id(), &family, now, true).await? {
                    return Err(self.end_because(rules, session, cause).await?);
                }
                Ok(Presented { subject: family.subject, claims, at: now })
            }
        }
    }

    /// Whether an access token, ended or not, is of the session of what was presented.
    #[must_use]
    pub fn same_session(&self, rules: &dyn TokenRules, presented: &Presented, access: &str) -> bool {
        let claims = self.read(rules, Use::Access, access, self.clock.now());
        let session = claims.ok().and_then(|claims| claims.session);
        session.is_some() && session == presented.claims.session
    }

    /// New tokens for those presented, from that moment on; nothing where the access tokens at hand live longer instead.
    ///
    /// # Errors
    /// [`Denied::TokenRefused`] for a token replaced too long ago, which also ends its family; or that the store failed.
    pub async fn renew(
        &self,
        rules: &dyn TokenRules,
        presented: &Presented,
    ) -> Result<Option<Tokens>, LoginError> {
        let Presented { subject, claims, at: now } = presented;
        let (now, policy) = (*now, rules.policy());
        let Renewal::Rotate { grace, extends, .. } = policy.renewal else {
            return self.reissued(rules, subject, now, claims.logged_in(), claims.account.as_ref()).map(Some);
        };
        let session = claims.session.as_deref().unwrap_or_default();
        let keys = self.keys.now();
        let kid = keys.current().kid();
        let turn = family::Turn {
            generation: claims.generation,
            now,
            grace,
            extend_until: extends.then(|| now.plus_secs(policy.lifetime)),
            limits: self.sessions.limits,
            kid,
        };
        let family =
            //= common.refresh.no-fork
            self.families.turn(rules.id(), session, turn, |family| keep_until(policy, family)).await?;
        if extends { Ok(None) } else { self.pair(rules, session, &family).map(Some) }
    }

    /// Ends the session of this caller: its access and refresh tokens are refused from now on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end(&self, rules: &dyn TokenRules, caller: &Caller) -> Result<(), LoginError> {
        match &caller.session {
            //= common.flow.logout-ends-access
            //= common.flow.logout-ends-refresh
            //= ethgas.logout.ends-access
            //= ethgas.logout.ends-refresh
            Some(session) => self.families.end(rules.id(), session, EndCause::Logout).await,
            None => Ok(()),
        }
    }

    /// Ends the session of what was presented, because its account is no longer welcome.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn end_presented(
        &self,
        rules: &dyn TokenRules,
        presented: &Presented,
    ) -> Result<(), LoginError> {
        match &presented.claims.session {
            Some(session) => self.families.end(rules.id(), session, EndCause::AccountGone).await,
            None => Ok(()),
        }
    }

    fn read(
        &self,
        rules: &dyn TokenRules,
        r#use: Use,
        token: &str,
        now: Timestamp,
    ) -> Result<Claims, LoginError> {
        let expected = Expected {
            issuer: &self.name,
            audience: rules.id(),
            r#use: r#use.name(),
            now,
            longest: rules.policy().longest(),
        };
        jwt::decode(&self.keys.now(), token, &expected)
    }

    fn ends(&self, rules: &dyn TokenRules, claims: &Claims) -> Result<Timestamp, LoginError> {
        claims.time(rules.policy().ends)
    }

    fn began(&self, rules: &dyn TokenRules, claims: &Claims) -> Result<Timestamp, LoginError> {
        claims.time(rules.policy().began)
    }
}

/// The subject of a token that nothing is stored about, taken out of it: its own claims, less those the issuer writes.
fn subject_of(rules: &dyn TokenRules, claims: &mut Claims) -> Subject {
    let policy = rules.policy();
    let mut attributes = std::mem::take(&mut claims.others);
    for name in [policy.ends, policy.began] {
        attributes.remove(name);
    }
    Subject { id: std::mem::take(&mut claims.subject), attributes }
}

/// What to do with an access token of a session while the store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WithoutStore {
    Fail,
    Trust,
}

fn unanswered(error: &LoginError) -> bool {
    matches!(error.why(), Why::Fault(Fault::Unavailable { .. }))
}

#[cfg(test)]
mod tests;
