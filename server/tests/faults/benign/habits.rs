//! Other habits: what is served, for whom, how quickly.

use super::Benign;
use crate::bend::{Bend, Way};
use crate::list::say_status;
use crate::world::Seen;
use countersign::jwt::Jwt;
use countersign_spec::{Role, Spec, Step};
use serde_json::json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a locked account is told, and what the harness says of it.
const LOCKED: &str = "locked";

/// Under which name the wrong secrets of an account are counted; there is none for anything but a login with a secret.
fn locked_name(seen: &Seen<'_>) -> String {
    let login = seen.step() == Some(Step::Login) && seen.value(Role::Password).is_some();
    let name = seen.text(Role::Identifier).filter(|_| login).unwrap_or_default();
    if name.is_empty() { String::new() } else { format!("wrong/{name}") }
}

pub(super) fn all() -> Vec<Benign> {
    let mut all = vec![
        Benign::new("answers after some milliseconds", || Bend {
            wait: Some(Duration::from_millis(4)),
            ..Bend::default()
        }),
        Benign::new("logins take thirty milliseconds more or less", || {
            Bend::delay(|seen| {
                let login = matches!(seen.step(), Some(Step::Login | Step::Challenge));
                if !login {
                    return Duration::ZERO;
                }
                // Between 25 and 40 ms, in an order that repeats with no period of anybody's.
                let number = seen.memory().count("login").wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
                Duration::from_millis(25 + number)
            })
        }),
        Benign::new("one in fifty requests is asked to wait", || {
            Bend::decide(|seen| {
                let limited = seen.at.is_some() && seen.memory().count("asked") % 50 == 0;
                if !limited {
                    return Way::Pass;
                }
                let mut way = say_status(429, &json!({ "error": "too many requests" }));
                if let Way::Say(resp) = &mut way {
                    resp.set_header("retry-after", "0");
                }
                way
            })
        }),
        Benign::new("only the newest session of an account", || {
            Bend::decide(|seen| {
                let Some(token) = seen.token() else { return Way::Pass };
                let memory = seen.memory();
                let old = memory.issued.get(&token).is_some_and(|issued| {
                    let latest = memory.latest.get(&format!("{}/{}", issued.scheme, issued.account));
                    let at =
                        latest.and_then(|latest| memory.issued.get(latest)).map_or(0, |latest| latest.number);
                    issued.number + 1 < at
                });
                let ethgas = seen.at.is_some_and(|(scheme, _)| scheme.id == "ethgas");
                if old && ethgas { Way::Refuse } else { Way::Pass }
            })
        })
        .unsure(&[
            "ethgas::flow::a-logout-leaves-other-sessions-of-the-account-alive",
            "ethgas::refresh::a-refreshed-token-belongs-to-the-same-account",
            "ethgas::refresh::a-refresh-between-other-logins-gives-the-own-account",
        ]),
        Benign::new("five wrong secrets lock an account", || Bend {
            decide: Some(Box::new(|seen| {
                let name = locked_name(seen);
                let locked =
                    !name.is_empty() && seen.memory().counts.get(&name).is_some_and(|wrong| *wrong >= 5);
                if locked { say_status(423, &json!({ "code": 423, "message": LOCKED })) } else { Way::Pass }
            })),
            after: Some(Box::new(|seen, resp| {
                let name = locked_name(seen);
                if seen.req.path == "/__reset" {
                    seen.memory().counts.clear();
                } else if seen.is_success(resp) {
                    seen.memory().counts.remove(&name);
                } else if resp.status != 423 {
                    seen.memory().count(&name);
                }
            })),
            ..Bend::default()
        })
        .excused(LOCKED),
        Benign::new("a failed attempt ends its challenge", || Bend {
            decide: Some(Box::new(|seen| {
                let text = seen.text(Role::SignedText).unwrap_or_default();
                let ended = seen.step() == Some(Step::Login)
                    && seen.at.is_some_and(|(scheme, _)| scheme.step(Step::Challenge).is_some())
                    && seen.memory().notes.contains_key(&text);
                if ended { Way::Refuse } else { Way::Pass }
            })),
            after: Some(Box::new(|seen, resp| {
                if seen.step() == Some(Step::Login) && !seen.is_success(resp) {
                    let text = seen.text(Role::SignedText).unwrap_or_default();
                    seen.memory().notes.insert(text, "ended".to_owned());
                }
            })),
            ..Bend::default()
        }),
        Benign::new("members that are not known are refused", || {
            Bend::decide(|seen| {
                let Some((scheme, operation)) = seen.at else { return Way::Pass };
                let schema = operation.request.schema.as_ref().and_then(|file| scheme.schema(file));
                let known = schema.map(|schema| schema.members()).unwrap_or_default();
                let strange = seen
                    .body
                    .as_object()
                    .into_iter()
                    .flatten()
                    .any(|(name, _)| !known.is_empty() && !known.contains(&format!("/{name}")));
                if strange { Way::Refuse } else { Way::Pass }
            })
        }),
        Benign::new("names in any letter case", || {
            Bend::rewrite(|seen, req| {
                let name = seen.text(Role::Identifier).unwrap_or_default();
                let known = crate::host::SEEDS.iter().find(|seed| seed.name.eq_ignore_ascii_case(&name));
                if let Some(known) = known.filter(|known| known.name != name)
                    && let Some(field) = seen.at.and_then(|(_, at)| at.request_field(Role::Identifier))
                    && let countersign_spec::Place::Body(pointer) = &field.at
                {
                    let mut body = seen.body.clone();
                    if let Some(place) = body.pointer_mut(pointer) {
                        *place = json!(known.name);
                    }
                    req.set_json(&body);
                }
            })
        }),
        Benign::new("expired tokens are not refreshed", || {
            Bend::decide(|seen| {
                let moved = {
                    let mut memory = seen.memory();
                    if seen.req.path == "/__clock" {
                        let by = seen.body["advance_seconds"].as_u64().unwrap_or_default();
                        *memory.counts.entry("moved".to_owned()).or_default() += by;
                    } else if seen.req.path == "/__reset" {
                        memory.counts.remove("moved");
                    }
                    memory.counts.get("moved").copied().unwrap_or_default()
                };
                let Some((scheme, operation)) = seen.at else { return Way::Pass };
                // Clients of SwapChat refresh at no other time.
                let access = scheme.id != "swapchat"
                    && scheme.refresh.as_ref().is_some_and(|refresh| refresh.accepts_expired);
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs()) + moved;
                let jwt = seen.token().as_deref().and_then(Jwt::read);
                let end = jwt.and_then(|jwt| jwt.seconds("access_expired_at").or_else(|| jwt.seconds("exp")));
                let ended = end.and_then(|end| u64::try_from(end).ok()).is_some_and(|end| end < now);
                if operation.step == Step::Refresh && access && ended { Way::Refuse } else { Way::Pass }
            })
        })
        .unsure(&["nftrainbow::time::a-refreshed-token-does-not-reach-back-to-the-first-window"]),
    ];
    all.push(
        Benign::new("wallets register first", || {
            Bend::decide(|seen| {
                let address = seen.body["wallet_address"].as_str().unwrap_or_default().to_ascii_lowercase();
                if seen.req.path == "/register" {
                    seen.memory().notes.insert(format!("registered {address}"), String::new());
                    return say_status(200, &json!({ "code": 0, "msg": "Welcome.", "data": {} }));
                }
                let known = seen.memory().notes.contains_key(&format!("registered {address}"));
                if seen.step() == Some(Step::Challenge) && seen.req.method == "POST" && !known {
                    return say_status(200, &json!({ "code": 1001, "msg": "User not found", "data": null }));
                }
                Way::Pass
            })
        })
        .only("swapchat"),
    );
    all.push(
        Benign::new("labels of texts are read as they are written, and URIs are ASCII", || {
            Bend::decide(|seen| {
                let text = seen.text(Role::SignedText).unwrap_or_default();
                let strange = text.contains("nonce:") || !text.is_ascii();
                if strange && seen.step() == Some(Step::Login) { Way::Refuse } else { Way::Pass }
            })
        })
        .only("swapchat"),
    );
    all.push(
        Benign::new("access keys are not empty", || {
            Bend::decide(|seen| {
                let empty = seen.body["testnet_access_key"] == "";
                if empty && seen.step() == Some(Step::Login) { Way::Refuse } else { Way::Pass }
            })
        })
        .only("web3mq"),
    );
    all.push(Benign::new("what another page describes is closed to most", || {
        Bend::decide(|seen| {
            let sibling = seen.at.is_some_and(|(_, operation)| operation.sibling);
            if sibling { say_status(403, &json!({ "error": "not for you" })) } else { Way::Pass }
        })
    }));
    for (form, rewrite) in [
        ("an offset", (|text: &str| text.replace('Z', "+00:00")) as fn(&str) -> String),
        ("a fraction", |text| text.replace('Z', ".123456Z")),
        ("nanoseconds and an offset", |text| text.replace('Z', ".123456789+00:00")),
    ] {
        all.push(Benign::new(&format!("times written with {form}"), move || {
            Bend::after(move |seen, resp| {
                let Some((_, operation)) = seen.at else { return };
                let Some(pointer) = crate::world::pointer_of(operation, Role::ExpiresAt) else { return };
                let mut body = resp.json();
                let Some(place) = body.pointer_mut(pointer) else { return };
                if let Some(text) = place.as_str().map(rewrite) {
                    *place = json!(text);
                    resp.set_json(&body);
                }
            })
        }));
    }
    for scheme in Spec::embedded().schemes() {
        for operation in scheme.operations.iter().filter(|operation| operation.optional) {
            let (id, name) = (scheme.id.clone(), operation.name.clone());
            let variant = Benign::new(&format!("{id} does not serve {name}"), move || {
                let (id, name) = (id.clone(), name.clone());
                Bend::decide(move |seen| {
                    if seen.is(&id, &name) {
                        say_status(404, &json!({ "error": "not found" }))
                    } else {
                        Way::Pass
                    }
                })
            });
            all.push(variant.only(&scheme.id));
        }
    }
    all
}
