//! Requests in bytes of our own, which no client would write.

use super::{Answer, Context};
use crate::draft::Draft;
use crate::exchange::Exchange;
use crate::finding::Stop;
use crate::judge;
use crate::need::Need;
use countersign_spec::Operation;
use std::sync::Arc;

/// How long a raw request waits: one that is refused by silence would wait out the whole time limit.
const RAW_PATIENCE: std::time::Duration = std::time::Duration::from_millis(1500);

impl<'t> Context<'t> {
    /// Sends a request in bytes of our own. What comes back is not held against the rules for every exchange: an odd
    /// request may be answered oddly.
    ///
    /// # Errors
    /// Not applicable behind TLS and over HTTP/2.
    pub fn send_raw(
        &mut self,
        operation: &'t Operation,
        draft: &Draft,
        oddity: crate::raw::Oddity,
    ) -> Result<Answer<'t>, Stop> {
        let client = self.target.client();
        let base = client.base();
        if let Some(reason) = Need::PlainHttp.unmet(&self.target.profile, self.scheme) {
            return Err(Stop::NotApplicable(reason));
        }
        let request = draft.write(self.target.extra_headers());
        let url = base.url(&request.path);
        let raw = crate::raw::write(&request, &base.authority(), &base.prefix, oddity);
        let timeout = self.target.profile.http.timeout;
        let within = if oddity.takes_time() { timeout } else { timeout.min(RAW_PATIENCE) };
        let outcome = self.target.patiently(|| crate::raw::send(client, &raw, within));
        let outcome = outcome.map_err(|why| Stop::Inconclusive(why.to_string()))?;
        let exchange = Exchange::new(&draft.operation, url, request, outcome);
        self.note_secrets(operation, &exchange);
        let exchange = Arc::new(exchange);
        self.log.push(Arc::clone(&exchange));
        let verdict = judge::judge(self.scheme, operation, &exchange);
        Ok(Answer { operation, exchange, verdict })
    }

    /// Sends a request and then a second one on the same connection. Answers the second, unless the connection ended with
    /// the first answer, as it may.
    ///
    /// # Errors
    /// Not applicable behind TLS and over HTTP/2; inconclusive where the first is not answered.
    pub fn send_behind(
        &mut self,
        first: &Draft,
        operation: &'t Operation,
        second: &Draft,
    ) -> Result<Option<Answer<'t>>, Stop> {
        let client = self.target.client();
        let base = client.base();
        if let Some(reason) = Need::PlainHttp.unmet(&self.target.profile, self.scheme) {
            return Err(Stop::NotApplicable(reason));
        }
        let extra = self.target.extra_headers();
        let (first, second) = (first.write(extra.clone()), second.write(extra));
        let url = base.url(&second.path);
        let within = self.target.profile.http.timeout.min(RAW_PATIENCE);
        let outcome = crate::raw::in_turn(client, [&first, &second], within)
            .map_err(|error| Stop::Inconclusive(format!("the first of two requests: {error}")))?;
        let Some(outcome) = outcome else { return Ok(None) };
        let exchange = Exchange::new(&operation.name, url, second, outcome);
        self.note_secrets(operation, &exchange);
        let exchange = Arc::new(exchange);
        self.log.push(Arc::clone(&exchange));
        let verdict = judge::judge(self.scheme, operation, &exchange);
        Ok(Some(Answer { operation, exchange, verdict }))
    }
}
