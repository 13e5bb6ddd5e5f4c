//! Bodies, methods and paths that an operation has no use for.

use super::good_request;
use crate::check::{Checks, Group};
use crate::checks::flow::{safely, served};
use crate::draft::{self, Draft, Writing};
use crate::finding::Stop;
use crate::judge;
use countersign_spec::{Auth, Operation, Step};
use serde_json::Value;

/// Bodies that are no JSON objects are the caller's mistake.
pub(super) fn add(checks: &mut Checks<'_>, operation: &Operation) {
    // Beside a good Authorization header the body of a refresh may be beside the point.
    if operation.step == Step::Refresh && operation.auth == Auth::Access {
        return;
    }
    let name = operation.name.clone();
    let sentence = format!("{name} with a body that is no json object is refused");
    checks
        .add(Group::Form, &sentence, &["common.form.malformed-body"], {
            let name = name.clone();
            move |cx| {
                let (operation, good) = good_request(cx, &name)?;
                for (what, body) in malformed(&good) {
                    let mut draft = good.clone();
                    draft.writing = Writing::Bytes(body);
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("sent {what} to {name}"))?;
                    // A success status without the envelope says neither yes nor no.
                    let mute = answer.exchange.json.as_ref().is_none_or(|body| !body.is_object());
                    if !answer.accepted()
                        && mute
                        && answer.exchange.status().is_some_and(|status| status < 300)
                    {
                        let expected = judge::describe_refusal(cx.scheme);
                        cx.found(&format!("sent {what} to {name}"), &expected, &answer)?;
                    }
                }
                Ok(())
            }
        })
        .family("bodies", 0);
    let sentence = format!("{name} without a body is refused");
    checks
        .add(Group::Form, &sentence, &["common.form.empty-body"], {
            let name = name.clone();
            move |cx| {
                let operation = served(cx, &name)?;
                let mut draft = cx.draft(operation);
                draft.body = None;
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("asked {name} without a body"))?;
                draft.writing = Writing::Bytes(b"{}".to_vec());
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("asked {name} with an empty object"))
            }
        })
        .family("bodies", 1);
    let sentence = format!("{name} with a body declared as plain text is refused");
    checks.add(Group::Form, &sentence, &["common.form.other-content-type"], move |cx| {
        let (operation, mut draft) = good_request(cx, &name)?;
        draft.set_header("content-type", "text/plain");
        let answer = cx.send(operation, &draft)?;
        cx.must_refuse(&answer, &format!("sent the right body to {name} as text/plain"))
    });
}

/// Paths and methods that are not there.
pub(super) fn routing(checks: &mut Checks<'_>, operation: &Operation) {
    let name = operation.name.clone();
    let sentence = format!("{name} asked with another method is refused");
    checks.add(Group::Form, &sentence, &["common.form.other-method"], move |cx| {
        let (operation, good) = good_request(cx, &name).or_else(|stop| match stop {
            Stop::NotApplicable(_) => served(cx, &name).map(|operation| (operation, cx.draft(operation))),
            other => Err(other),
        })?;
        for method in ["PUT", "DELETE", "PATCH"] {
            let mut draft = good.clone();
            draft.method = method.to_owned();
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, &format!("asked {name} by {method}"))?;
        }
        if operation.method == "POST" && operation.request.schema.is_some() && operation.step != Step::Lookup
        {
            // With a safe method a body means nothing (RFC 9110 section 9.3.1).
            for (how, draft) in safely::ways(&good) {
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("asked {name} {how}, with its members in a body"))?;
            }
            // A secret in a URL ends up in logs and histories.
            let mut draft = good;
            draft.method = "GET".to_owned();
            let members = draft.body.take();
            for (member, value) in members.iter().filter_map(Value::as_object).flatten() {
                draft.query.push((member.clone(), draft::plain_text(value)));
            }
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, &format!("asked {name} by GET with its members in the query"))?;
        }
        Ok(())
    });
    if operation.step == Step::Login {
        let name = operation.name.clone();
        checks.add(
            Group::Form,
            "a path that is not there is refused",
            &["common.form.unknown-path"],
            move |cx| {
                let (operation, good) = good_request(cx, &name)?;
                let mut draft = good;
                draft.path = format!("{}-{}", draft.path.trim_end_matches('/'), cx.random_hex(4));
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, "sent a login to a path that is in no document")
            },
        );
    }
}

fn malformed(good: &Draft) -> Vec<(&'static str, Vec<u8>)> {
    let right = good.body.clone().unwrap_or_default().to_string();
    let cut = right.get(..right.len().saturating_sub(1)).unwrap_or_default().as_bytes().to_vec();
    vec![
        ("a body without its last brace", cut),
        ("an array around the right body", format!("[{right}]").into_bytes()),
        ("a JSON text", b"\"login\"".to_vec()),
        ("a JSON number", b"7".to_vec()),
        ("null", b"null".to_vec()),
        ("a form in place of JSON", b"a=1&b=2".to_vec()),
        ("bytes that are no UTF-8", b"{\"\xff\xfe\":\"\xc3\x28\"}".to_vec()),
        ("a body 20,000 arrays deep", [vec![b'['; 20_000], vec![b']'; 20_000]].concat()),
    ]
}
