//! What a check demands of an answer, and the finding where it is not so.

use super::{Answer, Context};
use crate::actor::Actor;
use crate::exchange::Exchange;
use crate::finding::{Finding, Stop};
use crate::judge;
use std::sync::Arc;

impl Context<'_> {
    /// Tells a departure that an answer shows.
    ///
    /// # Errors
    /// The finding, unless it is to be passed over.
    pub fn found(&self, did: &str, expected: &str, answer: &Answer<'_>) -> Result<(), Stop> {
        self.found_in(did, expected, &answer.exchange.got(), std::slice::from_ref(&answer.exchange))
    }

    /// Tells a departure that these exchanges show, in words of its own for what came.
    ///
    /// # Errors
    /// As [`Self::found`].
    pub fn found_in(
        &self,
        did: &str,
        expected: &str,
        got: &str,
        exchanges: &[Arc<Exchange>],
    ) -> Result<(), Stop> {
        self.tell(self.finding(did, expected, got, exchanges))
    }

    /// Tells a departure that was found elsewhere.
    ///
    /// # Errors
    /// As [`Self::found`].
    pub fn tell(&self, finding: Finding) -> Result<(), Stop> {
        let fingerprint = |finding: &Finding| crate::run::fingerprint(finding, self.target, self.scheme);
        self.passing.take(finding, fingerprint).map_err(Stop::Found)
    }

    /// A departure that nobody has told yet.
    #[must_use]
    pub(crate) fn finding(
        &self,
        did: &str,
        expected: &str,
        got: &str,
        exchanges: &[Arc<Exchange>],
    ) -> Finding {
        Finding {
            check: self.check.clone(),
            did: did.to_owned(),
            expected: expected.to_owned(),
            got: crate::exchange::cut(&self.secrets.hide(got), 600),
            hint: None,
            exchanges: exchanges.to_vec(),
            secrets: self.secrets.clone(),
            log: self.log.clone(),
            wallets: self.wallets.clone(),
            fingerprint: String::new(),
            beside: std::collections::BTreeSet::new(),
        }
    }

    /// Demands a refusal.
    ///
    /// # Errors
    /// The finding, where the target let the request in and that is not to be passed over.
    pub fn must_refuse(&self, answer: &Answer<'_>, did: &str) -> Result<(), Stop> {
        if let Err(error) = &answer.exchange.outcome {
            // No answer is no refusal; that none came is what a hygiene check says.
            return Err(Stop::Inconclusive(format!("{did}: {error}")));
        }
        if answer.accepted() {
            return self.found(did, &judge::describe_refusal(self.scheme), answer);
        }
        Ok(())
    }

    /// Demands a success.
    ///
    /// # Errors
    /// The finding, where the target refused and that is not to be passed over.
    pub fn must_accept(&self, answer: &Answer<'_>, did: &str) -> Result<(), Stop> {
        if answer.accepted() {
            return Ok(());
        }
        if let Err(error) = &answer.exchange.outcome
            && (matches!(error, crate::client::WireError::Connect { .. }) || self.target.was_cut_short(error))
        {
            return Err(Stop::Inconclusive(format!("{did}: {error}")));
        }
        self.found(did, &judge::describe_success(self.scheme, answer.operation), answer)
    }

    /// Demands that a login written in another legal way succeeds where the plain one does.
    ///
    /// # Errors
    /// The finding; inconclusive where the plain login is refused as well.
    pub fn must_accept_like_plain(
        &mut self,
        answer: &Answer<'_>,
        actor: &Actor,
        did: &str,
    ) -> Result<(), Stop> {
        if !answer.accepted() {
            self.log_in(actor)?;
        }
        self.must_accept(answer, did)
    }

    /// A request that has to succeed before what follows means anything.
    ///
    /// # Errors
    /// Inconclusive where the target refused.
    pub fn control(&self, answer: &Answer<'_>, what: &str) -> Result<(), Stop> {
        if answer.accepted() {
            return Ok(());
        }
        let got = crate::exchange::cut(&self.secrets.hide(&answer.exchange.got()), 300);
        Err(Stop::Inconclusive(format!("{what} did not succeed before the check itself: {got}")))
    }
}
