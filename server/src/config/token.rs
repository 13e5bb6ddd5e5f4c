//! How tokens are signed.

use super::{Moment, Secret};
use crate::token::SessionLimits;
pub use crate::token::TokenAlgorithm;
use serde::{Deserialize, Serialize};

/// `[token]`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenConfig {
    /// The name of this server in its tokens.
    pub issuer: String,
    /// How tokens are signed. Another algorithm than before is published at the next start and signs after the next
    /// rotation.
    pub algorithm: TokenAlgorithm,
    /// A secret for HS256, as `env:NAME`, `file:PATH` or in place; if absent, keys are made, kept and rotated.
    pub secret: Option<Secret>,
    /// Secrets that sign nothing and whose tokens are taken all the same, each as `env:NAME`, `file:PATH` or in place: the
    /// one before, for as long as its tokens last; and where several servers share the secret, the one to come.
    pub accepted_secrets: Vec<Secret>,
    /// From this moment on those are no longer taken; without it they are until they are left out.
    pub accepted_until: Option<Moment>,
    /// What seals those keys in the store, as `env:NAME`, `file:PATH` or in place: for replicas, which share them that
    /// way. If absent, they are kept in the data folder.
    pub ring_secret: Option<Secret>,
    /// `[token.session]`
    pub session: SessionConfig,
}

/// `[token.session]`: how long a session may last, however often it is refreshed. 0 is no limit.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// Seconds from the login, in schemes with refresh tokens (ethgas, cbs).
    pub absolute_seconds: u64,
    /// Seconds from the last refresh, in schemes with refresh tokens; the lifetime of those limits it too.
    pub idle_seconds: u64,
    /// Seconds from the login, in schemes that exchange access tokens (swapchat, nftrainbow). Their documents know no
    /// such limit, so there is none unless it is given.
    pub reissue_absolute_seconds: u64,
}

impl Default for SessionConfig {
    fn default() -> Self {
        let SessionLimits { absolute, idle, reissue_absolute } = SessionLimits::DEFAULT;
        Self {
            absolute_seconds: absolute.unwrap_or_default(),
            idle_seconds: idle.unwrap_or_default(),
            reissue_absolute_seconds: reissue_absolute.unwrap_or_default(),
        }
    }
}

impl SessionConfig {
    /// The limits.
    #[must_use]
    pub fn limits(&self) -> SessionLimits {
        let limit = |seconds: u64| (seconds > 0).then_some(seconds);
        SessionLimits {
            absolute: limit(self.absolute_seconds),
            idle: limit(self.idle_seconds),
            reissue_absolute: limit(self.reissue_absolute_seconds),
        }
    }
}

impl Default for TokenConfig {
    fn default() -> Self {
        Self {
            issuer: "countersign".into(),
            algorithm: TokenAlgorithm::Hs256,
            secret: None,
            accepted_secrets: Vec::new(),
            accepted_until: None,
            ring_secret: None,
            session: SessionConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_sessions_are_read_and_zero_is_none() {
        let limits = |text: &str| toml::from_str::<TokenConfig>(text).map(|config| config.session.limits());
        assert_eq!(limits("").unwrap(), SessionLimits::DEFAULT);
        let text = "[session]\nabsolute_seconds = 0\nidle_seconds = 60\nreissue_absolute_seconds = 90\n";
        let expected = SessionLimits { absolute: None, idle: Some(60), reissue_absolute: Some(90) };
        assert_eq!(limits(text).unwrap(), expected);
        assert!(limits("[session]\nidle = 60\n").is_err(), "a misspelt limit is no limit");
    }
}
