//! One line of the audit log.

use super::{Act, AuditEvent};
use crate::client::Source;
use crate::env::{Clock as _, SystemClock};
use crate::error::{LoginError, Why};
use serde::Serialize;

/// An event as it is written down. Holds no secret.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Record<'a> {
    /// By the system's clock, as RFC 3339 writes it; a development server's own clock may differ.
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    /// What kind of refusal or of end it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    /// The same in words, for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// The key that signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presented: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl<'a> Record<'a> {
    pub(crate) fn of(event: &AuditEvent<'a>, request_id: Option<&'a str>, source: Option<Source>) -> Self {
        let source = source.map(|source| source.to_string());
        let base = Self { time: now(), request_id, source, ..Self::default() };
        let act = |event, act: Act<'a>| Self {
            event,
            scheme: Some(act.scheme),
            operation: Some(act.operation),
            subject: Some(act.subject),
            ..base.clone()
        };
        match *event {
            AuditEvent::AccountChanged { scheme, name, change } => Self {
                event: "account-changed",
                scheme: Some(scheme),
                subject: Some(name),
                cause: Some(change.to_owned()),
                ..base
            },
            AuditEvent::Challenged(one) => act("challenge", one),
            AuditEvent::KeysChanged { signing } => Self { event: "keys-changed", kid: Some(signing), ..base },
            AuditEvent::LoggedIn(one) => act("login", one),
            AuditEvent::LoggedOut(one) => act("logout", one),
            AuditEvent::Refreshed(one) => act("refresh", one),
            AuditEvent::Refused { scheme, operation, error, .. } => Self {
                event: "refusal",
                scheme: Some(scheme),
                operation: Some(operation),
                cause: Some(cause(error)),
                reason: Some(error.reason()),
                ..base
            },
            AuditEvent::SessionEnded { scheme, subject, cause, generation, presented } => Self {
                event: if cause.is_reuse() { "reuse" } else { "session-ended" },
                scheme: Some(scheme),
                subject: Some(subject),
                cause: Some(kebab(&format!("{cause:?}"))),
                generation: Some(generation),
                presented: Some(presented),
                ..base
            },
            AuditEvent::Started => Self { event: "start", ..base },
            AuditEvent::Stopping => Self { event: "stop", ..base },
        }
    }

    /// So many events could not be written.
    pub(super) fn lost(count: u64) -> Self {
        Self { time: now(), event: "lost", cause: Some(count.to_string()), ..Self::default() }
    }

    /// As a line, its end included.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// The typed half of a refusal, such as `denied/credentials`.
fn cause(error: &LoginError) -> String {
    match error.why() {
        Why::Denied(denied) => format!("denied/{}", kebab(&format!("{denied:?}"))),
        Why::Malformed(malformed) => format!("malformed/{}", kebab(&format!("{malformed:?}"))),
        Why::Fault(fault) => format!("fault/{}", kebab(&format!("{fault:?}"))),
    }
}

/// `UnknownUser` as `unknown-user`; what a variant carries is left out.
fn kebab(name: &str) -> String {
    let name = name.split(' ').next().unwrap_or_default();
    let mut out = String::with_capacity(name.len() + 4);
    for (index, c) in name.char_indices() {
        if c.is_ascii_uppercase() && index > 0 {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn now() -> String {
    let millis = i64::try_from(SystemClock.now().millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Denied, Fault};

    #[test]
    fn causes_are_typed_and_names_cannot_break_out_of_their_line() {
        let error = LoginError::new(Denied::UnknownUser, "nobody");
        assert_eq!(cause(&error), "denied/unknown-user");
        assert_eq!(cause(&LoginError::new(Fault::Limited { retry_after: 3 }, "often")), "fault/limited");
        let act = Act { scheme: "s", operation: "o", subject: "a\n{\"event\":\"login\"}" };
        let line = Record::of(&AuditEvent::LoggedIn(act), Some("id"), Some(Source::UNKNOWN)).line();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(read["subject"], "a\n{\"event\":\"login\"}");
        assert_eq!(
            (&read["event"], &read["request_id"], &read["source"]),
            (&"login".into(), &"id".into(), &"0.0.0.0".into())
        );
        assert!(read["time"].as_str().unwrap().ends_with('Z'));
        assert!(read.get("cause").is_none());
    }
}
