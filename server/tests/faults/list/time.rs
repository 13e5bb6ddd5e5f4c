//! Faults of time: nothing ends, everything ends early, ends that move.

use super::{accepts, say};
use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::world::{Seen, pointer_of};
use countersign_spec::{Role, Scheme, Step};
use serde_json::json;

pub(super) fn of(scheme: &Scheme) -> Vec<Fault> {
    let id = scheme.id.as_str();
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentences: &[&str], make: Box<dyn Fn() -> Bend + Send + Sync>| {
        let names = sentences.iter().map(|sentence| check(id, "time", sentence));
        let trips: Vec<String> = names.filter(|name| exists(name)).collect();
        if !trips.is_empty() {
            faults.push(Fault::new(id, name, does, &trips, make));
        }
    };
    add(
        "time stands still",
        "nothing ever expires",
        &[
            "a token is refused after its lifetime",
            "a refresh token is refused after its lifetime",
            "a token past its refresh window is refused",
            "a challenge is refused after a day",
        ],
        Box::new(|| {
            Bend::decide(
                |seen| if seen.req.path == "/__clock" { say(&json!({ "now": 0 })) } else { Way::Pass },
            )
        }),
    );
    add(
        "time runs too fast",
        "the clock moves a thousand times too far",
        &[
            "a token is accepted until its lifetime ends",
            "a token past its lifetime is refreshed inside the window",
            "a refresh token outlives the access token",
        ],
        Box::new(|| {
            Bend::rewrite(|seen, req| {
                if seen.req.path == "/__clock" {
                    let seconds = seen.body["advance_seconds"].as_u64().unwrap_or_default();
                    req.set_json(&json!({ "advance_seconds": seconds * 1_000 }));
                }
            })
        }),
    );
    add(
        "windows close early",
        "an expired token is refreshed for a few minutes only",
        &["a token is refreshed until its window ends"],
        Box::new(|| Bend {
            decide: Some(Box::new(|seen| {
                let moved = seen.memory().counts.get("moved").copied().unwrap_or_default();
                let late = seen.step() == Some(Step::Refresh) && moved > 5_000;
                if late { Way::Refuse } else { Way::Pass }
            })),
            rewrite: Some(Box::new(|seen, _| {
                let mut memory = seen.memory();
                if seen.req.path == "/__clock" {
                    let by = seen.body["advance_seconds"].as_u64().unwrap_or_default();
                    *memory.counts.entry("moved".to_owned()).or_default() += by;
                } else if seen.req.path == "/__reset" {
                    memory.counts.remove("moved");
                }
            })),
            ..Bend::default()
        }),
    );
    if let Some(operation) = scheme.step(Step::Refresh) {
        add(
            "refreshed tokens stay refreshable",
            "whoever has refreshed once may refresh for ever",
            &["a refreshed token does not reach back to the first window"],
            Box::new(accepts(id, &operation.name, |seen| {
                let token = seen.token().unwrap_or_default();
                seen.memory().count(&token) > 1
            })),
        );
        add(
            "a refresh gives the old token",
            "a refresh answers with the token of the login",
            &["a refresh gives a token that ends later"],
            Box::new(|| {
                Bend::after(|seen, resp| {
                    let Some((_, operation)) = seen.at else { return };
                    let Some(pointer) = pointer_of(operation, Role::AccessToken) else { return };
                    let mut body = resp.json();
                    let Some(place) = body.pointer_mut(pointer) else { return };
                    let account = seen.account().unwrap_or_default();
                    let mut memory = seen.memory();
                    match operation.step {
                        Step::Login => {
                            memory.notes.insert(account, place.as_str().unwrap_or_default().to_owned());
                        }
                        Step::Refresh => {
                            if let Some(old) = memory.notes.get(&account) {
                                *place = json!(old);
                            }
                            resp.set_json(&body);
                        }
                        _ => {}
                    }
                })
            }),
        );
    }
    add(
        "a refresh states the old end",
        "the answer of a refresh says when the token of the login ends, or what was left of it",
        &["a refresh in the middle of a life states the end of the new token"],
        Box::new(|| {
            Bend::after(|seen: &Seen<'_>, resp| {
                let Some((_, operation)) = seen.at else { return };
                let account = seen.account().unwrap_or_default();
                for role in [Role::ExpiresAt, Role::ExpiresIn] {
                    let Some(pointer) = pointer_of(operation, role) else { continue };
                    let mut body = resp.json();
                    let Some(place) = body.pointer_mut(pointer) else { continue };
                    if operation.step == Step::Login {
                        seen.memory().notes.insert(account.clone(), place.to_string());
                    } else if operation.step == Step::Refresh {
                        let said = seen.memory().notes.get(&account).cloned().unwrap_or_default();
                        let said: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
                        *place = said.as_u64().map_or(said, |seconds| json!(seconds / 2));
                        resp.set_json(&body);
                    }
                }
            })
        }),
    );
    add(
        "stated ends move",
        "the end of a token is told as an hour from now",
        &["the stated end of a token does not move"],
        Box::new(|| {
            Bend::after(|seen: &Seen<'_>, resp| {
                let Some((_, operation)) = seen.at.filter(|(_, at)| at.step == Step::Verify) else { return };
                let Some(pointer) = pointer_of(operation, Role::ExpiresAt) else { return };
                let asked = seen.memory().count("asked");
                let mut body = resp.json();
                if let Some(place) = body.pointer_mut(pointer)
                    && let Some(end) = place.as_i64()
                {
                    *place = json!(end + i64::try_from(asked).unwrap_or_default());
                    resp.set_json(&body);
                }
            })
        }),
    );
    faults
}
