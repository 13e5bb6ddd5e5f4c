//! How often anybody may ask.

use crate::limits::{AttemptRules, LimitRules, Rate};
use serde::{Deserialize, Serialize};

/// `[limits]`. A count of 0 turns its limit off.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Requests a second of one client, for all schemes together.
    pub client_per_second: u32,
    /// Requests at once of a client that rested.
    pub client_burst: u32,
    /// Requests a second to one scheme by all clients together.
    pub scheme_per_second: u32,
    /// Requests at once to a scheme that rested.
    pub scheme_burst: u32,
    /// Attempts at one account's password from one source in `pair_seconds`.
    pub pair_attempts: u64,
    /// The window of `pair_attempts`.
    pub pair_seconds: u64,
    /// Attempts at one account's password in `account_seconds` from sources its owner never logged in from, before they are
    /// slowed.
    pub account_attempts: u64,
    /// The window of `account_attempts`.
    pub account_seconds: u64,
    /// Seconds for each attempt of those that are slowed.
    pub slowed_seconds: u64,
    /// Days a source stays known for an account after a login.
    pub known_days: u64,
    /// Clients told apart at once in this process.
    pub sources: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let AttemptRules { pair, pair_window, account, account_window, slowed, known_for } =
            AttemptRules::default();
        Self {
            client_per_second: 50,
            client_burst: 200,
            scheme_per_second: 0,
            scheme_burst: 1_000,
            pair_attempts: pair,
            pair_seconds: pair_window,
            account_attempts: account,
            account_seconds: account_window,
            slowed_seconds: slowed,
            known_days: known_for / (24 * 3_600),
            sources: LimitRules::default().sources,
        }
    }
}

impl LimitsConfig {
    /// The rules this asks for.
    #[must_use]
    pub fn rules(&self) -> LimitRules {
        let rate = |per_second: u32, burst| (per_second > 0).then(|| Rate::per_second(per_second, burst));
        let count = |count: u64| if count == 0 { u64::MAX } else { count };
        let attempts = (self.pair_attempts > 0 || self.account_attempts > 0).then(|| AttemptRules {
            pair: count(self.pair_attempts),
            pair_window: self.pair_seconds.max(1),
            account: count(self.account_attempts),
            account_window: self.account_seconds.max(1),
            slowed: self.slowed_seconds.max(1),
            known_for: self.known_days.saturating_mul(24 * 3_600),
        });
        LimitRules {
            client: rate(self.client_per_second, self.client_burst),
            scheme: rate(self.scheme_per_second, self.scheme_burst),
            attempts,
            sources: self.sources,
        }
    }
}
