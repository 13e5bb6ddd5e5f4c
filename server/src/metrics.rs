//! Figures for operators, in the text format of Prometheus and OpenMetrics.
//!
//! Labels are schemes, operations, methods of the store and classes of outcomes: all from short lists of ours. Nothing that
//! a caller sends is one, so no stranger can make a series.

mod store;

use crate::audit::{AuditEvent, AuditLog};
use crate::error::{Fault, Why};
use crate::password::Passwords;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
pub use store::MeasuredStore;

/// The figures of one server.
///
/// Cloning is cheap; all clones are the same.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    requests: Family<Answered, Counter>,
    durations: Family<Served, Histogram, fn() -> Histogram>,
    logins: Family<LoginEnded, Counter>,
    reuse: Family<OfScheme, Counter>,
    connections: Gauge,
    hashes_waiting: Gauge,
    hashes_shed: Counter,
    audit_lost: Counter,
    audit_waiting: Gauge,
    audit_failing: Gauge,
    unserved: Series,
    store_durations: Family<Called, Histogram, fn() -> Histogram>,
    store_errors: Family<Called, Counter>,
    passwords: OnceLock<Passwords>,
    audit: OnceLock<AuditLog>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Ok,
    Busy,
    Denied,
    Internal,
    Limited,
    Malformed,
    Unavailable,
}

impl Outcome {
    const ALL: [Self; 7] = [
        Self::Ok,
        Self::Busy,
        Self::Denied,
        Self::Internal,
        Self::Limited,
        Self::Malformed,
        Self::Unavailable,
    ];

    pub(crate) const fn of(why: Why) -> Self {
        match why {
            Why::Denied(_) => Self::Denied,
            Why::Malformed(_) => Self::Malformed,
            Why::Fault(Fault::Busy { .. }) => Self::Busy,
            Why::Fault(Fault::Internal) => Self::Internal,
            Why::Fault(Fault::Limited { .. }) => Self::Limited,
            Why::Fault(Fault::Unavailable { .. }) => Self::Unavailable,
        }
    }

    pub(crate) const fn index(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_index(index: u8) -> Self {
        Self::ALL.get(usize::from(index)).copied().unwrap_or(Self::Internal)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Busy => "busy",
            Self::Denied => "denied",
            Self::Internal => "internal",
            Self::Limited => "limited",
            Self::Malformed => "malformed",
            Self::Unavailable => "unavailable",
        }
    }
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        EncodeLabelValue::encode(&self.name(), encoder)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    scheme: String,
    operation: String,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Served {
    scheme: String,
    operation: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginEnded {
    scheme: String,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfScheme {
    scheme: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    method: &'static str,
}

/// The figures of one operation, found among all others once and not for each request.
#[derive(Debug, Default)]
pub(crate) struct Series {
    durations: OnceLock<Histogram>,
    requests: [OnceLock<Counter>; Outcome::ALL.len()],
}

/// One connection, counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Figures that all begin at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("countersign"),
            requests: Family::default(),
            durations: Family::new_with_constructor(request_times),
            logins: Family::default(),
            reuse: Family::default(),
            connections: Gauge::default(),
            hashes_waiting: Gauge::default(),
            hashes_shed: Counter::default(),
            audit_lost: Counter::default(),
            audit_waiting: Gauge::default(),
            audit_failing: Gauge::default(),
            unserved: Series::default(),
            store_durations: Family::new_with_constructor(store_times),
            store_errors: Family::default(),
            passwords: OnceLock::new(),
            audit: OnceLock::new(),
        };
        let registry = &mut inner.registry;
        registry.register("requests", "Requests answered", inner.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "From the head of a request to its answer",
            Unit::Seconds,
            inner.durations.clone(),
        );
        registry.register("logins", "Logins by how they ended", inner.logins.clone());
        registry.register(
            "refresh_reuse",
            "Refresh tokens that were used again, which ended their sessions",
            inner.reuse.clone(),
        );
        registry.register("connections", "Connections open", inner.connections.clone());
        registry.register(
            "hashes_waiting",
            "Password hashes that wait for a thread",
            inner.hashes_waiting.clone(),
        );
        registry.register(
            "hashes_shed",
            "Password hashes refused because too many waited",
            inner.hashes_shed.clone(),
        );
        registry.register("audit_lost", "Audit events that could not be written", inner.audit_lost.clone());
        registry.register(
            "audit_waiting",
            "Audit events that wait to be written",
            inner.audit_waiting.clone(),
        );
        registry.register(
            "audit_failing",
            "1 while the audit log cannot be written",
            inner.audit_failing.clone(),
        );
        registry.register_with_unit(
            "store_call_duration",
            "Calls of the store",
            Unit::Seconds,
            inner.store_durations.clone(),
        );
        registry.register("store_errors", "Calls of the store that failed", inner.store_errors.clone());
        Self(Arc::new(inner))
    }

    /// Shows the queue of this pool; the first one given counts.
    pub fn show_passwords(&self, passwords: &Passwords) {
        let _ = self.0.passwords.set(passwords.clone());
    }

    /// Shows the losses of this log; the first one given counts.
    pub fn show_audit(&self, audit: &AuditLog) {
        let _ = self.0.audit.set(audit.clone());
    }

    /// All figures as text.
    #[must_use]
    pub fn text(&self) -> String {
        if let Some(passwords) = self.0.passwords.get() {
            self.0.hashes_waiting.set(i64::try_from(passwords.waiting()).unwrap_or(i64::MAX));
            self.0.hashes_shed.inner().store(passwords.shed(), Ordering::Relaxed);
        }
        if let Some(audit) = self.0.audit.get() {
            self.0.audit_lost.inner().store(audit.lost(), Ordering::Relaxed);
            self.0.audit_waiting.set(i64::try_from(audit.waiting()).unwrap_or(i64::MAX));
            self.0.audit_failing.set(audit.is_failing().into());
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }

    pub(crate) fn connected(&self) -> Connected {
        self.0.connections.inc();
        Connected(self.0.connections.clone())
    }

    /// Counts a request to an operation that has these figures.
    pub(crate) fn answered(
        &self,
        series: &Series,
        (scheme, operation): (&str, &str),
        outcome: Outcome,
        took: Duration,
    ) {
        let durations = series.durations.get_or_init(|| {
            let served = Served { scheme: scheme.to_owned(), operation: operation.to_owned() };
            self.0.durations.get_or_create_owned(&served)
        });
        durations.observe(took.as_secs_f64());
        let counter = series.requests.get(usize::from(outcome.index())).map(|counter| {
            counter.get_or_init(|| {
                let (scheme, operation) = (scheme.to_owned(), operation.to_owned());
                self.0.requests.get_or_create_owned(&Answered { scheme, operation, outcome })
            })
        });
        if let Some(counter) = counter {
            counter.inc();
        }
    }

    /// Counts a request to no operation.
    pub(crate) fn answered_elsewhere(&self, outcome: Outcome, took: Duration) {
        self.answered(&self.0.unserved, ("none", "other"), outcome, took);
    }

    pub(crate) fn event(&self, event: &AuditEvent<'_>) {
        let ended = |scheme: &str, outcome| {
            self.0.logins.get_or_create(&LoginEnded { scheme: scheme.to_owned(), outcome }).inc();
        };
        match event {
            AuditEvent::LoggedIn(act) => ended(act.scheme, Outcome::Ok),
            AuditEvent::Refused { scheme, login: true, error, .. } => ended(scheme, Outcome::of(error.why())),
            AuditEvent::SessionEnded { scheme, cause, .. } if cause.is_reuse() => {
                self.0.reuse.get_or_create(&OfScheme { scheme: (*scheme).to_owned() }).inc();
            }
            _ => {}
        }
    }

    /// The times of this method's calls.
    fn times(&self, method: &'static str) -> Histogram {
        self.0.store_durations.get_or_create_owned(&Called { method })
    }

    fn called(&self, method: &'static str, times: &Histogram, took: Duration, failed: bool) {
        times.observe(took.as_secs_f64());
        if failed {
            self.0.store_errors.get_or_create(&Called { method }).inc();
        }
    }
}

fn request_times() -> Histogram {
    Histogram::new([0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0])
}

fn store_times() -> Histogram {
    Histogram::new([0.000_01, 0.000_05, 0.000_25, 0.001, 0.002_5, 0.01, 0.05, 0.25, 1.0, 2.5])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Act, EndCause};
    use crate::error::{Denied, LoginError};

    #[test]
    fn outcomes_survive_their_index() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_index(outcome.index()), outcome);
        }
    }

    #[test]
    fn events_are_counted_by_scheme_and_class_and_name_nobody() {
        let metrics = Metrics::new();
        let series = Series::default();
        for _ in 0..2 {
            metrics.answered(&series, ("ethgas", "login"), Outcome::Denied, Duration::from_millis(3));
        }
        metrics.answered_elsewhere(Outcome::Ok, Duration::from_millis(3));
        let act = Act { scheme: "ethgas", operation: "login", subject: "canary" };
        metrics.event(&AuditEvent::LoggedIn(act));
        let error = LoginError::new(Denied::Credentials, "canary");
        for login in [true, false] {
            metrics.event(&AuditEvent::Refused { scheme: "cbs", operation: "x", login, error: &error });
        }
        for cause in [EndCause::ReuseLate, EndCause::Logout] {
            let ended = AuditEvent::SessionEnded {
                scheme: "cbs",
                subject: "canary",
                cause,
                generation: 1,
                presented: 0,
            };
            metrics.event(&ended);
        }
        let connected = metrics.connected();
        let text = metrics.text();
        for line in [
            "countersign_requests_total{scheme=\"ethgas\",operation=\"login\",outcome=\"denied\"} 2",
            "countersign_requests_total{scheme=\"none\",operation=\"other\",outcome=\"ok\"} 1",
            "countersign_request_duration_seconds_count{scheme=\"ethgas\",operation=\"login\"} 2",
            "countersign_logins_total{scheme=\"ethgas\",outcome=\"ok\"} 1",
            "countersign_logins_total{scheme=\"cbs\",outcome=\"denied\"} 1",
            "countersign_refresh_reuse_total{scheme=\"cbs\"} 1",
            "countersign_connections 1",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
        assert!(text.ends_with("# EOF\n") && !text.contains("canary"));
        drop(connected);
        assert!(metrics.text().contains("countersign_connections 0\n"));
    }
}
