//! Faults of refusals that only some requests meet: without a token, without a member, with a token that is used up.

use crate::bend::{Bend, Resp};
use crate::fault::{Fault, check, exists};
use crate::world::Seen;
use countersign_spec::{Scheme, Step};
use http::StatusCode;
use serde_json::{Value, json};

/// What becomes of an answer.
type Change = fn(&mut Resp);

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    let mut faults = members(scheme);
    faults.extend(bad_tokens(scheme));
    for operation in &scheme.operations {
        let name = operation.name.clone();
        let trips = check(&scheme.id, "form", &format!("{name} without a token is refused in words"));
        if !exists(&trips) {
            continue;
        }
        let says: [(&str, &str, Change); 2] = [
            (
                "sends callers without a token to a page",
                "a lack of a token is answered with HTTP 302",
                |resp| {
                    resp.status = StatusCode::FOUND;
                    resp.set_header("location", "/login");
                },
            ),
            ("says nothing to callers without a token", "a lack of a token has an empty answer", |resp| {
                resp.set_body("");
            }),
        ];
        for (fault, does, change) in says {
            let (id, name) = (scheme.id.clone(), name.clone());
            faults.push(Fault::new(
                &scheme.id,
                &format!("{name} {fault}"),
                does,
                std::slice::from_ref(&trips),
                move || {
                    let (id, name) = (id.clone(), name.clone());
                    Bend::after(move |seen, resp| {
                        if seen.is(&id, &name) && seen.token().is_none() && !seen.is_success(resp) {
                            change(resp);
                        }
                    })
                },
            ));
        }
    }
    faults
}

/// Refusals of bad tokens whose status is not the one that their code begins with.
fn bad_tokens(scheme: &Scheme) -> Option<Fault> {
    let trips = check(&scheme.id, "hygiene", "the code of every refusal begins with its status");
    let id = scheme.id.clone();
    exists(&trips).then(|| {
        Fault::new(
            &scheme.id,
            "bad tokens have another status than their code",
            "bad tokens are refused by HTTP 403 with the codes of 401",
            &[trips],
            move || {
                let id = id.clone();
                Bend::after(move |seen, resp| {
                    let here = seen.at.is_some_and(|(scheme, _)| scheme.id == id);
                    if here && seen.bearer.is_some() && resp.status == StatusCode::UNAUTHORIZED {
                        resp.status = StatusCode::FORBIDDEN;
                    }
                })
            },
        )
    })
}

/// Members of a refusal that are wrong in requests that lack something only.
fn members(scheme: &Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentence: &str, change: Box<dyn Fn(&mut Resp) + Send + Sync>| {
        let trips = check(&scheme.id, "hygiene", sentence);
        if !exists(&trips) {
            return;
        }
        let (id, change) = (scheme.id.clone(), std::sync::Arc::new(change));
        faults.push(Fault::new(&scheme.id, name, does, &[trips], move || {
            let (id, change) = (id.clone(), change.clone());
            Bend::after(move |seen, resp| {
                let here = seen.at.is_some_and(|(scheme, _)| scheme.id == id);
                if here && lacks_a_member(seen) && !seen.is_success(resp) {
                    change(resp);
                }
            })
        }));
    };
    let typed = "a refusal has no member of another type than documented";
    if let Some(message) = scheme.envelope.message.first().cloned() {
        add(
            "what is missing is told in a list",
            "the message is a list where a member is missing",
            typed,
            Box::new(move |resp| set(resp, &message, &json!(["user is required"]))),
        );
    }
    if let Some(code) = scheme.envelope.code.first().cloned() {
        let null = code.clone();
        add(
            "what is missing has no code",
            "the code is null where a member is missing",
            typed,
            Box::new(move |resp| set(resp, &null, &Value::Null)),
        );
        let other = code.clone();
        add(
            "what is missing has the code of wrong credentials",
            "HTTP 400 has the code 401 where a member is missing",
            "the code of every refusal is its status",
            Box::new(move |resp| {
                resp.status = StatusCode::BAD_REQUEST;
                set(resp, &other, &json!(401));
            }),
        );
        if let Some(success) = scheme.envelope.success_codes.first().copied() {
            add(
                "what is missing has the code of a success",
                "HTTP 400 has the code of a success where a member is missing",
                "no refusal has the code of a success",
                Box::new(move |resp| {
                    resp.status = StatusCode::BAD_REQUEST;
                    set(resp, &code, &json!(success));
                }),
            );
        }
    }
    faults
}

/// Whether a login is a JSON object without some member it needs.
fn lacks_a_member(seen: &Seen<'_>) -> bool {
    let Some((_, operation)) = seen.at.filter(|(_, operation)| operation.step == Step::Login) else {
        return false;
    };
    let fields = operation.request.fields.iter().filter(|field| !field.optional);
    let places = fields.map(|field| field.at.to_string()).filter(|place| place.starts_with('/'));
    seen.body.is_object() && places.into_iter().any(|place| seen.body.pointer(&place).is_none())
}

fn set(resp: &mut Resp, pointer: &str, value: &Value) {
    let mut body = resp.json();
    if let Some(place) = body.pointer_mut(pointer) {
        *place = value.clone();
    } else if let (Some(members), None) = (body.as_object_mut(), pointer[1..].find('/')) {
        members.insert(pointer[1..].to_owned(), value.clone());
    }
    resp.set_json(&body);
}
