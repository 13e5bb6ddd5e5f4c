//! Faults of sessions that are refreshed, logged out, or stand beside others.

use super::{decides, say_status};
use crate::bend::{Bend, Req, Way};
use crate::fault::{Fault, check, exists};
use crate::world::{Seen, pointer_of, query};
use countersign::jwt::Jwt;
use countersign_spec::{Place, RefreshTakes, Role, Scheme, Step};
use serde_json::{Value, json};

/// How a server is bent that serves this scheme.
type Make = fn(&'static Scheme) -> Bend;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, group: &str, sentence: &str, make: Make| {
        let trips = check(&scheme.id, group, sentence);
        if exists(&trips) {
            faults.push(Fault::new(&scheme.id, name, does, &[trips], move || make(scheme)));
        }
    };
    add(
        "a logout forgets what was refreshed",
        "tokens of a refresh are good after the logout",
        "flow",
        "a logout after a refresh ends the session",
        |of| noting(of, Step::Refresh, |seen, noted| noted && is_used(seen)),
    );
    add(
        "a logout ends the last token only",
        "the access token from before the refresh is good after the logout",
        "flow",
        "a logout ends every token of its session",
        |of| {
            noting(of, Step::Login, |seen, noted| {
                noted && seen.step() != Some(Step::Refresh) && is_used(seen)
            })
        },
    );
    add(
        "a logout clears the list of exchanged tokens",
        "after a logout any refresh token that was ever given out is exchanged",
        "flow",
        "a token exchanged before stays refused after a logout",
        |_| {
            Bend::decide(|seen| {
                let logged_out = match seen.step() {
                    Some(Step::Logout) => seen.memory().count("logouts") > 0,
                    _ => seen.memory().counts.contains_key("logouts"),
                };
                let token = seen.token().unwrap_or_default();
                let known = seen.memory().issued.get(&token).is_some_and(|issued| issued.refresh);
                if logged_out && known && seen.step() == Some(Step::Refresh) {
                    Way::Accept
                } else {
                    Way::Pass
                }
            })
        },
    );
    add(
        "a second logout fails",
        "a logout of a session that is gone is answered with HTTP 500",
        "flow",
        "a second logout causes no server error",
        |_| {
            Bend::decide(|seen| {
                let token = seen.token().unwrap_or_default();
                let again = seen.step() == Some(Step::Logout) && seen.memory().count(&token) > 1;
                if again {
                    say_status(500, &json!({ "code": 500, "message": "no such session" }))
                } else {
                    Way::Pass
                }
            })
        },
    );
    add(
        "a login ends the refresh tokens of others",
        "a refresh token is good until another account logs in",
        "refresh",
        "logins of others leave a refresh token alive",
        |of| refusing(of, |own, other| own.account != other.account && other.number > own.number),
    );
    add(
        "a login ends earlier refresh tokens",
        "a refresh token is good until its account logs in again",
        "refresh",
        "a further login leaves the earlier session refreshable",
        |of| {
            refusing(of, |own, other| {
                own.account == other.account && own.refresh == other.refresh && other.number > own.number
            })
        },
    );
    add(
        "refreshes are counted",
        "there are eight refreshes in all",
        "refresh",
        "a session is refreshed again and again",
        |_| {
            Bend::decide(|seen| {
                let spent = seen.step() == Some(Step::Refresh) && seen.memory().count("refreshes") > 8;
                if spent { Way::Refuse } else { Way::Pass }
            })
        },
    );
    add(
        "the account is lost on the way",
        "from the eighth refresh on tokens belong to somebody else",
        "refresh",
        "a session stays its accounts however often it is refreshed",
        |of| renamed(of, |seen| seen.memory().count("refreshes") > 8),
    );
    add(
        "a refresh answers the first one again",
        "the answer to a refresh is kept for whoever comes next",
        "refresh",
        "refreshes of two accounts in turn stay apart",
        |_| {
            Bend::after(|seen, resp| {
                if seen.step() == Some(Step::Refresh)
                    && seen.is_success(resp)
                    && let Some(first) = seen.first()
                {
                    *resp = first;
                }
            })
        },
    );
    add(
        "a refresh takes its account from Authorization",
        "the account of a refreshed token is read from the header, unverified",
        "refresh",
        "a refresh beside another token gives the own account",
        |of| Bend {
            // The server itself would wonder about two tokens.
            rewrite: Some(Box::new(|seen, req| {
                if seen.step() == Some(Step::Refresh) && seen.text(Role::RefreshToken).is_some() {
                    req.headers.remove("authorization");
                }
            })),
            ..Bend::tokens(move |seen, token| {
                let bearer = seen.bearer.as_deref().and_then(Jwt::read);
                let jwt = Jwt::read(token).filter(|_| seen.step() == Some(Step::Refresh));
                let (Some(bearer), Some(jwt)) = (bearer, jwt) else { return token.to_owned() };
                jwt.with_claims(|claims| {
                    for name in identity(of) {
                        if let (Some(place), Some(value)) = (claims.get_mut(name), bearer.claims.get(name)) {
                            place.clone_from(value);
                        }
                    }
                })
            })
        },
    );
    add(
        "a refresh reads the query",
        "a refresh takes its token from the address",
        "refresh",
        "a token in the query does not refresh",
        |_| {
            Bend::rewrite(|seen, req| {
                let token = query(seen.req.query.as_deref().unwrap_or_default(), "token");
                if let Some(token) = token {
                    hand_over(seen, req, &token);
                }
            })
        },
    );
    add(
        "a cookie refreshes",
        "a login sets its token as a cookie, which is enough for a refresh",
        "refresh",
        "a cookie alone does not refresh",
        |of| Bend {
            after: Some(Box::new(move |seen, resp| {
                let own = of.refresh.as_ref().is_some_and(|refresh| refresh.takes == RefreshTakes::Refresh);
                let role = if own { Role::RefreshToken } else { Role::AccessToken };
                let Some((_, login)) = seen.at.filter(|(_, at)| at.step == Step::Login) else { return };
                let body = resp.json();
                let token =
                    pointer_of(login, role).and_then(|pointer| body.pointer(pointer)).and_then(Value::as_str);
                if let Some(token) = token {
                    resp.set_header(
                        "set-cookie",
                        &format!("session={token}; HttpOnly; Secure; SameSite=Lax"),
                    );
                }
            })),
            ..Bend::rewrite(|seen, req| {
                let token = seen.req.header("cookie").and_then(|cookie| cookie.strip_prefix("session="));
                if let Some(token) = token.map(str::to_owned) {
                    hand_over(seen, req, &token);
                }
            })
        },
    );
    add(
        "one form of a refresh is not verified",
        "a refresh in the less usual form takes any token",
        "refresh",
        "a changed token is refused in every form",
        |_| {
            Bend::decide(|seen| {
                let Some((_, operation)) = seen.at.filter(|(_, at)| at.step == Step::Refresh) else {
                    return Way::Pass;
                };
                let body = seen.text(Role::RefreshToken);
                let unusual = if operation.variants.is_empty() {
                    body.is_some() && seen.bearer.is_none()
                } else {
                    body.is_none() && seen.bearer.is_some()
                };
                if unusual { Way::Accept } else { Way::Pass }
            })
        },
    );
    for operation in &scheme.operations {
        let sentence = format!("{} tells one caller after the other of the caller", operation.name);
        let trips = check(&scheme.id, "flow", &sentence);
        if exists(&trips) {
            let (of, name) = (scheme.id.clone(), operation.name.clone());
            let fault = format!("{name} is answered from a cache");
            let does = format!("{name} is answered by its path, whoever asks");
            faults.push(Fault::new(&scheme.id, &fault, &does, &[trips], move || {
                let (of, name) = (of.clone(), name.clone());
                Bend::after(move |seen, resp| {
                    if seen.is(&of, &name)
                        && seen.is_success(resp)
                        && let Some(first) = seen.memory().notes.get("kept").cloned()
                    {
                        resp.set_body(first);
                    } else if seen.is(&of, &name) && seen.is_success(resp) {
                        let own = resp.json().to_string();
                        // What is learnt of a target comes before the check.
                        if seen.memory().count("asked") > 2 {
                            seen.memory().notes.insert("kept".to_owned(), own);
                        }
                    }
                })
            }));
        }
    }
    faults
}

fn identity(scheme: &'static Scheme) -> impl Iterator<Item = &'static String> {
    scheme.tokens.access.iter().flat_map(|access| &access.identity_claims)
}

fn is_used(seen: &Seen<'_>) -> bool {
    matches!(seen.step(), Some(Step::Protected | Step::Verify | Step::Refresh))
}

/// Accepts what this says of requests, told whether their token was given out by this step.
fn noting(of: &'static Scheme, step: Step, accepts: fn(&Seen<'_>, bool) -> bool) -> Bend {
    Bend {
        decide: Some(Box::new(move |seen| {
            let token = seen.token().unwrap_or_default();
            let noted = seen.memory().notes.contains_key(&token);
            let here = seen.at.is_some_and(|(scheme, _)| scheme.id == of.id);
            if here && accepts(seen, noted) { Way::Accept } else { Way::Pass }
        })),
        after: Some(Box::new(move |seen, resp| {
            let Some((_, operation)) = seen.at.filter(|(_, at)| at.step == step) else { return };
            let body = resp.json();
            for role in [Role::AccessToken, Role::RefreshToken] {
                let token = pointer_of(operation, role).and_then(|pointer| body.pointer(pointer));
                if let Some(token) = token.and_then(Value::as_str) {
                    seen.memory().notes.insert(token.to_owned(), String::new());
                }
            }
        })),
        ..Bend::default()
    }
}

/// Refuses a refresh for whose token there is another one of which this holds.
fn refusing(of: &'static Scheme, ends: fn(&crate::world::Issued, &crate::world::Issued) -> bool) -> Bend {
    let refresh = of.step(Step::Refresh).map(|operation| operation.name.clone()).unwrap_or_default();
    let make = decides(
        &of.id,
        &refresh,
        move |seen| {
            let token = seen.token().unwrap_or_default();
            let memory = seen.memory();
            let Some(own) = memory.issued.get(&token) else { return false };
            memory.issued.values().any(|other| own.scheme == other.scheme && ends(own, other))
        },
        || Way::Refuse,
    );
    make()
}

/// Tokens of a refresh for which this holds name somebody else.
fn renamed(of: &'static Scheme, when: fn(&Seen<'_>) -> bool) -> Bend {
    Bend::tokens(move |seen, token| {
        let jwt = Jwt::read(token).filter(|_| seen.step() == Some(Step::Refresh) && when(seen));
        jwt.map_or_else(
            || token.to_owned(),
            |jwt| {
                jwt.with_claims(|claims| {
                    for name in identity(of) {
                        if let Some(place) = claims.get_mut(name) {
                            *place = json!("somebody else");
                        }
                    }
                })
            },
        )
    })
}

/// Puts a token where the operation wants it, on a refresh that has none.
fn hand_over(seen: &Seen<'_>, req: &mut Req, token: &str) {
    let Some((_, operation)) = seen.at.filter(|(_, at)| at.step == Step::Refresh) else { return };
    if seen.token().is_some_and(|own| !own.is_empty()) {
        return;
    }
    match operation.request_field(Role::RefreshToken).map(|field| &field.at) {
        Some(Place::Body(pointer)) => {
            let mut body = seen.body.clone();
            countersign::draft::set_pointer(&mut body, pointer, json!(token));
            req.set_json(&body);
        }
        _ => req.set_header("authorization", &format!("Bearer {token}")),
    }
}
