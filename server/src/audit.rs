//! What happened to accounts, sessions and keys, as values. Each is told where it happens, once.
//!
//! They go to the log under the target `countersign::audit`, to the audit log and to the metrics. None holds a secret.

mod log;
mod queue;
mod record;

use crate::error::LoginError;
use crate::observer;
pub use log::AuditLog;
pub(crate) use record::Record;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AuditEvent<'a> {
    /// An operator changed an account.
    AccountChanged {
        /// The scheme.
        scheme: &'a str,
        /// The account.
        name: &'a str,
        /// What was done.
        change: &'a str,
    },
    /// Somebody was given a challenge; the subject is whom it is for.
    Challenged(Act<'a>),
    /// The keys that sign tokens were changed.
    KeysChanged {
        /// The key that signs from now on.
        signing: &'a str,
    },
    /// Somebody proved who they are.
    LoggedIn(Act<'a>),
    /// Somebody ended their session.
    LoggedOut(Act<'a>),
    /// Somebody exchanged a token.
    Refreshed(Act<'a>),
    /// A request was refused.
    Refused {
        /// The scheme.
        scheme: &'a str,
        /// The operation.
        operation: &'a str,
        /// Whether that is a login.
        login: bool,
        /// Why.
        error: &'a LoginError,
    },
    /// A session ended for another reason than that its holder asked for it.
    SessionEnded {
        /// The scheme.
        scheme: &'a str,
        /// Whose it was.
        subject: &'a str,
        /// Why.
        cause: EndCause,
        /// How often it was refreshed.
        generation: u64,
        /// The generation of the token that was presented.
        presented: u64,
    },
    /// The server listens.
    Started,
    /// The server was told to stop.
    Stopping,
}

/// Who did what where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Act<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) subject: &'a str,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EndCause {
    /// It lasted as long as any session may.
    AbsoluteLimit,
    /// The password was changed, or all sessions of the account were ended.
    AccountChanged,
    /// The account is disabled or gone, or the scheme says it is no longer welcome.
    AccountGone,
    /// It was not refreshed for too long.
    IdleLimit,
    /// Its holder asked for it.
    Logout,
    /// A refresh token of a generation that was never issued: the store has lost what it had promised to keep.
    ReuseAhead,
    /// The refresh token before the present one, after the window for lost answers.
    ReuseLate,
    /// A refresh token older than that: a copy.
    ReuseOlder,
}

impl EndCause {
    pub(crate) const fn is_reuse(self) -> bool {
        matches!(self, Self::ReuseAhead | Self::ReuseLate | Self::ReuseOlder)
    }
}

impl AuditEvent<'_> {
    pub(crate) fn tell(&self) {
        observer::tell(self);
        match *self {
            Self::AccountChanged { scheme, name, change } => {
                tracing::info!(target: "countersign::audit", event = "account-changed", scheme, subject = ?name, change);
            }
            Self::Challenged(act) => act.tell("challenge"),
            Self::Started => tracing::info!(target: "countersign::audit", event = "start"),
            Self::Stopping => tracing::info!(target: "countersign::audit", event = "stop"),
            Self::KeysChanged { signing } => {
                tracing::info!(target: "countersign::audit", event = "keys-changed", signing);
            }
            Self::LoggedIn(act) => act.tell("login"),
            Self::LoggedOut(act) => act.tell("logout"),
            Self::Refreshed(act) => act.tell("refresh"),
            Self::Refused { scheme, operation, error, .. } => {
                //= common.hygiene.no-internals
                tracing::info!(
                    target: "countersign::audit", event = "refusal", scheme, operation,
                    why = ?error.why(), reason = error.reason()
                );
            }
            Self::SessionEnded { scheme, subject, cause, generation, presented } if cause.is_reuse() => {
                tracing::warn!(
                    target: "countersign::audit", event = "reuse", scheme, subject = ?subject, cause = ?cause,
                    generation, presented, "a refresh token was used again, its family is ended"
                );
            }
            Self::SessionEnded { scheme, subject, cause, generation, .. } => {
                tracing::info!(
                    target: "countersign::audit", event = "session-ended", scheme, subject = ?subject, cause = ?cause,
                    generation
                );
            }
        }
    }
}

impl Act<'_> {
    fn tell(self, event: &'static str) {
        let Self { scheme, operation, subject } = self;
        // Quoted, so that a name with a line break in it writes no line of its own.
        tracing::info!(target: "countersign::audit", event, scheme, operation, subject = ?subject);
    }
}
