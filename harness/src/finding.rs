//! What a check found, with everything that a stranger needs to see it again.

use crate::exchange::Exchange;
use crate::passing::Ending;
use countersign_spec::Level;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One departure.
#[derive(Debug, Clone, Default)]
pub struct Finding {
    /// Name of the check.
    pub check: String,
    /// What was done, in a sentence.
    pub did: String,
    /// Every acceptable outcome.
    pub expected: String,
    /// What came instead.
    pub got: String,
    /// How it may be mended, where that is known.
    pub hint: Option<String>,
    /// The exchanges that show it, the deciding one last.
    pub exchanges: Vec<Arc<Exchange>>,
    /// Secrets that stand in them, with what to write in their place.
    pub secrets: crate::redact::Secrets,
    /// Everything that the check had exchanged by then, in order.
    pub log: Vec<Arc<Exchange>>,
    /// The wallets that it signed with, so that a challenge can be signed anew.
    pub wallets: Vec<crate::wallet::Wallet>,
    /// What tells it apart from other findings of its check; see [`crate::fingerprint`].
    pub fingerprint: String,
    /// Fingerprints of other departures that the check saw and that the profile tolerates.
    pub beside: BTreeSet<String>,
}

/// Why a check ended before it could say that all is well.
#[derive(Debug)]
pub enum Stop {
    /// The target departs from a clause, in a way that is not passed over.
    Found(Ending),
    /// There is nothing to check here, and why.
    NotApplicable(String),
    /// No verdict was possible, and why.
    Inconclusive(String),
    /// Another finding stands in the way: the name of its check.
    Blocked(String),
}

/// How a check ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Nothing to object.
    Held,
    /// A departure at this level.
    Violated(Level, Box<Finding>),
    /// Nothing to check, and why.
    Skipped(String),
    /// No verdict, and why.
    Inconclusive(String),
    /// Folded under the finding of another check.
    Blocked(String),
}
