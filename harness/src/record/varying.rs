//! Two tours of one target, merged: what differs between them varies, and is not part of the wire format.

use super::redaction::kind;
use super::transcript::{Body, Message, Transcript};
use serde_json::Value;

/// The first tour, with what differs in the second shown as varying.
#[must_use]
pub fn merge(first: Vec<Transcript>, second: &[Transcript]) -> Vec<Transcript> {
    let mut merged = first;
    for transcript in &mut merged {
        let Some(other) = second.iter().find(|other| other.path() == transcript.path()) else { continue };
        for step in &mut transcript.steps {
            let Some(other) = other.steps.iter().find(|other| other.title == step.title) else { continue };
            merge_message(&mut step.request, &other.request);
            merge_message(&mut step.answer, &other.answer);
        }
    }
    merged
}

fn merge_message(message: &mut Message, other: &Message) {
    if message.first != other.first {
        let start = message.first.split(' ').next().unwrap_or_default();
        message.first = format!("{start} <varies>");
    }
    let values = |message: &Message, name: &str| -> Vec<String> {
        let headers = message.headers.iter().filter(|(known, _)| known == name);
        headers.map(|(_, value)| value.clone()).collect()
    };
    // A header that is not always there cannot be missed.
    message.headers.retain(|(name, _)| !values(other, name).is_empty());
    let before = message.clone();
    for (name, value) in &mut message.headers {
        if values(&before, name) != values(other, name) {
            "<varies>".clone_into(value);
        }
    }
    message.headers.dedup();
    match (&mut message.body, &other.body) {
        (Body::Json(value), Body::Json(other)) => merge_value(value, other),
        (body, other) if body != other => *body = Body::Text("<varies>".to_owned()),
        _ => {}
    }
}

fn merge_value(value: &mut Value, other: &Value) {
    match (&mut *value, other) {
        (same, other) if same == other => {}
        (Value::Object(members), Value::Object(others)) => {
            members.retain(|name, _| others.contains_key(name));
            for (name, member) in members {
                if let Some(other) = others.get(name) {
                    merge_value(member, other);
                }
            }
        }
        (Value::Array(items), Value::Array(others)) => {
            items.truncate(others.len());
            items.iter_mut().zip(others).for_each(|(item, other)| merge_value(item, other));
        }
        (value, other) => {
            let kind = if kind(value) == kind(other) { kind(value) } else { "type too" };
            *value = format!("<varies, {kind}>").into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::transcript::Step;
    use serde_json::json;

    fn transcript(first: &str, headers: &[(&str, &str)], body: Value) -> Vec<Transcript> {
        let request = Message { first: "GET /".to_owned(), headers: Vec::new(), body: Body::None };
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = Message { first: first.to_owned(), headers, body: Body::Json(body) };
        let step = Step { title: "one".to_owned(), request, answer };
        vec![Transcript { scheme: "a".into(), flow: "b".into(), about: "c".into(), steps: vec![step] }]
    }

    #[test]
    fn what_differs_varies_and_the_order_does_not_matter() {
        let one = transcript(
            "HTTP 200",
            &[("a", "1"), ("b", "1"), ("c", "1")],
            json!({"n": 1, "t": "x", "m": 1, "l": [1, 2], "k": 1}),
        );
        let two =
            transcript("HTTP 503", &[("a", "1"), ("b", "2")], json!({"n": 2, "t": "y", "l": [1], "k": "1"}));
        let merged = merge(one.clone(), &two);
        let expected = transcript(
            "HTTP <varies>",
            &[("a", "1"), ("b", "<varies>")],
            json!({"n": "<varies, number>", "t": "<varies, string>", "l": [1], "k": "<varies, type too>"}),
        );
        assert_eq!(merged, expected);
        assert_eq!(merge(two, &one), expected);
        assert_eq!(merge(one.clone(), &one), one);
    }
}
