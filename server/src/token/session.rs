//! How long a session may last, however often it is refreshed, and what else ends it.

use super::family::{AccountEpoch, Family};
use crate::accounts::Standing;
use crate::audit::EndCause;
use crate::env::Timestamp;
use crate::error::LoginError;

/// Limits of sessions, in seconds.
///
/// What is issued is cut so that it ends with its session, so a limit holds also where a token is only read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// From the login, where refresh tokens are replaced.
    pub absolute: Option<u64>,
    /// From the last refresh, where refresh tokens are replaced. Their own lifetime limits this too.
    pub idle: Option<u64>,
    /// From the login, where an access token is exchanged for another. The documents of such schemes know no limit, so
    /// there is none unless it is asked for.
    pub reissue_absolute: Option<u64>,
}

impl SessionLimits {
    /// Half a year from the login, where refresh tokens are replaced.
    pub const DEFAULT: Self = Self { absolute: Some(180 * 24 * 3_600), idle: None, reissue_absolute: None };

    /// When a session that began then is over.
    pub(super) const fn end(self, began: Timestamp) -> Timestamp {
        after(began, self.absolute)
    }

    /// When a session of exchanged tokens that began then is over.
    pub(super) const fn reissue_end(self, began: Timestamp) -> Timestamp {
        after(began, self.reissue_absolute)
    }

    /// Seconds a refresh token lasts that would last so long without a limit.
    pub(super) fn refresh_lifetime(self, lifetime: u64) -> u64 {
        self.idle.map_or(lifetime, |idle| idle.min(lifetime))
    }

    /// Why the family may not go on, as far as time says. Tokens were cut already; this sees limits that were lowered.
    fn over(self, family: &Family, now: Timestamp) -> Option<EndCause> {
        if self.end(family.began_at) <= now {
            return Some(EndCause::AbsoluteLimit);
        }
        // The last access token may be used to its end: what an idle session may not do is go on.
        (after(family.active_at, self.idle) <= now).then_some(EndCause::IdleLimit)
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

const fn after(began: Timestamp, seconds: Option<u64>) -> Timestamp {
    match seconds {
        Some(seconds) => began.plus_secs(seconds),
        None => Timestamp::NEVER,
    }
}

/// What decides whether a session goes on.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    pub(super) limits: SessionLimits,
    pub(super) standing: Standing,
}

impl Sessions {
    /// Why the family may not be used any more, if so.
    pub(super) async fn ended(
        &self,
        scheme: &str,
        family: &Family,
        now: Timestamp,
        renewing: bool,
    ) -> Result<Option<EndCause>, LoginError> {
        match self.limits.over(family, now) {
            Some(EndCause::IdleLimit) if !renewing => {}
            Some(cause) => return Ok(Some(cause)),
            None => {}
        }
        self.account_ended(scheme, family.account.as_ref()).await
    }

    /// Why sessions of this account from that login may not go on, if so.
    pub(super) async fn account_ended(
        &self,
        scheme: &str,
        account: Option<&AccountEpoch>,
    ) -> Result<Option<EndCause>, LoginError> {
        let Some(account) = account else { return Ok(None) };
        Ok(match self.standing.epoch(scheme, &account.name).await? {
            None => Some(EndCause::AccountGone),
            Some(epoch) => (epoch != account.epoch).then_some(EndCause::AccountChanged),
        })
    }
}
