//! Legal ways to write a right request, and the headers that go with it.

use super::{good_request, right_login};
use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::draft::Writing;
use countersign_spec::{Level, Place, Step};
use serde_json::{Value, json};

/// Adds the checks of ways to write the same request.
pub(super) fn add(checks: &mut Checks<'_>) {
    let login = match checks.scheme.step(Step::Login) {
        Some(login) if login.request.schema.is_some() => login.name.clone(),
        _ => return,
    };
    for (sentence, rewrite) in [
        ("a login in pretty printed json works", pretty as fn(&Value) -> Vec<u8>),
        ("a login with its members in reverse order works", reversed),
        ("a login with escaped characters works", escaped),
        ("a login with a final line feed works", line_feed),
    ] {
        checks.add(Group::Form, sentence, &["common.form.json-writing"], move |cx| {
            let (operation, mut draft, actor) = right_login(cx)?;
            let body = draft.body.clone().unwrap_or_default();
            draft.writing = Writing::Bytes(rewrite(&body));
            let answer = cx.send(operation, &draft)?;
            cx.must_accept_like_plain(&answer, &actor, "wrote a right login in another legal way")
        });
    }
    for (sentence, media) in [
        ("a login declared with a charset works", "application/json;charset=UTF-8"),
        ("a login declared in another letter case works", "Application/JSON; Charset=utf-8"),
    ] {
        checks.add(Group::Form, sentence, &["common.form.content-type-parameters"], move |cx| {
            let (operation, mut draft, actor) = right_login(cx)?;
            draft.set_header("content-type", media);
            let answer = cx.send(operation, &draft)?;
            cx.must_accept_like_plain(&answer, &actor, &format!("sent a right login as {media}"))
        });
    }
    checks
        .add(
            Group::Form,
            "members that the document does not know are ignored",
            &["common.form.extra-member"],
            move |cx| {
                let (operation, mut draft, actor) = right_login(cx)?;
                draft.set(&Place::Body("/x_unknown".to_owned()), json!({ "a": [1, null] }));
                let answer = cx.send(operation, &draft)?;
                cx.must_accept_like_plain(
                    &answer,
                    &actor,
                    "sent a right login with a member that the document does not know",
                )
            },
        )
        .at_most(Level::May);
    let headers: Vec<(Place, String)> = checks
        .scheme
        .step(Step::Login)
        .map(|login| login.request.fields.iter())
        .into_iter()
        .flatten()
        .filter(|field| matches!(field.at, Place::Header(_)))
        .map(|field| (field.at.clone(), login.clone()))
        .collect();
    for (place, name) in headers {
        let anchor = format!("{name}.request:{place}");
        let header = place.name().to_owned();
        let (removed, login) = (place.clone(), name.clone());
        let sentence = format!("{name} without the header {header} works");
        checks
            .add(Group::Form, &sentence, &["common.form.optional-member", &anchor], move |cx| {
                let (operation, mut draft) = good_request(cx, &login)?;
                draft.remove(&removed);
                let answer = cx.send(operation, &draft)?;
                cx.must_accept(
                    &answer,
                    &format!("sent a right login without the header {}", removed.name()),
                )?;
                // A client writes the names of headers that it has nothing for.
                let (operation, mut draft) = good_request(cx, &login)?;
                draft.set(&removed, json!(""));
                let answer = cx.send(operation, &draft)?;
                cx.must_accept(
                    &answer,
                    &format!("sent a right login with an empty header {}", removed.name()),
                )
            })
            .at_most(Level::May);
        let sentence = format!("{name} with a header {header} of somebody else is refused");
        checks
            .add(Group::Form, &sentence, &["common.proof.derived-value", &anchor], move |cx| {
                let (operation, mut draft) = good_request(cx, &name)?;
                let other = Actor::fresh_wallet(&mut cx.rng);
                let text = draft.text(&place).unwrap_or_default();
                let changed = if text.contains("0x") {
                    format!("{}{}", text.split("0x").next().unwrap_or_default(), other.address)
                } else {
                    other.login_key.public_hex()
                };
                draft.set(&place, json!(changed));
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("sent a right login with a foreign header {}", place.name()))
            })
            .at_most(Level::May);
    }
}

fn pretty(body: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(body).unwrap_or_default()
}

fn line_feed(body: &Value) -> Vec<u8> {
    let mut bytes = body.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

fn reversed(body: &Value) -> Vec<u8> {
    let members: Vec<String> = body
        .as_object()
        .into_iter()
        .flatten()
        .rev()
        .map(|(name, value)| format!("{}:{value}", Value::String(name.clone())))
        .collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

/// Every character of every text as a `\u` escape (RFC 8259 section 7).
fn escaped(body: &Value) -> Vec<u8> {
    fn text(text: &str) -> String {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
        format!("\"{units}\"")
    }
    fn value(of: &Value) -> String {
        match of {
            Value::String(string) => text(string),
            other => other.to_string(),
        }
    }
    let members: Vec<String> = body
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, of)| format!("{}:{}", text(name), value(of)))
        .collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewritten_bodies_mean_the_same() {
        let body = json!({ "user": "ada", "password": "pass wörd \u{1F511} \"quoted\"", "n": 7 });
        for rewrite in [pretty, reversed, escaped, line_feed] {
            let read: Value = serde_json::from_slice(&rewrite(&body)).unwrap();
            assert_eq!(read, body);
        }
    }
}
