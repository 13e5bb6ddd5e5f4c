//! What a scheme decides about its tokens.

use super::Subject;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Authorises requests.
    Access,
    /// Is exchanged for a new pair.
    Refresh,
}

impl Use {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

/// The tokens of one scheme.
pub trait TokenRules: Send + Sync {
    /// The scheme; becomes the audience.
    fn id(&self) -> &str;

    /// How long and how renewed.
    fn policy(&self) -> Policy;

    /// Claims its clients read, beside those the issuer writes itself; where names collide, the issuer's stand.
    fn claims<'s>(&self, subject: &'s Subject, r#use: Use) -> Cow<'s, Map<String, Value>>;
}

/// How long tokens last and how they are renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Seconds an access token authorises requests.
    pub lifetime: u64,
    /// The claim that says when that ends; `exp` unless clients read another.
    pub ends: &'static str,
    /// The claim that says when it began; `iat` is written in any case.
    pub began: &'static str,
    /// How a new one is had.
    pub renewal: Renewal,
}

impl Policy {
    /// Seconds from its issue after which nothing signed under this policy is good for anything.
    #[must_use]
    pub fn longest(&self) -> u64 {
        match self.renewal {
            Renewal::Reissue { window, from: From::Expiry } => self.lifetime.saturating_add(window),
            Renewal::Reissue { window, from: From::Issue } => self.lifetime.max(window),
            // The access tokens at hand are told to live on for as long as the refresh token lasts.
            Renewal::Rotate { lifetime, extends: true, .. } => lifetime.saturating_add(self.lifetime),
            Renewal::Rotate { lifetime, extends: false, .. } => lifetime.max(self.lifetime),
        }
    }
}

/// How a new access token is had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The access token is exchanged for another within a window; nothing is stored and the old one stays good.
    Reissue {
        /// Seconds.
        window: u64,
        /// What they are counted from.
        from: From,
    },
    /// A refresh token of its own, replaced by each use; one login is one family and can be ended.
    Rotate {
        /// Seconds a refresh token lasts.
        lifetime: u64,
        /// Seconds in which the one before the present still gets the present one, for answers that were lost and for
        /// callers that raced.
        grace: u64,
        /// Whether a refresh replaces nothing and instead lengthens the life of the access tokens at hand.
        extends: bool,
    },
}

/// What a window is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// The end of the token; the window's own end is outside.
    Expiry,
    /// Its beginning; the last second of the window is inside.
    Issue,
}
