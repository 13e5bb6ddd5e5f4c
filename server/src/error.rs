//! What goes wrong, by blame: the caller's proof ([`Denied`]), the caller's form ([`Malformed`]) or ours ([`Fault`]).
//!
//! Each has a public half, the variant, which a scheme renders in its own words, and a private half, the reason, which
//! goes to the log and never to the caller.

use crate::env::RandomError;
use crate::store::StoreError;
use std::borrow::Cow;

/// Why a step of a login ended without success.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why:?}: {reason}")]
pub struct LoginError {
    why: Why,
    reason: Cow<'static, str>,
}

impl LoginError {
    /// A refusal with the reason for our own log.
    pub fn new(why: impl Into<Why>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { why: why.into(), reason: reason.into() }
    }

    /// The public half.
    #[must_use]
    pub const fn why(&self) -> Why {
        self.why
    }

    /// The private half. Holds no secret, but tells more than a stranger should learn.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// A mistake of ours.
    pub fn internal(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Fault::Internal, reason)
    }
}

/// The public half of a [`LoginError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The caller's proof does not hold.
    Denied(Denied),
    /// The caller's message is not in form.
    Malformed(Malformed),
    /// The server cannot serve.
    Fault(Fault),
}

/// The caller's proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Denied {
    /// The challenge is unknown, expired or used; the three look alike.
    Challenge,
    /// Unknown account or wrong secret; the two look alike.
    Credentials,
    /// The name is held by another wallet.
    NameTaken,
    /// No token where one is needed.
    NoToken,
    /// The signature or what it binds does not hold.
    Proof,
    /// The token has ended.
    TokenEnded,
    /// What stands in place of a token is none.
    TokenForm,
    /// The token is good but not for this: logged out, replaced, of another use or scheme, or its account is gone.
    TokenRefused,
    /// The token is not signed by us.
    TokenSignature,
    /// Nobody is known by that name.
    UnknownUser,
    /// The time in which the token could be refreshed is over.
    WindowOver,
}

/// The caller's message is not in form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// The body is not one strict JSON document.
    Body,
    /// A member is missing, or is not what the schema says.
    Invalid,
    /// The content type is not JSON.
    MediaType,
    /// The path has no such method.
    Method,
    /// The body took too long to arrive.
    Slow,
    /// The body is longer than allowed.
    TooLarge,
}

/// The server cannot serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// More work than the queue takes; worth trying again after so many seconds.
    Busy {
        /// Seconds.
        retry_after: u32,
    },
    /// A mistake of ours.
    Internal,
    /// Asked too often; worth trying again after so many seconds.
    Limited {
        /// Seconds.
        retry_after: u32,
    },
    /// The store cannot be reached; worth trying again after so many seconds.
    Unavailable {
        /// Seconds.
        retry_after: u32,
    },
}

impl Why {
    /// The HTTP status that says this where a scheme follows HTTP; the only place that maps blame to numbers.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Denied(Denied::NameTaken) => 409,
            Self::Denied(Denied::UnknownUser) => 404,
            Self::Denied(_) => 401,
            Self::Malformed(Malformed::Body | Malformed::Invalid) => 400,
            Self::Malformed(Malformed::Method) => 405,
            Self::Malformed(Malformed::Slow) => 408,
            Self::Malformed(Malformed::TooLarge) => 413,
            Self::Malformed(Malformed::MediaType) => 415,
            Self::Fault(Fault::Limited { .. }) => 429,
            Self::Fault(Fault::Internal) => 500,
            Self::Fault(Fault::Busy { .. } | Fault::Unavailable { .. }) => 503,
        }
    }

    /// The usual text of [`Self::status`], telling nothing more.
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            401 => "Unauthorized",
            404 => "Not Found",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            409 => "Conflict",
            413 => "Content Too Large",
            415 => "Unsupported Media Type",
            429 => "Too Many Requests",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        }
    }

    /// Seconds after which trying again may help.
    #[must_use]
    pub const fn retry_after(self) -> Option<u32> {
        match self {
            Self::Fault(
                Fault::Busy { retry_after }
                | Fault::Limited { retry_after }
                | Fault::Unavailable { retry_after },
            ) => Some(retry_after),
            _ => None,
        }
    }
}

impl From<Denied> for Why {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<Malformed> for Why {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Fault> for Why {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for LoginError {
    fn from(error: StoreError) -> Self {
        Self::new(Fault::Unavailable { retry_after: 1 }, error.to_string())
    }
}

impl From<RandomError> for LoginError {
    fn from(error: RandomError) -> Self {
        Self::internal(error.to_string())
    }
}
