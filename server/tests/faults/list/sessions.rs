//! Faults of sessions that begin and end at the same moment.

use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::world::{Seen, pointer_of};
use countersign::jwt::Jwt;
use countersign_spec::{Role, Scheme, Step};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a request is under way, so that several at the same moment overlap.
const UNDER_WAY: Duration = Duration::from_millis(20);

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentence: &str, make: fn(&'static Scheme) -> Bend| {
        let trips = check(&scheme.id, "race", sentence);
        if exists(&trips) {
            faults.push(Fault::new(&scheme.id, name, does, &[trips], move || Bend {
                wait: Some(UNDER_WAY),
                ..make(scheme)
            }));
        }
    };
    add(
        "logins collide",
        "a login is refused while another one is under way",
        "logins of one account at the same moment all work",
        |of| {
            Bend::decide(|seen| {
                let collides = seen.step() == Some(Step::Login) && seen.inside() > 1;
                if collides && here(seen, of) { Way::Refuse } else { Way::Pass }
            })
        },
    );
    add(
        "each first login makes an account",
        "logins that overlap do not see each other's account",
        "first logins of one wallet make one account",
        |of| Bend {
            after: Some(Box::new(|seen, resp| {
                let pointer = seen.at.and_then(|(_, operation)| pointer_of(operation, Role::Identifier));
                if overlaps(seen, Step::Login)
                    && let Some(pointer) = pointer
                {
                    let number = seen.memory().count("account");
                    let mut body = resp.json();
                    if let Some(place) = body.pointer_mut(pointer) {
                        *place = json!(format!("user:{number}"));
                    }
                    resp.set_json(&body);
                }
            })),
            ..renamed(of, Step::Login)
        },
    );
    add(
        "newcomers share a number",
        "first logins that overlap are given the same number",
        "wallets that log in for the first time at the same moment are told apart",
        |of| {
            let number = of.tokens.access.as_ref().and_then(|access| access.identity_claims.first());
            Bend::tokens(move |seen, token| {
                let jwt = Jwt::read(token).filter(|_| here(seen, of) && overlaps(seen, Step::Login));
                let Some((jwt, number)) = jwt.zip(number) else { return token.to_owned() };
                jwt.with_claims(|claims| drop(claims.insert(number.clone(), json!("account 1"))))
            })
        },
    );
    add(
        "logouts are lost among logins",
        "a logout while somebody logs in is answered and not done",
        "a logout among logins ends its session and no other",
        |_| {
            Bend::decide(|seen| {
                if seen.step() == Some(Step::Logout) && seen.inside() > 1 { Way::Pretend } else { Way::Pass }
            })
        },
    );
    add(
        "refreshes survive logouts",
        "a refresh that is under way writes its session after the logout",
        "a refresh at the moment of a logout leaves no live session",
        |_| Bend {
            decide: Some(Box::new(|seen| {
                let token = seen.token().unwrap_or_default();
                let survives = seen.memory().notes.contains_key(&token);
                if survives && seen.inside() < 2 { Way::Accept } else { Way::Pass }
            })),
            after: Some(Box::new(|seen, resp| {
                let Some((_, operation)) = seen.at.filter(|_| overlaps(seen, Step::Refresh)) else { return };
                let body = resp.json();
                for role in [Role::AccessToken, Role::RefreshToken] {
                    let token = pointer_of(operation, role).and_then(|pointer| body.pointer(pointer));
                    if let Some(token) = token.and_then(Value::as_str) {
                        seen.memory().notes.insert(token.to_owned(), "survives".to_owned());
                    }
                }
            })),
            ..Bend::default()
        },
    );
    add(
        "refreshes mix accounts up",
        "refreshes that overlap share a variable",
        "refreshes at the same moment keep accounts apart",
        |of| renamed(of, Step::Refresh),
    );
    faults
}

fn here(seen: &Seen<'_>, of: &Scheme) -> bool {
    seen.at.is_some_and(|(scheme, _)| scheme.id == of.id)
}

fn overlaps(seen: &Seen<'_>, step: Step) -> bool {
    seen.step() == Some(step) && seen.inside() > 1
}

/// Tokens of overlapping requests name accounts of their own.
fn renamed(of: &'static Scheme, step: Step) -> Bend {
    let names = of.tokens.access.iter().flat_map(|access| &access.identity_claims);
    let names: Vec<&'static str> = names.map(String::as_str).collect();
    Bend::tokens(move |seen, token| {
        let jwt = Jwt::read(token).filter(|_| here(seen, of) && overlaps(seen, step));
        let Some(jwt) = jwt else { return token.to_owned() };
        let number = seen.memory().count("account");
        jwt.with_claims(|claims| {
            for name in &names {
                if let Some(place) = claims.get_mut(*name) {
                    *place = json!(format!("account {number}"));
                }
            }
        })
    })
}
