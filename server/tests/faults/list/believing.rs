//! Faults of forged tokens that are believed only now and then, and of keys and signatures that others know.

use crate::bend::{Bend, Way};
use crate::fault::{Fault, check, exists};
use crate::host::{SECRET, SEEDS};
use crate::world::Seen;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::jwt::{self, Jwt};
use countersign_spec::{Role, Scheme, Step};
use secrecy::ExposeSecret as _;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// How a server is bent that serves this scheme.
type Make = fn(&'static Scheme) -> Bend;

pub(super) fn of(scheme: &'static Scheme) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut add = |name: &str, does: &str, sentence: &str, make: Make| {
        let trips = check(&scheme.id, "token", sentence);
        if exists(&trips) {
            faults.push(Fault::new(&scheme.id, name, does, &[trips], move || make(scheme)));
        }
    };
    add(
        "expired tokens are not verified",
        "the signature of a token that has ended is not looked at",
        "a forged token that has expired is refused",
        |of| {
            believe(of, |_, jwt| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
                let past =
                    |name| jwt.seconds(name).is_some_and(|end| u64::try_from(end).is_ok_and(|end| end < now));
                past("exp") || past("access_expired_at")
            })
        },
    );
    add(
        "an end that is no number is none",
        "a token whose end cannot be read is good",
        "a token with claims of odd types is refused",
        |of| believe(of, |_, jwt| jwt.claims.get("exp").is_some_and(|end| end.as_i64().is_none())),
    );
    add(
        "what was accepted is accepted again",
        "claims that passed once are not verified again",
        "a token like one that was just accepted is refused",
        |of| Bend {
            after: Some(Box::new(|seen, resp| {
                let token = seen.token().filter(|_| is_door(seen) && seen.is_success(resp));
                if let Some(claims) = token.as_deref().and_then(|token| token.split('.').nth(1)) {
                    seen.memory().notes.insert(claims.to_owned(), String::new());
                }
            })),
            ..believe(of, |seen, jwt| {
                let claims = jwt.text.split('.').nth(1).unwrap_or_default();
                seen.memory().notes.contains_key(claims)
            })
        },
    );
    add(
        "tokens bring public keys",
        "a token is verified with the public key in its header",
        "a token that brings its own key is refused",
        |of| {
            believe(of, |_, jwt| {
                jwt.header
                    .get("jwk")
                    .is_some_and(|key| ["RSA", "EC", "OKP"].iter().any(|kind| key["kty"] == **kind))
            })
        },
    );
    add(
        "tokens are signed with the account's secret",
        "each account's tokens are signed with what the account knows",
        "the signing key is nothing of the accounts",
        |of| {
            Bend::tokens(move |seen, token| {
                let jwt = Jwt::read(token).filter(|_| seen.at.is_some_and(|(scheme, _)| scheme.id == of.id));
                let name = seen.text(Role::Identifier).unwrap_or_default();
                let seed = SEEDS.iter().find(|seed| seed.scheme == of.id && seed.name == name);
                let secret = seed.map(|seed| seed.password.expose_secret().to_owned());
                match (jwt, secret.or_else(|| seen.text(Role::Address))) {
                    (Some(jwt), Some(key)) if seen.step() == Some(Step::Login) => {
                        jwt.resigned(key.as_bytes(), |_| (), |_| ())
                    }
                    _ => token.to_owned(),
                }
            })
        },
    );
    add(
        "refusals tell the signature",
        "a refusal names the signature that would have been right",
        "a refusal does not tell the right signature",
        |of| {
            Bend::after(move |seen, resp| {
                let here = seen.at.is_some_and(|(scheme, _)| scheme.id == of.id);
                let jwt = seen.token().as_deref().and_then(Jwt::read).filter(|_| here && is_door(seen));
                let Some(jwt) = jwt.filter(|_| !seen.is_success(resp)) else { return };
                let right = URL_SAFE_NO_PAD.encode(jwt::hs256(jwt.signing_input().as_bytes(), SECRET));
                let mut body = resp.json();
                let place = of.envelope.message.first().map(String::as_str).unwrap_or_default();
                countersign::draft::set_pointer(&mut body, place, json!(format!("expected {right}")));
                resp.set_json(&body);
            })
        },
    );
    faults
}

fn is_door(seen: &Seen<'_>) -> bool {
    matches!(seen.step(), Some(Step::Protected | Step::Verify | Step::Refresh))
}

/// Lets in whatever is presented with a JWT for which this holds.
fn believe(of: &'static Scheme, when: fn(&Seen<'_>, &Jwt) -> bool) -> Bend {
    Bend::decide(move |seen| {
        let here = seen.at.is_some_and(|(scheme, _)| scheme.id == of.id) && is_door(seen);
        let jwt = seen.token().as_deref().and_then(Jwt::read).filter(|_| here);
        if jwt.is_some_and(|jwt| when(seen, &jwt)) { Way::Accept } else { Way::Pass }
    })
}
