//! Faults beside the documented way: other ways to ask, imitations that are refused and yet do harm, logins that name two
//! accounts, and answers that tell what is kept.

use super::credential::{Tried, secret_of};
use super::say_status;
use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::world::{Seen, pointer_of, query};
use countersign::jwt::Jwt;
use countersign_spec::{Auth, Operation, Place, Role, Scheme, Step};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

/// How a server is bent that serves this scheme.
type Make = fn(&'static Scheme) -> Bend;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    for operation in &scheme.operations {
        asked_otherwise(scheme, operation, &mut faults);
        shown_by_name(scheme, operation, &mut faults);
    }
    let mut add = |name: &str, does: &str, group: &str, sentence: &str, make: Make| {
        let trips = check(&scheme.id, group, sentence);
        if exists(&trips) {
            faults.push(Fault::new(&scheme.id, name, does, &[trips], move || make(scheme)));
        }
    };
    add(
        "imitations end sessions",
        "a token with a wrong signature ends the session that it names",
        "token",
        "a token refused for its signature ends no session",
        imitations_end,
    );
    add(
        "the first of two names is logged in",
        "a proof is checked for the last of two names, and the session is the first one's",
        "credential",
        "a login that names two accounts never opens the other one",
        |of| doubled(of, true),
    );
    add(
        "the last of two names is logged in",
        "a proof is checked for the first of two names, and the session is the last one's",
        "credential",
        "a login that names two accounts never opens the other one",
        |of| doubled(of, false),
    );
    add(
        "refusals show what is kept",
        "the refusal of a wrong secret shows the salted digest of the right one",
        "credential",
        "refusals of an account repeat nothing that is kept of it",
        |of| {
            Bend::after(move |seen, resp| {
                let tried = Tried::read(seen).filter(|_| is_login(seen, of));
                if let Some(right) = tried.and_then(|tried| tried.right)
                    && !seen.is_success(resp)
                {
                    let kept = Sha256::digest(format!("salt of the account/{right}"));
                    resp.set_header("x-debug", &format!("want {}", HEXLOWER.encode(&kept)));
                }
            })
        },
    );
    add(
        "answers show a digest",
        "a success carries the unsalted digest of the secret in a header",
        "hygiene",
        "no answer shows a digest of a secret",
        |of| {
            Bend::after(move |seen, resp| {
                let secret =
                    seen.text(Role::Password).filter(|_| is_login(seen, of) && seen.is_success(resp));
                if let Some(secret) = secret {
                    resp.set_header(
                        "x-account",
                        &format!("sha512={}", BASE64.encode(&Sha512::digest(secret))),
                    );
                }
            })
        },
    );
    add(
        "long secrets of known names are refused otherwise",
        "the length of a secret is looked at after the account was found",
        "credential",
        "an odd wrong secret and an unknown account are answered alike",
        |of| {
            Bend::decide(move |seen| {
                let known = Tried::read(seen)
                    .filter(|_| is_login(seen, of))
                    .is_some_and(|tried| tried.right.is_some() && tried.secret.len() > 128);
                if known {
                    say_status(413, &json!({ "code": 413, "message": "too long" }))
                } else {
                    Way::Pass
                }
            })
        },
    );
    add(
        "json is looked for in the content type",
        "a content type that mentions application/json is taken for it",
        "form",
        "a login in a type that only mentions json is refused",
        |of| {
            Bend::rewrite(move |seen, req| {
                let media = req.header("content-type").unwrap_or_default().to_owned();
                if is_login(seen, of) && media.contains("application/json") {
                    req.set_header("content-type", "application/json");
                }
            })
        },
    );
    add(
        "the end of the login is told",
        "an operation tells the end of the session's first token for each later one",
        "time",
        "the end of a refreshed token is told as the token has it",
        |of| {
            Bend::after(move |seen, resp| {
                let Some((_, operation)) = seen.at.filter(|(at, _)| at.id == of.id) else { return };
                let mut body = resp.json();
                if operation.step == Step::Refresh {
                    let token = pointer_of(operation, Role::AccessToken).and_then(|at| body.pointer(at));
                    if let Some(token) = token.and_then(Value::as_str) {
                        seen.memory().notes.insert(token.to_owned(), "refreshed".to_owned());
                    }
                    return;
                }
                let refreshed =
                    seen.bearer.as_ref().is_some_and(|token| seen.memory().notes.contains_key(token));
                let at = pointer_of(operation, Role::ExpiresAt).filter(|_| refreshed);
                if let Some(place) = at.and_then(|at| body.pointer_mut(at))
                    && let Some(end) = place.as_i64()
                {
                    *place = json!(end - 1_800);
                    resp.set_json(&body);
                }
            })
        },
    );
    add(
        "now and then a refusal asks for nothing",
        "every other refusal with HTTP 401 lacks WWW-Authenticate",
        "hygiene",
        "refusals that say how to authenticate do so each time",
        |of| {
            Bend::after(move |seen, resp| {
                if seen.at.is_none_or(|(at, _)| at.id != of.id) || seen.is_success(resp) {
                    return;
                }
                resp.status = http::StatusCode::UNAUTHORIZED;
                if seen.memory().count("refused") % 2 == 0 {
                    resp.set_header("www-authenticate", "Bearer");
                } else {
                    drop(resp.headers.remove("www-authenticate"));
                }
            })
        },
    );
    add(
        "null with credentials",
        "the origin null is allowed, with credentials",
        "hygiene",
        "credentials are not open to a foreign origin",
        |of| {
            Bend::after(move |seen, resp| {
                let null = seen.req.header("origin") == Some("null");
                if null && seen.at.is_some_and(|(at, _)| at.id == of.id) {
                    resp.set_header("access-control-allow-origin", "null");
                    resp.set_header("access-control-allow-credentials", "true");
                }
            })
        },
    );
    add(
        "tokens may be kept for a minute",
        "answers are private and fresh for a minute",
        "hygiene",
        "answers with tokens state no time to keep them",
        |of| {
            Bend::after(move |seen, resp| {
                if seen.at.is_some_and(|(at, _)| at.id == of.id) {
                    resp.set_header("cache-control", "private, max-age=60");
                }
            })
        },
    );
    add(
        "tokens are set as open cookies",
        "a login sets its token as a cookie that scripts can read",
        "hygiene",
        "cookies that hold a token are closed to scripts",
        |of| {
            Bend::after(move |seen, resp| {
                let Some((_, operation)) = seen.at.filter(|(at, _)| at.id == of.id) else { return };
                let body = resp.json();
                let token = pointer_of(operation, Role::AccessToken).and_then(|at| body.pointer(at));
                if let Some(token) = token.and_then(Value::as_str) {
                    resp.set_header("set-cookie", &format!("at={token}; Path=/"));
                }
            })
        },
    );
    faults
}

fn is_login(seen: &Seen<'_>, of: &Scheme) -> bool {
    seen.at.is_some_and(|(at, operation)| at.id == of.id && operation.step == Step::Login)
}

/// Servers that look at the proof only when they are asked in the usual way.
fn asked_otherwise(scheme: &'static Scheme, operation: &'static Operation, faults: &mut Vec<Fault>) {
    let name = &operation.name;
    let trips = check(&scheme.id, "token", &format!("{name} without a proof is refused however it is asked"));
    if !exists(&trips) {
        return;
    }
    let unproven = move |seen: &Seen<'_>| {
        seen.is(&scheme.id, &operation.name)
            && match operation.auth {
                Auth::Signed => seen.text(Role::Signature).is_none(),
                _ => seen.bearer.as_ref().is_none_or(|token| !seen.memory().issued.contains_key(token)),
            }
    };
    let says = |status: u16| {
        let mut way = say_status(status, &json!({}));
        if let Way::Say(resp) = &mut way {
            resp.set_body("");
        }
        way
    };
    faults.push(Fault::new(
        &scheme.id,
        &format!("{name} takes other methods from everybody"),
        "a method that a header names needs no proof",
        std::slice::from_ref(&trips),
        move || {
            Bend::decide(move |seen| {
                let named = seen.req.header("x-http-method-override").is_some();
                if named && unproven(seen) { Way::Accept } else { Way::Pass }
            })
        },
    ));
    if operation.step != Step::Logout {
        faults.push(Fault::new(
            &scheme.id,
            &format!("{name} is guarded for its own method"),
            "a method that the operation does not have does the same, and needs no proof",
            std::slice::from_ref(&trips),
            move || {
                Bend::decide(move |seen| {
                    let own =
                        seen.req.method == operation.method.as_str() || seen.req.method == http::Method::HEAD;
                    let other = !own
                        && !operation.other_methods.iter().any(|known| seen.req.method == known.as_str());
                    if other && unproven(seen) { Way::Accept } else { Way::Pass }
                })
            },
        ));
    }
    faults.push(Fault::new(
        &scheme.id,
        &format!("{name} is guarded under one spelling"),
        "under its path with a slash more or less at its end no proof is asked for",
        std::slice::from_ref(&trips),
        move || {
            Bend::decide(move |seen| {
                let (asked, known) = (&seen.req.path, &operation.path);
                let same = asked.trim_end_matches('/') == known.trim_end_matches('/');
                if same && asked != known { Way::Accept } else { Way::Pass }
            })
        },
    ));
    // Where a refusal has HTTP 200, its head says nothing.
    if operation.auth == Auth::Signed {
        return;
    }
    faults.push(Fault::new(
        &scheme.id,
        &format!("{name} looks at conditions first"),
        "a condition that does not hold is answered with HTTP 304 before the proof is looked at",
        std::slice::from_ref(&trips),
        move || {
            Bend::decide(move |seen| {
                if unproven(seen) && seen.req.header("if-none-match").is_some() {
                    says(304)
                } else {
                    Way::Pass
                }
            })
        },
    ));
    if operation.method == "GET" {
        faults.push(Fault::new(
            &scheme.id,
            &format!("{name} takes heads from everybody"),
            "HEAD is answered without a proof",
            &[trips],
            move || {
                Bend::decide(move |seen| {
                    if unproven(seen) && seen.req.method == http::Method::HEAD {
                        says(200)
                    } else {
                        Way::Pass
                    }
                })
            },
        ));
    }
}

/// Another account is shown to whoever names it; what belongs to no account is not looked for.
fn shown_by_name(scheme: &'static Scheme, operation: &'static Operation, faults: &mut Vec<Fault>) {
    let name = &operation.name;
    let sentence = format!("{name} answers about the account of the token, whoever is named beside it");
    let trips = check(&scheme.id, "token", &sentence);
    if !exists(&trips) {
        return;
    }
    faults.push(Fault::new(
        &scheme.id,
        &format!("{name} shows whom a parameter names"),
        "a parameter named like a member has another account shown, if there is one",
        &[trips],
        move || {
            Bend::after(move |seen, resp| {
                if !seen.is(&scheme.id, &operation.name) || !seen.is_success(resp) {
                    return;
                }
                let mut body = resp.json();
                let asked = seen.req.query.as_deref().unwrap_or_default();
                show(&mut body, asked, &mut |known| {
                    seen.memory().notes.insert(format!("shown {known}"), String::new()).is_some()
                });
                resp.set_json(&body);
            })
        },
    ));
}

/// Texts that the query has under the same name, and that were shown before, take the place of what is there.
fn show(value: &mut Value, asked: &str, was_shown: &mut impl FnMut(&str) -> bool) {
    let Some(members) = value.as_object_mut() else { return };
    for (name, member) in members {
        match member {
            Value::String(text) => {
                was_shown(text);
                if let Some(other) = query(asked, name).filter(|other| was_shown(other)) {
                    *text = other;
                }
            }
            other => show(other, asked, was_shown),
        }
    }
}

fn imitations_end(of: &'static Scheme) -> Bend {
    Bend::decide(move |seen| {
        let here = seen.at.is_some_and(|(at, _)| at.id == of.id);
        let Some(token) = seen.token().filter(|_| here) else { return Way::Pass };
        let mut memory = seen.memory();
        if memory.issued.contains_key(&token) {
            return if memory.notes.contains_key(&token) { Way::Refuse } else { Way::Pass };
        }
        let Some(jwt) = Jwt::read(&token) else { return Way::Pass };
        let claims = format!(".{}.", jwt.text.split('.').nth(1).unwrap_or_default());
        let named: Vec<String> =
            memory.issued.keys().filter(|known| known.contains(&claims)).cloned().collect();
        for token in named {
            memory.notes.insert(token, "ended".to_owned());
        }
        Way::Pass
    })
}

/// The login's member that names an account.
fn named(of: &Scheme) -> Option<(&Place, bool)> {
    let login = of.step(Step::Login)?;
    let secret = login.request_field(Role::Password).is_some();
    let role = if secret { Role::Identifier } else { Role::Address };
    login.request_field(role).map(|field| (&field.at, secret))
}

/// The first and the last value of a member that stands twice in a body.
fn both(body: &[u8], name: &str) -> Option<[String; 2]> {
    let text = String::from_utf8_lossy(body).into_owned();
    let values: Vec<&str> =
        text.split(&format!("\"{name}\":\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    match values.as_slice() {
        [first, last] => Some([(*first).to_owned(), (*last).to_owned()]),
        _ => None,
    }
}

/// A server that proves one of two names and logs the other in.
fn doubled(of: &'static Scheme, opens_first: bool) -> Bend {
    let pick = move |[first, last]: [String; 2]| if opens_first { (last, first) } else { (first, last) };
    let rewrite = Bend::rewrite(move |seen, req| {
        let Some((at, secret)) = named(of).filter(|_| is_login(seen, of)) else { return };
        let Some((proven, opened)) = both(&req.body, at.name()).map(pick) else { return };
        let mut body = seen.body.clone();
        let mut set = |place: &Place, value: &str| {
            if let Place::Body(pointer) = place {
                countersign::draft::set_pointer(&mut body, pointer, json!(value));
            }
        };
        set(at, &proven);
        let right = secret_of(&of.id, |name| name == proven).filter(|_| secret);
        if right.is_some() && right == seen.text(Role::Password) {
            let theirs = secret_of(&of.id, |name| name == opened).unwrap_or_default();
            let field = of.step(Step::Login).and_then(|login| login.request_field(Role::Password));
            set(at, &opened);
            field.into_iter().for_each(|field| set(&field.at, &theirs));
        }
        req.set_json(&body);
    });
    let after = Bend::after(move |seen, resp| {
        let Some((at, false)) = named(of).filter(|_| is_login(seen, of)) else { return };
        let Some((proven, opened)) = both(&seen.req.body, at.name()).map(pick) else { return };
        if !seen.is_success(resp) {
            return;
        }
        let text = String::from_utf8_lossy(&resp.body).replace(&proven, &opened);
        let mut body: Value = serde_json::from_str(&text).unwrap_or_default();
        let memory = seen.memory();
        let theirs = memory.issued.iter().filter(|(_, issued)| {
            issued.scheme == of.id && !issued.refresh && issued.account == opened.to_ascii_lowercase()
        });
        let token = theirs.min_by_key(|(_, issued)| issued.number).map(|(token, _)| token.clone());
        drop(memory);
        let pointer = seen.at.and_then(|(_, operation)| pointer_of(operation, Role::AccessToken));
        if let (Some(token), Some(pointer)) = (token, pointer) {
            countersign::draft::set_pointer(&mut body, pointer, json!(token));
        }
        resp.set_json(&body);
    });
    Bend { after: after.after, ..rewrite }
}
