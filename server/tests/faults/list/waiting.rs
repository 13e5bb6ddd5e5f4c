//! Faults of times that look right at once and are wrong a little later; nobody moves the clock of these servers.

use super::opaque;
use crate::bend::Bend;
use crate::fault::{Fault, check, exists};
use crate::world::{Seen, pointer_of};
use countersign_spec::{Role, Scheme, Step};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentence: &str, make: fn(&'static Scheme) -> Bend| {
        let trips = check(&scheme.id, "token", sentence);
        if exists(&trips) {
            faults.push(Fault::new(&scheme.id, name, does, &[trips], move || make(scheme)).clockless());
        }
    };
    let sentence = "an operation that says when a token ends says it right";
    add(
        "ends are told from now",
        "the end of a token is told as an hour from the question",
        sentence,
        from_now,
    );
    add(
        "ends of opaque tokens are told from now",
        "the end of a token that nobody can read is told as an hour from the question",
        sentence,
        |of| Bend { tokens: Some(Box::new(|_, token| opaque(token))), ..from_now(of) },
    );
    let told =
        scheme.step(Step::Refresh).is_some_and(|refresh| pointer_of(refresh, Role::ExpiresAt).is_some());
    if told {
        add(
            "a refresh tells the end of the presented token",
            "the answer of a refresh says when the token ends that was presented",
            "the stated lifetime is the documented one",
            presented,
        );
    }
    faults
}

/// Whoever asks is told an hour from now.
fn from_now(of: &'static Scheme) -> Bend {
    Bend::after(move |seen, resp| {
        let asked = seen.at.filter(|(at, now)| at.id == of.id && now.step == Step::Verify);
        let Some(pointer) = asked.and_then(|(_, operation)| pointer_of(operation, Role::ExpiresAt)) else {
            return;
        };
        let mut body = resp.json();
        if let Some(place) = body.pointer_mut(pointer) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            *place = json!(now.as_secs() + 3_600);
            resp.set_json(&body);
        }
    })
}

/// A refresh tells what was told of the token before.
fn presented(of: &'static Scheme) -> Bend {
    Bend::after(move |seen: &Seen<'_>, resp| {
        let Some((_, operation)) = seen.at.filter(|(at, _)| at.id == of.id) else { return };
        let (Some(token), Some(end)) =
            (pointer_of(operation, Role::AccessToken), pointer_of(operation, Role::ExpiresAt))
        else {
            return;
        };
        let mut body = resp.json();
        let said = |at: &str| body.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let (Some(token), Some(told)) = (said(token), said(end)) else { return };
        let before = seen.bearer.as_ref().and_then(|presented| seen.memory().notes.get(presented).cloned());
        seen.memory().notes.insert(token, told);
        if let (Some(before), Some(place)) = (before, body.pointer_mut(end)) {
            *place = json!(before);
            resp.set_json(&body);
        }
    })
}
