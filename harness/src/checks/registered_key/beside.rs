//! A signed request counts for what is signed in it: not for what stands beside it, not for less, and not for the one before.

use super::methods::as_method;
use super::signed_use;
use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::context::{Answer, Context, Session};
use crate::draft::Draft;
use crate::finding::Stop;
use crate::wallet::LoginKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_spec::{Operation, Place, Role, Step};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Adds the checks of what a signed request is believed.
pub(super) fn add(checks: &mut Checks<'_>, operation: &Operation) {
    let name = operation.name.clone();
    checks
        .add(
            Group::Proof,
            &format!("{name} that was just accepted is refused under another signature"),
            &["common.proof.registered-key"],
            just_accepted,
        )
        .family("registered-key", 2);
    let signed = operation.signed.iter().flat_map(|signed| &signed.over);
    let mut anchors = vec!["common.proof.key-signed-members".to_owned()];
    anchors.extend(signed.map(|place| format!("{name}.request:{place}")));
    checks
        .add(
            Group::Proof,
            &format!("{name} without one of its signed members is refused"),
            &anchors,
            without_a_member,
        )
        .family("registered-key", 1);
    let told = operation.success_field(Role::Identifier).map(|field| &field.at);
    let mut anchors = vec!["common.flow.own-identity".to_owned()];
    anchors.extend(told.map(|place| format!("{name}.success:{place}")));
    checks
        .add(
            Group::Proof,
            &format!("{name} shows the account that signed whatever stands beside its members"),
            &anchors,
            names_another,
        )
        .family("registered-key", 2);
    checks.add(
        Group::Proof,
        &format!("{name} works after it was refused before the first login"),
        &["common.flow.token-works"],
        before_the_login,
    );
}

/// How a signed request may be put: by which method, and whether its members stand in a body.
pub(super) type Put = (String, bool);

/// The ways to put a signed request that the target takes.
pub(super) fn puts<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    session: &Session<'_>,
) -> Result<Vec<Put>, Stop> {
    let mut puts = vec![(operation.method.clone(), false)];
    for method in &operation.other_methods {
        for in_body in [false, true] {
            let right = cx.authorized(operation, session);
            if cx.send(operation, &as_method(&right, method, in_body))?.accepted() {
                puts.push((method.clone(), in_body));
            }
        }
    }
    Ok(puts)
}

/// The same, in words.
pub(super) fn said((method, in_body): &Put) -> String {
    format!("asked by {method} with members in its {}", if *in_body { "body" } else { "query" })
}

/// A signature is verified each time, whatever was verified of the same members before.
fn just_accepted(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (operation, session) = signed_use(cx)?;
    let Some(field) = operation.request_field(Role::Signature) else { return Ok(()) };
    let other = cx.other_actor()?;
    let theirs = cx.log_in(&other)?;
    let stranger = LoginKey::random(&mut cx.rng);
    for put in puts(cx, operation, &session)? {
        let right = cx.authorized(operation, &session);
        let answer = cx.send(operation, &as_method(&right, &put.0, put.1))?;
        cx.control(&answer, "a request signed by the registered key")?;
        let by = |key: &LoginKey| {
            let mut draft = right.clone();
            cx.sign_request(operation, &mut draft, key);
            draft.text(&field.at).unwrap_or_default()
        };
        let forged = [
            ("a stranger's signature", by(&stranger)),
            ("another account's signature", by(&theirs.actor.login_key)),
            ("its signature with one bit changed", one_bit(&right.text(&field.at).unwrap_or_default())),
            ("a signature of zeros", STANDARD.encode([0_u8; 64])),
        ];
        for (what, forged) in forged {
            let mut draft = right.clone();
            draft.set(&field.at, json!(forged));
            let answer = cx.send(operation, &as_method(&draft, &put.0, put.1))?;
            let did = format!("{}, was answered, and asked the same with {what}", said(&put));
            cx.must_refuse(&answer, &did)?;
        }
    }
    Ok(())
}

/// A signature with one bit of its second number changed.
fn one_bit(signature: &str) -> String {
    let mut bytes = STANDARD.decode(signature).unwrap_or_default();
    if let Some(byte) = bytes.get_mut(40) {
        *byte ^= 1;
    }
    STANDARD.encode(bytes)
}

/// What has to be signed has to be there.
fn without_a_member(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (operation, session) = signed_use(cx)?;
    let Some(signed) = &operation.signed else { return Ok(()) };
    let key = session.actor.login_key.clone();
    for put in puts(cx, operation, &session)? {
        for place in &signed.over {
            let mut without = cx.authorized(operation, &session);
            without.remove(place);
            cx.sign_request(operation, &mut without, &key);
            let mut empty = cx.authorized(operation, &session);
            empty.set(place, json!(""));
            cx.sign_request(operation, &mut empty, &key);
            let mut list = vec![
                ("left out", as_method(&without, &put.0, put.1)),
                ("empty", as_method(&empty, &put.0, put.1)),
            ];
            if put.1 {
                let mut null = as_method(&without, &put.0, true);
                null.set(&Place::Body(format!("/{}", place.name())), Value::Null);
                list.push(("null", null));
            }
            for (what, draft) in list {
                let answer = cx.send(operation, &draft)?;
                let did = format!(
                    "{}, {} {what} and the rest signed by the account's key",
                    said(&put),
                    place.name()
                );
                cx.must_refuse(&answer, &did)?;
            }
        }
    }
    Ok(())
}

/// Names of members that say who asks, as a login and a signed request write them, with another account's values.
fn names_of(cx: &Context<'_>, operation: &Operation, other: &Actor) -> BTreeMap<String, String> {
    let login = cx.scheme.step(Step::Login).into_iter().flat_map(|login| &login.request.fields);
    login
        .chain(&operation.request.fields)
        .filter(|field| !matches!(field.at, Place::Header(_)))
        .filter_map(|field| {
            let value = match field.role {
                Role::Identifier => other.identifier.clone(),
                Role::Address => other.address.clone(),
                Role::PublicKey => other.login_key.public_hex(),
                _ => return None,
            };
            Some((field.at.name().to_owned(), value))
        })
        .collect()
}

/// Headers that a login of an account carries.
pub(super) fn headers_of(cx: &mut Context<'_>, actor: &Actor) -> Result<Vec<(Place, String)>, Stop> {
    let attempt = cx.attempt(actor)?;
    let (login, draft) = cx.write_attempt(&attempt)?;
    let headers = login.request.fields.iter().filter(|field| matches!(field.at, Place::Header(_)));
    Ok(headers.filter_map(|field| Some((field.at.clone(), draft.text(&field.at)?))).collect())
}

/// Another account's name is believed in the place that is signed and in no other.
fn names_another(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (operation, session) = signed_use(cx)?;
    let other = cx.other_actor()?;
    let theirs = cx.log_in(&other)?;
    let names = names_of(cx, operation, &theirs.actor);
    let mut places: Vec<(Place, String)> = headers_of(cx, &theirs.actor)?;
    for (name, value) in &names {
        let dashed = name.replace('_', "-");
        places.push((Place::Query(name.clone()), value.clone()));
        places.push((Place::Body(format!("/{name}")), value.clone()));
        places.push((Place::Header(dashed.clone()), value.clone()));
        places.push((Place::Header(format!("x-{dashed}")), value.clone()));
        places.push((Place::Header("cookie".to_owned()), format!("{name}={value}")));
    }
    for put in puts(cx, operation, &session)? {
        for (place, value) in &places {
            let right = cx.authorized(operation, &session);
            let mut draft = as_method(&right, &put.0, put.1);
            let in_body = matches!(place, Place::Body(_));
            // What is signed stays as it is, and a body is for methods that have one.
            if draft.text(place).is_some() || (in_body && draft.method == "GET") {
                continue;
            }
            draft.set(place, json!(value));
            let answer = cx.send(operation, &draft)?;
            if answer.accepted() && is_about(&answer, &theirs.actor) {
                let did = format!(
                    "{}, signed by one account, and another account's {value} as {place}",
                    said(&put)
                );
                cx.found(&did, "a refusal, or an answer about the account that signed", &answer)?;
            }
        }
    }
    Ok(())
}

fn is_about(answer: &Answer<'_>, actor: &Actor) -> bool {
    answer.text(Role::Identifier).is_some_and(|name| name == actor.identifier)
        || answer.exchange.text().to_ascii_lowercase().contains(&actor.wallet.lower_address())
}

/// That an account was not there once is no reason to refuse it once it is.
fn before_the_login(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (operation, _) = signed_use(cx)?;
    let actor = cx.other_actor()?;
    let mut early: Draft = cx.fill(operation, &actor, None);
    cx.sign_request(operation, &mut early, &actor.login_key);
    for _ in 0..2 {
        // That it is refused, another check says.
        cx.send(operation, &early)?;
    }
    let session = cx.log_in(&actor)?;
    let draft = cx.authorized(operation, &session);
    let answer = cx.send(operation, &draft)?;
    cx.must_accept(&answer, "asked before the first login, logged in, and asked again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_is_another_signature_of_the_same_length() {
        let right = STANDARD.encode([7_u8; 64]);
        let other = one_bit(&right);
        assert_eq!(STANDARD.decode(&other).unwrap().len(), 64);
        assert_ne!(other, right);
    }
}
