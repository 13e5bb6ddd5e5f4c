//! Faults that only an account shows which is marked, or whoever comes after it.

use crate::bend::{Bend, Resp};
use crate::fault::{Fault, check, exists};
use crate::host::SEEDS;
use crate::world::{Seen, pointer_of};
use countersign_spec::{Role, Scheme};
use http::StatusCode;
use serde_json::{Value, json};

/// What becomes of the answer to a login of a marked account: whether it is a success, and the answer.
type Change = fn(&Seen<'_>, bool, &mut Resp);

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    let whole = "a marked account is logged in like any other";
    let told = "where somebody is sent is a text or null";
    let refused = "a wrong secret of a marked account is refused like any other";
    let changes: [(&str, &str, &str, Change); 8] = [
        (
            "marked accounts are sent on",
            "a login of a marked account has HTTP 302",
            whole,
            |_, good, resp| {
                if good {
                    resp.status = StatusCode::FOUND;
                }
            },
        ),
        (
            "marked accounts are kept out",
            "a marked account is refused with HTTP 403",
            whole,
            |_, good, resp| {
                if good {
                    resp.status = StatusCode::FORBIDDEN;
                    resp.set_json(
                        &json!({ "code": 403, "result": { "code": 403, "desc": "change it first" } }),
                    );
                }
            },
        ),
        (
            "marked accounts get one token",
            "a marked account gets no refresh token",
            whole,
            |seen, good, resp| {
                let mut body = resp.json();
                let members = body.pointer_mut("/result").and_then(Value::as_object_mut);
                if let (true, Some(members), true) = (good, members, seen.at.is_some()) {
                    members.remove("refresh_token");
                    resp.set_json(&body);
                }
            },
        ),
        (
            "marked accounts get null",
            "the access token of a marked account is null",
            whole,
            |seen, good, resp| {
                set(seen, good, Role::AccessToken, &Value::Null, resp);
            },
        ),
        (
            "marked accounts have a code",
            "a good login of a marked account has code 1",
            whole,
            |seen, good, resp| {
                set(seen, good, Role::Code, &json!(1), resp);
            },
        ),
        ("redirects are objects", "where to go is told in an object", told, |seen, good, resp| {
            set(seen, good, Role::Redirect, &json!({ "to": "pw/reset" }), resp);
        }),
        ("redirects are true", "that one has to go is told by true", told, |seen, good, resp| {
            set(seen, good, Role::Redirect, &json!(true), resp);
        }),
        (
            "refusals are sent on",
            "a wrong secret of a marked account is sent on",
            refused,
            |seen, good, resp| {
                set(seen, !good, Role::Redirect, &json!("pw/reset"), resp);
            },
        ),
    ];
    let mut faults = Vec::new();
    for (name, does, sentence, change) in changes {
        let trips = check(&scheme.id, "form", sentence);
        if exists(&trips) {
            let id = scheme.id.clone();
            faults.push(Fault::new(&scheme.id, name, does, &[trips], move || {
                let id = id.clone();
                Bend::after(move |seen, resp| {
                    if is_marked(seen, &id) {
                        let good = seen.is_success(resp);
                        change(seen, good, resp);
                    }
                })
            }));
        }
    }
    let trips = check(&scheme.id, "form", "where one account is sent the next one is not");
    if exists(&trips) {
        let id = scheme.id.clone();
        let make = move || {
            let id = id.clone();
            Bend::after(move |seen, resp| {
                if is_marked(seen, &id) {
                    seen.memory().count("sent");
                } else if seen.text(Role::Identifier).is_some() && seen.memory().counts.contains_key("sent") {
                    let good = seen.is_success(resp);
                    set(seen, good, Role::Redirect, &json!("pw/reset"), resp);
                }
            })
        };
        let does = "whoever logs in after a marked account is sent where that one was";
        faults.push(Fault::new(&scheme.id, "redirects stay", does, &[trips], make));
    }
    faults
}

fn is_marked(seen: &Seen<'_>, scheme: &str) -> bool {
    let Some(name) = seen.text(Role::Identifier) else { return false };
    let mut marked = SEEDS.iter().filter(|seed| seed.scheme == scheme && !seed.flags.is_empty());
    seen.at.is_some_and(|(at, _)| at.id == scheme) && marked.any(|seed| seed.name == name)
}

fn set(seen: &Seen<'_>, when: bool, role: Role, value: &Value, resp: &mut Resp) {
    let Some(pointer) = seen.at.and_then(|(_, operation)| pointer_of(operation, role)) else { return };
    let mut body = resp.json();
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    if when && let Some(members) = body.pointer_mut(parent).and_then(Value::as_object_mut) {
        members.insert(name.to_owned(), value.clone());
        resp.set_json(&body);
    }
}
