//! Two tours of one target, merged: what differs between them varies, and is not part of the wire format.

use super::shape::kind;
use super::transcript::{Body, Message, Transcript};
use serde_json::Value;

/// Shorter words that differ are words.
const SHORTEST_CHANCE: usize = 16;

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
        let (one, two) = (values(&before, name), values(other, name));
        if one != two {
            *value = match (one.as_slice(), two.as_slice()) {
                ([one], [two]) => opaque(one, two),
                _ => None,
            }
            .unwrap_or_else(|| "<varies>".to_owned());
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
        (Value::String(one), Value::String(two)) if opaque(one, two).is_some() => {
            *value = opaque(one, two).unwrap_or_default().into();
        }
        (value, other) => {
            let kind = if kind(value) == kind(other) { kind(value) } else { "type too" };
            *value = format!("<varies, {kind}>").into();
        }
    }
}

/// What both are where each is a text of one word and of the same length: drawn by chance, also if one does not look so.
fn opaque(one: &str, two: &str) -> Option<String> {
    let length = |text: &str| match text
        .strip_prefix("<opaque, ")
        .and_then(|rest| rest.strip_suffix(" characters>"))
    {
        Some(length) => length.parse().ok(),
        None if text.starts_with('<') || text.contains(char::is_whitespace) => None,
        None => Some(text.chars().count()).filter(|length| *length >= SHORTEST_CHANCE),
    };
    let length = length(one).filter(|one| length(two) == Some(*one))?;
    Some(format!("<opaque, {length} characters>"))
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
    fn a_word_drawn_by_chance_is_named_alike_whether_or_not_it_looks_so() {
        let id = |id: &str| transcript("HTTP 200", &[("x-id", id)], json!({ "id": id, "kind": "01J9ZK3V" }));
        let looks = "<opaque, 26 characters>";
        for (one, two) in [
            (looks, "ABCDEFGHIJKLMNOPQRSTUVWX12"),
            ("ABCDEFGHIJKLMNOPQRSTUVWX12", "ZBCDEFGHIJKLMNOPQRSTUVWX12"),
            (looks, looks),
        ] {
            assert_eq!(merge(id(one), &id(two)), id(looks), "{one} {two}");
        }
        assert_eq!(opaque("<hex 32>", looks), None);
        assert_eq!(opaque("one of several words", "two of several words"), None);
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
