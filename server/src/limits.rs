//! How often anybody may ask: by client, by scheme, and for passwords by account.
//!
//! Rates of requests are counted in this process, before a body is read. Attempts at a password are counted in the store,
//! so that all replicas count together, and before the hash is made, so that many at once count as many. A refusal is a
//! 429 with `Retry-After` in the scheme's own words.
//!
//! **A stranger cannot lock an account.** What he may use up is his own share: attempts count for the account *and* where
//! they come from. A much higher count for the account alone, against guesses from everywhere, only slows, and does not
//! touch sources from which its owner has logged in before.
//!
//! With the store down the counts of attempts become local, and stricter: half of what they were.

mod attempts;
mod rate;

use crate::client::Source;
use crate::env::Clock;
use crate::error::{Fault, LoginError};
use crate::store::Store;
pub(crate) use attempts::Attempt;
pub use attempts::AttemptRules;
use attempts::Attempts;
pub use rate::Rate;
use rate::{Cell, Cells};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is limited. Each may be off; by default all are.
#[derive(Debug, Clone, Copy)]
pub struct LimitRules {
    /// Requests of one client, for all schemes together.
    pub client: Option<Rate>,
    /// Requests to one scheme by all clients together, so that a flood of one leaves the others served.
    pub scheme: Option<Rate>,
    /// Attempts at passwords.
    pub attempts: Option<AttemptRules>,
    /// Clients that are told apart at once; those beyond share one count.
    pub sources: usize,
}

impl Default for LimitRules {
    fn default() -> Self {
        Self { client: None, scheme: None, attempts: None, sources: 100_000 }
    }
}

/// The counts of one server.
#[derive(Debug)]
pub(crate) struct Limits {
    clients: Option<Cells<Source>>,
    schemes: BTreeMap<&'static str, Mutex<Cell>>,
    scheme: Option<Rate>,
    attempts: Option<Attempts>,
    started: Instant,
}

impl Limits {
    pub(crate) fn new(
        rules: LimitRules,
        schemes: impl Iterator<Item = &'static str>,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            clients: rules.client.map(|rate| Cells::new(rate, rules.sources)),
            schemes: schemes.map(|name| (name, Mutex::default())).collect(),
            scheme: rules.scheme,
            attempts: rules.attempts.map(|attempts| Attempts::new(attempts, rules.sources, store, clock)),
            started: Instant::now(),
        }
    }

    /// Counts a request to a scheme.
    ///
    /// # Errors
    /// [`Fault::Limited`] when it is one too many.
    pub(crate) fn admit(&self, scheme: &str, source: Source) -> Result<(), LoginError> {
        if let Some(clients) = &self.clients {
            clients.take(source, self.elapsed()).map_err(|wait| limited(wait, "a client asks too often"))?;
        }
        if let (Some(rate), Some(cell)) = (self.scheme, self.schemes.get(scheme)) {
            let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
            cell.take(rate, self.elapsed())
                .map_err(|wait| limited(wait, "all clients ask a scheme too often"))?;
        }
        Ok(())
    }

    /// Counts an attempt at a password, before it is judged.
    ///
    /// # Errors
    /// [`Fault::Limited`] when it is one too many.
    pub(crate) async fn attempt(
        &self,
        scheme: &str,
        account: &str,
        source: Source,
    ) -> Result<Option<Attempt<'_>>, LoginError> {
        match &self.attempts {
            None => Ok(None),
            Some(attempts) => attempts.begin(scheme, account, source, self.elapsed()).await.map(Some),
        }
    }

    /// Nanoseconds since the start: rates follow no clock that could be set back.
    fn elapsed(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A refusal that asks for so long a wait, in whole seconds and at least one.
fn limited(wait: Duration, reason: &'static str) -> LoginError {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let retry_after = u32::try_from(seconds).unwrap_or(u32::MAX).max(1);
    LoginError::new(Fault::Limited { retry_after }, reason)
}
