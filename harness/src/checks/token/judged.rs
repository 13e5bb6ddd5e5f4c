//! Forgeries that are only read where something has gone before: an end that has come, a token that was just accepted, claims
//! of another type than any server expects.

use super::{Door, any_read, refuse_all};
use crate::check::{Checks, Group};
use crate::checks::flow::first_sink;
use crate::context::Context;
use crate::jwt::{self, Jwt};
use countersign_spec::Token;
use serde_json::{Map, Value, json};

/// Adds the checks of such forgeries.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Token,
            "a forged token that has expired is refused",
            &["common.token.signature", "common.refresh.signature"],
            |cx| {
                let rule = cx.scheme.tokens.access.clone();
                let now = i64::try_from(cx.target.now().as_secs()).unwrap_or(i64::MAX / 4);
                refuse_all(cx, move |cx, token| {
                    let (Some(jwt), Some(rule)) = (Jwt::read(token), &rule) else { return Vec::new() };
                    let key = cx.random_hex(32);
                    let past = |claims: &mut Map<String, Value>| aged(claims, rule, now);
                    let aged = jwt.with_claims(past);
                    vec![
                        (
                            "a token that ended a minute ago, signed with another key".to_owned(),
                            jwt.resigned(key.as_bytes(), |_| (), past),
                        ),
                        (
                            "a token that ended a minute ago, without a signature".to_owned(),
                            jwt::with_signature(&aged, ""),
                        ),
                        ("a token that ended a minute ago under its old signature".to_owned(), aged),
                    ]
                })
            },
        )
        .family("token-unread", 4);
    checks
        .add(
            Group::Token,
            "a token with claims of odd types is refused",
            &["common.token.claims-protected"],
            |cx| {
                let rule = cx.scheme.tokens.access.clone();
                refuse_all(cx, move |_, token| {
                    let (Some(jwt), Some(rule)) = (Jwt::read(token), &rule) else { return Vec::new() };
                    odd(&jwt, rule)
                })
            },
        )
        .family("token-unread", 4);
    checks
        .add(
            Group::Token,
            "a token like one that was just accepted is refused",
            &["common.token.signature", "common.refresh.signature"],
            |cx| {
                if Door::all(cx).is_empty() {
                    first_sink(cx)?;
                }
                let mut read = false;
                for door in Door::all(cx) {
                    let session = cx.session()?;
                    let token = door.token(&session);
                    // One kind of token may be a JWT and the other opaque.
                    let Some(jwt) = Jwt::read(&token) else { continue };
                    read = true;
                    let good = door.knock(cx, &session, &token)?;
                    cx.control(&good, &format!("asking {} with a good token", door.name()))?;
                    for (what, forged) in like(cx, &jwt) {
                        cx.secrets.add(&forged, "$FORGED_TOKEN");
                        let answer = door.knock(cx, &session, &forged)?;
                        let did = format!("asked {} with a good token, and then with {what}", door.name());
                        cx.must_refuse(&answer, &did)?;
                    }
                }
                any_read(read)
            },
        )
        .family("token-unread", 4);
}

/// Moves the times of a token so that it has ended, and its window, where it has one, has not.
fn aged(claims: &mut Map<String, Value>, rule: &Token, now: i64) {
    let begin = now - 60 - i64::try_from(rule.lifetime).unwrap_or_default();
    for (names, time) in [(&rule.expiry_claims, now - 60), (&rule.issued_claims, begin)] {
        for name in names {
            if let Some(place) = claims.get_mut(name) {
                *place = json!(time);
            }
        }
    }
}

/// Claims of other types than a server expects, under the old signature.
fn odd(jwt: &Jwt, rule: &Token) -> Vec<(String, String)> {
    let times = rule.expiry_claims.iter().chain(&rule.issued_claims);
    let names = times.chain(&rule.identity_claims).filter(|name| jwt.claims.contains_key(*name));
    let values = [json!(1e300), json!("x"), Value::Null, json!([]), json!({ "a": 1 }), json!(-1)];
    names
        .flat_map(|name| {
            values.iter().map(move |value| {
                let changed = jwt.with_claims(|claims| drop(claims.insert(name.clone(), value.clone())));
                (format!("a token whose `{name}` is {value} under its old signature"), changed)
            })
        })
        .collect()
}

/// What shares a part with a token that was accepted: its first two parts, or its signature.
pub(super) fn like(cx: &mut Context<'_>, jwt: &Jwt) -> Vec<(&'static str, String)> {
    let key = cx.random_hex(32);
    vec![
        ("the same one with an invented signature", jwt::with_invented_signature(&jwt.text)),
        ("the same one without its signature", jwt::with_signature(&jwt.text, "")),
        ("its claims signed with another key", jwt.resigned(key.as_bytes(), |_| (), |_| ())),
        (
            "other claims under its signature",
            jwt.with_claims(|claims| drop(claims.insert("x".to_owned(), json!(1)))),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aged_token_has_ended_and_was_issued_a_lifetime_before() {
        let spec = countersign_spec::Spec::embedded();
        let rule = spec.scheme("nftrainbow").unwrap().tokens.access.clone().unwrap();
        let mut claims = json!({ "exp": 0, "orig_iat": 0, "id": 7 }).as_object().unwrap().clone();
        aged(&mut claims, &rule, 10_000);
        assert_eq!(Value::Object(claims), json!({ "exp": 9_940, "orig_iat": 6_340, "id": 7 }));
    }
}
