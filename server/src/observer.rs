//! Who watches a server: its audit log and its metrics, and which request something happened in.
//!
//! A request's task carries this along, so that an event told deep inside knows its request without every function on the
//! way passing it on.

use crate::audit::{AuditEvent, AuditLog, Record};
use crate::client::Source;
use crate::metrics::{Metrics, Outcome, Series};
use countersign_spec::Operation;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

tokio::task_local! {
    static WITHIN: Arc<Within>;
}

/// What watches a server. By default nothing does.
///
/// Cloning is cheap; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Observer {
    audit: Option<AuditLog>,
    audit_required: bool,
    metrics: Option<Metrics>,
}

/// What serves a request.
#[derive(Debug, Clone)]
pub(crate) struct Serving {
    pub(crate) scheme: &'static str,
    pub(crate) operation: Arc<Operation>,
    pub(crate) series: Arc<Series>,
}

/// What an event happens in.
#[derive(Debug, Default)]
struct Within {
    observer: Observer,
    request_id: Option<String>,
    source: Option<Source>,
    /// What serves the request, once that is known.
    serving: OnceLock<Serving>,
    /// How the request ended so far.
    outcome: AtomicU8,
}

impl Observer {
    /// Watches with these.
    #[must_use]
    pub const fn new(audit: Option<AuditLog>, metrics: Option<Metrics>) -> Self {
        Self { audit, audit_required: false, metrics }
    }

    /// Lets nothing happen that could not be written to the audit log.
    #[must_use]
    pub fn audit_required(mut self, required: bool) -> Self {
        self.audit_required = required;
        self
    }

    /// Whether what happens now has to be written down and might not be.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.audit_required && self.audit.as_ref().is_some_and(AuditLog::is_in_trouble)
    }

    /// The metrics, if there are any.
    #[must_use]
    pub const fn metrics(&self) -> Option<&Metrics> {
        self.metrics.as_ref()
    }

    /// Watches work that belongs to no request.
    pub async fn watch<T>(&self, work: impl Future<Output = T>) -> T {
        WITHIN.scope(Arc::new(Within { observer: self.clone(), ..Within::default() }), work).await
    }

    /// Watches a request, and counts it when it is answered.
    pub(crate) async fn request<T>(
        &self,
        id: Option<&str>,
        source: Source,
        work: impl Future<Output = T>,
    ) -> T {
        if self.audit.is_none() && self.metrics.is_none() {
            return work.await;
        }
        let begun = Instant::now();
        let within = Arc::new(Within {
            observer: self.clone(),
            // Only audit events carry it.
            request_id: id.filter(|_| self.audit.is_some()).map(str::to_owned),
            source: Some(source),
            ..Within::default()
        });
        let answer = WITHIN.scope(within.clone(), work).await;
        if let Some(metrics) = &self.metrics {
            let outcome = Outcome::from_index(within.outcome.load(Ordering::Relaxed));
            match within.serving.get() {
                Some(Serving { scheme, operation, series }) => {
                    metrics.answered(series, (scheme, &operation.name), outcome, begun.elapsed());
                }
                None => metrics.answered_elsewhere(outcome, begun.elapsed()),
            }
        }
        answer
    }
}

/// Says what serves the request at hand.
pub(crate) fn serving(serving: &Serving) {
    let _ = WITHIN.try_with(|within| within.serving.set(serving.clone()));
}

/// Hands an event to whoever watches.
pub(crate) fn tell(event: &AuditEvent<'_>) {
    let _ = WITHIN.try_with(|within| {
        if let Some(metrics) = &within.observer.metrics {
            metrics.event(event);
        }
        if let AuditEvent::Refused { error, .. } = event {
            within.outcome.store(Outcome::of(error.why()).index(), Ordering::Relaxed);
        }
        if let Some(audit) = &within.observer.audit {
            audit.write(&Record::of(event, within.request_id.as_deref(), within.source));
        }
    });
}

/// Work for another task that whoever watches this one watches, too.
pub(crate) fn carry<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let within = WITHIN.try_with(|within| within.observer.clone()).unwrap_or_default();
    async move { within.watch(work).await }
}
