//! Attempts at passwords, counted where all replicas see them.

use super::limited;
use super::rate::{Cells, Rate};
use crate::client::Source;
use crate::env::{Clock, Timestamp};
use crate::error::LoginError;
use crate::store::tables::{key, read, write};
use crate::store::{Key, Put, Space, Store};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// How many attempts at passwords are judged. No window may be zero seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptRules {
    /// At one account from one source in one window. A success starts the count anew.
    pub pair: u64,
    /// The window of `pair`, in seconds.
    pub pair_window: u64,
    /// At one account, in one window, from all sources its owner has not logged in from before. Beyond it they are slowed.
    pub account: u64,
    /// The window of `account`, in seconds.
    pub account_window: u64,
    /// Seconds for each attempt of those that are slowed.
    pub slowed: u64,
    /// Seconds a source stays known for an account after a login.
    pub known_for: u64,
}

impl Default for AttemptRules {
    /// Ten from one source in five minutes; a hundred from strangers in an hour, then one in five seconds; sources are
    /// known for ninety days. NIST SP 800-63B section 5.2.2 allows a hundred in a row.
    fn default() -> Self {
        let known_for = 90 * 24 * 3_600;
        Self { pair: 10, pair_window: 300, account: 100, account_window: 3_600, slowed: 5, known_for }
    }
}

#[derive(Debug)]
pub(super) struct Attempts {
    rules: AttemptRules,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// For while the store is down.
    local: Local,
}

#[derive(Debug)]
struct Local {
    hasher: RandomState,
    pairs: Cells<u64>,
    accounts: Cells<u64>,
}

/// An attempt that may be judged.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    attempts: &'a Attempts,
    pair: Key,
    known: Key,
    /// Until when the source is known already.
    until: Option<Timestamp>,
}

impl Attempts {
    pub(super) fn new(
        rules: AttemptRules,
        sources: usize,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let half = |count: u64, window: u64| {
            let burst = u32::try_from(count / 2).unwrap_or(u32::MAX).max(1);
            Cells::new(Rate { every: Duration::from_secs(window) / burst, burst }, sources)
        };
        let local = Local {
            hasher: RandomState::new(),
            pairs: half(rules.pair, rules.pair_window),
            accounts: half(rules.account, rules.account_window),
        };
        Self { rules, store, clock, local }
    }

    pub(super) async fn begin(
        &self,
        scheme: &str,
        account: &str,
        source: Source,
        elapsed: u64,
    ) -> Result<Attempt<'_>, LoginError> {
        let now = self.clock.now();
        let from = source.to_string();
        let pair = window_key("attempts", scheme, &[account, &from], now, self.rules.pair_window);
        let known = key(Space::Durable, "known", scheme, &[account, &from]);
        let mut attempt = Attempt { attempts: self, pair: pair.key, known, until: None };
        let counted = async {
            let tries = self.store.bump(&attempt.pair, pair.until).await?;
            let known = self.store.get(&attempt.known).await?;
            Ok::<_, LoginError>((tries, known.map(|bytes| read(&bytes)).transpose()?))
        };
        let Ok((tries, known)) = counted.await else {
            return self.count_here(scheme, account, &from, elapsed).map(|()| attempt);
        };
        if tries > self.rules.pair {
            return Err(limited(left(now, pair.until), "too many attempts at an account from one source"));
        }
        attempt.until = known;
        if known.is_none() {
            self.slow_strangers(scheme, account, now).await?;
        }
        Ok(attempt)
    }

    /// Counts an attempt at this account from a source nobody knows.
    async fn slow_strangers(&self, scheme: &str, account: &str, now: Timestamp) -> Result<(), LoginError> {
        let all = window_key("strangers", scheme, &[account], now, self.rules.account_window);
        // A store that fails now fails the login too; nothing is let through by it.
        if self.store.bump(&all.key, all.until).await? <= self.rules.account {
            return Ok(());
        }
        let turn = window_key("slowed", scheme, &[account], now, self.rules.slowed);
        if self.store.bump(&turn.key, turn.until).await? == 1 {
            return Ok(());
        }
        Err(limited(left(now, turn.until), "too many attempts at an account from everywhere"))
    }

    fn count_here(&self, scheme: &str, account: &str, from: &str, now: u64) -> Result<(), LoginError> {
        let Local { hasher, pairs, accounts } = &self.local;
        let too_many = |wait| limited(wait, "too many attempts while the store is down");
        pairs.take(hasher.hash_one((scheme, account, from)), now).map_err(too_many)?;
        accounts.take(hasher.hash_one((scheme, account)), now).map_err(too_many)
    }
}

impl Attempt<'_> {
    /// The password was right. Failing to remember that costs a later attempt, not this login.
    pub(crate) async fn succeeded(self) {
        let Attempts { rules, store, clock, .. } = self.attempts;
        let now = clock.now();
        if let Err(error) = store.remove(&self.pair).await {
            tracing::debug!(%error, "a count of attempts was not reset");
        }
        // Written again only when half its time is over: most logins then write nothing.
        if self.until.is_some_and(|until| until > now.plus_secs(rules.known_for / 2)) {
            return;
        }
        let until = now.plus_secs(rules.known_for);
        let Ok(value) = write(&until) else { return };
        if let Err(error) = store.put(&self.known, value, until, Put::Replace).await {
            tracing::debug!(%error, "a source was not remembered for its account");
        }
    }
}

/// A counter of one window, and when that ends.
struct Window {
    key: Key,
    until: Timestamp,
}

/// The counter of the window that contains this moment. Which window it is stands in the key, so replicas agree on its end
/// and a caller can be told when it is.
fn window_key(table: &str, scheme: &str, parts: &[&str], now: Timestamp, seconds: u64) -> Window {
    let number = now.secs() / seconds.max(1);
    let number_text = number.to_string();
    let parts: Vec<&str> = parts.iter().copied().chain([number_text.as_str()]).collect();
    let until = Timestamp::from_secs((number + 1).saturating_mul(seconds.max(1)));
    Window { key: key(Space::Ephemeral, table, scheme, &parts), until }
}

fn left(now: Timestamp, until: Timestamp) -> Duration {
    Duration::from_millis(until.millis().saturating_sub(now.millis()))
}

#[cfg(test)]
mod tests;
