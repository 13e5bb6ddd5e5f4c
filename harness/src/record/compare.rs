//! What has changed on the wire between two records, by place and kind of change.

use super::shape::{jwt_parts, kind};
use super::transcript::{Body, Message, Transcript};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Longer values are cut where a change is told.
const LONGEST_VALUE: usize = 120;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Scheme.
    pub scheme: String,
    /// Flow.
    pub flow: String,
    /// Number and title of the step, where it is about one: the number of the earlier record, if it is there.
    pub step: Option<(usize, String)>,
    /// `request` or `response`, and the place in it; empty where it is about a whole step or flow.
    pub place: String,
    /// What has changed.
    pub kind: Kind,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Is there now and was not.
    Added(String),
    /// Was there and is not any more.
    Gone(String),
    /// Has another type of JSON.
    Type(&'static str, &'static str),
    /// Is there with another value or shape.
    Value(String, String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.txt", self.scheme, self.flow)?;
        if let Some((number, _)) = &self.step {
            write!(f, " step {number}")?;
        }
        f.write_str(": ")?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        match &self.kind {
            Kind::Added(what) => write!(f, "added: {what}"),
            Kind::Gone(what) => write!(f, "gone: {what}"),
            Kind::Type(from, to) => write!(f, "type changed from {from} to {to}"),
            Kind::Value(from, to) => write!(f, "changed from {from} to {to}"),
        }
    }
}

/// Every change, in the order of the earlier record and then of what is new.
#[must_use]
pub fn compare(before: &[Transcript], now: &[Transcript]) -> Vec<Change> {
    let mut changes = Changes::default();
    for old in before {
        changes.at(old, None);
        match now.iter().find(|new| new.path() == old.path()) {
            Some(new) => transcript(&mut changes, old, new),
            None => changes.add("", Kind::Gone(whole(old))),
        }
    }
    for new in now.iter().filter(|new| !before.iter().any(|old| old.path() == new.path())) {
        changes.at(new, None);
        changes.add("", Kind::Added(whole(new)));
    }
    changes.found
}

#[derive(Default)]
struct Changes {
    scheme: String,
    flow: String,
    step: Option<(usize, String)>,
    found: Vec<Change>,
}

impl Changes {
    fn at(&mut self, transcript: &Transcript, step: Option<(usize, String)>) {
        (self.scheme, self.flow, self.step) = (transcript.scheme.clone(), transcript.flow.clone(), step);
    }

    fn add(&mut self, place: &str, kind: Kind) {
        let (scheme, flow, step) = (self.scheme.clone(), self.flow.clone(), self.step.clone());
        self.found.push(Change { scheme, flow, step, place: place.to_owned(), kind });
    }
}

fn whole(transcript: &Transcript) -> String {
    match transcript.steps.len() {
        1 => "the whole flow, 1 step".to_owned(),
        many => format!("the whole flow, {many} steps"),
    }
}

fn transcript(changes: &mut Changes, old: &Transcript, new: &Transcript) {
    for (number, step) in (1..).zip(&old.steps) {
        changes.at(old, Some((number, step.title.clone())));
        match new.steps.iter().find(|known| known.title == step.title) {
            Some(other) => {
                message(changes, "request", &step.request, &other.request);
                message(changes, "response", &step.answer, &other.answer);
            }
            None => changes.add("", Kind::Gone(format!("the step `{}`", step.title))),
        }
    }
    changes.at(old, None);
    for step in new.steps.iter().filter(|step| !old.steps.iter().any(|known| known.title == step.title)) {
        changes.add("", Kind::Added(format!("the step `{}`", step.title)));
    }
}

fn message(changes: &mut Changes, side: &str, old: &Message, new: &Message) {
    if old.first != new.first {
        let place = if side == "response" { "response status" } else { "request line" };
        // The word before a status says nothing that the place does not.
        let bare = |first: &str| first.strip_prefix("HTTP ").unwrap_or(first).to_owned();
        changes.add(place, Kind::Value(bare(&old.first), bare(&new.first)));
    }
    let names: BTreeSet<&String> = old.headers.iter().chain(&new.headers).map(|(name, _)| name).collect();
    for name in names {
        let values = |message: &Message| -> Vec<String> {
            let headers = message.headers.iter().filter(|(known, _)| known == name);
            headers.map(|(_, value)| value.clone()).collect()
        };
        let (before, now) = (values(old), values(new));
        let place = format!("{side} header {name}");
        match (before.is_empty(), now.is_empty()) {
            _ if before == now => {}
            (true, _) => changes.add(&place, Kind::Added(cut(&now.join(", ")))),
            (_, true) => changes.add(&place, Kind::Gone(cut(&before.join(", ")))),
            _ => changes.add(&place, Kind::Value(cut(&before.join(", ")), cut(&now.join(", ")))),
        }
    }
    body(changes, side, &old.body, &new.body);
}

fn body(changes: &mut Changes, side: &str, old: &Body, new: &Body) {
    let place = format!("{side} body");
    match (old, new) {
        (Body::Json(old), Body::Json(new)) => json(changes, side, "", old, new),
        (old, new) if old == new => {}
        (Body::None, new) => changes.add(&place, Kind::Added(shown(new))),
        (old, Body::None) => changes.add(&place, Kind::Gone(shown(old))),
        (old, new) => changes.add(&place, Kind::Value(shown(old), shown(new))),
    }
}

fn json(changes: &mut Changes, side: &str, at: &str, old: &Value, new: &Value) {
    // The whole of a body has no pointer.
    let place = if at.is_empty() { format!("{side} body") } else { format!("{side} {at}") };
    match (old, new) {
        (old, new) if old == new => {}
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                member(changes, side, &at, old.get(name), new.get(name));
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for index in 0..old.len().max(new.len()) {
                member(changes, side, &format!("{at}/{index}"), old.get(index), new.get(index));
            }
        }
        (old, new) if kind(old) != kind(new) => changes.add(&place, Kind::Type(kind(old), kind(new))),
        (Value::String(before), Value::String(now))
            if let (Some(before), Some(now)) = (jwt_parts(before), jwt_parts(now)) =>
        {
            token(changes, &place, &before, &now);
        }
        (old, new) => changes.add(&place, Kind::Value(value(old), value(new))),
    }
}

/// Tokens are long; only the claims that differ are told.
fn token(
    changes: &mut Changes,
    place: &str,
    before: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    for name in names {
        let place = format!("{place} {name}");
        match (before.get(name), now.get(name)) {
            (before, now) if before == now => {}
            (None, Some(said)) => changes.add(&place, Kind::Added(said.clone())),
            (Some(said), None) => changes.add(&place, Kind::Gone(said.clone())),
            (before, now) => {
                let said = |said: Option<&String>| said.cloned().unwrap_or_default();
                changes.add(&place, Kind::Value(said(before), said(now)));
            }
        }
    }
}

fn member(changes: &mut Changes, side: &str, at: &str, old: Option<&Value>, new: Option<&Value>) {
    let place = format!("{side} {at}");
    match (old, new) {
        (Some(old), Some(new)) => json(changes, side, at, old, new),
        (Some(old), None) => changes.add(&place, Kind::Gone(value(old))),
        (None, Some(new)) => changes.add(&place, Kind::Added(value(new))),
        (None, None) => {}
    }
}

/// A shape without quotes, a value as JSON.
fn value(value: &Value) -> String {
    match value {
        Value::String(text) if text.starts_with('<') && text.ends_with('>') => cut(text),
        other => cut(&other.to_string()),
    }
}

fn shown(body: &Body) -> String {
    match body {
        Body::None => "nothing".to_owned(),
        Body::Json(json) => format!("JSON {}", value(json)),
        Body::Text(text) => format!("text {}", cut(&format!("{text:?}"))),
    }
}

fn cut(text: &str) -> String {
    crate::exchange::cut(text, LONGEST_VALUE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::transcript::Step;
    use serde_json::json;

    fn step(title: &str, status: &str, headers: &[(&str, &str)], body: Body) -> Step {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = Message { first: "GET /".to_owned(), headers: Vec::new(), body: Body::None };
        Step { title: title.to_owned(), request, answer: Message { first: status.to_owned(), headers, body } }
    }

    fn record(steps: Vec<Step>) -> Vec<Transcript> {
        vec![Transcript { scheme: "badge".into(), flow: "login".into(), about: "it".into(), steps }]
    }

    /// Expects these lines, in this order.
    fn check(old: Vec<Step>, new: Vec<Step>, expected: &[&str]) {
        let found: Vec<String> =
            compare(&record(old), &record(new)).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    fn check_json(old: Value, new: Value, expected: &[&str]) {
        let one = |body| vec![step("one", "HTTP 200", &[], Body::Json(body))];
        check(one(old), one(new), expected);
    }

    #[test]
    fn members_are_compared_by_place_and_kind() {
        check_json(
            json!({"data": {"expiresIn": "<seconds, about 3600>", "token": "<jwt HS256 claims: exp number>"}, "gone": [1], "same": null}),
            json!({"data": {"expiresIn": "3600", "token": "<hex 32>", "a/b": true}, "same": null}),
            &[
                "badge login.txt step 1: response /data/a~1b: added: true",
                "badge login.txt step 1: response /data/expiresIn: type changed from number to string",
                "badge login.txt step 1: response /data/token: changed from <jwt HS256 claims: exp number> to <hex 32>",
                "badge login.txt step 1: response /gone: gone: [1]",
            ],
        );
        check_json(
            json!([{"a": 1}, 2]),
            json!([{"a": null}, 2, "x"]),
            &[
                "badge login.txt step 1: response /0/a: type changed from number to null",
                "badge login.txt step 1: response /2: added: \"x\"",
            ],
        );
        check_json(
            json!({"t": "<jwt HS256 header: kid, typ; claims: exp number, sub string>"}),
            json!({"t": "<jwt ES256 header: typ; claims: exp string, iat number, sub string>"}),
            &[
                "badge login.txt step 1: response /t alg: changed from HS256 to ES256",
                "badge login.txt step 1: response /t claim exp: changed from number to string",
                "badge login.txt step 1: response /t claim iat: added: number",
                "badge login.txt step 1: response /t header kid: gone: there",
            ],
        );
        check_json(
            json!({}),
            json!([]),
            &["badge login.txt step 1: response body: type changed from object to array"],
        );
        check_json(json!({"a": 1}), json!({"a": 1}), &[]);
    }

    #[test]
    fn status_headers_and_bodies_are_compared() {
        check(
            vec![step("one", "HTTP 401", &[("allow", "POST"), ("vary", "a"), ("vary", "b")], Body::None)],
            vec![step("one", "HTTP 200", &[("vary", "b"), ("x", "1")], Body::Text("oh".into()))],
            &[
                "badge login.txt step 1: response status: changed from 401 to 200",
                "badge login.txt step 1: response header allow: gone: POST",
                "badge login.txt step 1: response header vary: changed from a, b to b",
                "badge login.txt step 1: response header x: added: 1",
                "badge login.txt step 1: response body: added: text \"oh\"",
            ],
        );
        let (json, text) = (Body::Json(json!({})), Body::Text("<p>".into()));
        check(
            vec![step("one", "HTTP 401", &[], json)],
            vec![step("one", "no answer: not in time", &[], text)],
            &[
                "badge login.txt step 1: response status: changed from 401 to no answer: not in time",
                "badge login.txt step 1: response body: changed from JSON {} to text \"<p>\"",
            ],
        );
    }

    #[test]
    fn steps_are_found_by_their_titles() {
        let named = |title: &str, status: &str| step(title, status, &[], Body::None);
        check(
            vec![named("one", "HTTP 200"), named("two", "HTTP 200")],
            vec![named("new", "HTTP 200"), named("two", "HTTP 500")],
            &[
                "badge login.txt step 1: gone: the step `one`",
                "badge login.txt step 2: response status: changed from 200 to 500",
                "badge login.txt: added: the step `new`",
            ],
        );
        let gone = compare(&record(vec![named("one", "HTTP 200")]), &[]);
        assert_eq!(gone[0].to_string(), "badge login.txt: gone: the whole flow, 1 step");
    }
}
