//! A signed request is judged alike by every documented method, and a refusal tells nothing of the account.

use super::brought::shows;
use super::signed_use;
use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::context::{Context, Session};
use crate::draft::Draft;
use crate::finding::Stop;
use crate::wallet::LoginKey;
use countersign_spec::{Operation, Place, Role, Step};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Adds the checks of other methods and of what refusals tell.
pub(super) fn add(checks: &mut Checks<'_>, operation: &Operation) {
    let name = operation.name.clone();
    for method in &operation.other_methods {
        let (sentence, method) = (format!("{name} by {method} needs its signature"), method.clone());
        checks
            .add(
                Group::Proof,
                &sentence,
                &["common.proof.registered-key", "common.proof.key-signed-members"],
                move |cx| by(cx, &method),
            )
            .family("registered-key", 1);
    }
    if !operation.other_methods.is_empty() && checks.scheme.step(Step::Lookup).is_some() {
        checks
            .add(
                Group::Proof,
                &format!("{name} does not move the account to another wallet"),
                &["common.proof.account-not-taken-over"],
                moves_nothing,
            )
            .family("registered-key", 2);
    }
    checks
        .add(
            Group::Proof,
            &format!("a refused {name} tells nothing of the account"),
            &["common.proof.registered-key"],
            tells_nothing,
        )
        .family("registered-key", 2);
}

/// The same request by another method, with its members in the query or in a body.
pub(super) fn as_method(draft: &Draft, method: &str, in_body: bool) -> Draft {
    let mut draft = draft.clone();
    method.clone_into(&mut draft.method);
    if in_body {
        let members: Map<String, Value> = draft
            .query
            .drain(..)
            .map(|(name, value)| {
                let value = value.parse::<u64>().map_or_else(|_| json!(value), |number| json!(number));
                (name, value)
            })
            .collect();
        draft.body = Some(Value::Object(members));
    }
    draft
}

fn by(cx: &mut Context<'_>, method: &str) -> Result<(), Stop> {
    let (operation, session) = signed_use(cx)?;
    let mut taken = 0;
    for in_body in [false, true] {
        let right = cx.authorized(operation, &session);
        if !cx.send(operation, &as_method(&right, method, in_body))?.accepted() {
            continue;
        }
        taken += 1;
        let place = if in_body { "in its body" } else { "in its query" };
        for (what, draft) in wrong(cx, operation, &session)? {
            let answer = cx.send(operation, &as_method(&draft, method, in_body))?;
            cx.must_refuse(&answer, &format!("asked by {method} with members {place} and {what}"))?;
        }
        changes_nothing(cx, operation, &session, method, in_body)?;
    }
    if taken == 0 {
        return Err(Stop::NotApplicable(format!("the target takes no signed request by {method}")));
    }
    Ok(())
}

/// Names of members that an account's owner writes at will.
fn notes(cx: &Context<'_>) -> Vec<String> {
    let login = cx.scheme.step(Step::Login).into_iter();
    login
        .flat_map(|login| &login.request.fields)
        .filter(|field| field.role == Role::Note)
        .map(|field| field.at.name().to_owned())
        .collect()
}

/// A refused request leaves the account as it was, whatever else it carried.
fn changes_nothing<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    session: &Session<'_>,
    method: &str,
    in_body: bool,
) -> Result<(), Stop> {
    let notes = notes(cx);
    for (what, draft) in wrong(cx, operation, session)? {
        // One for each, or what one has changed would be laid to the next.
        let marker = format!("changed-{}", cx.random_hex(8));
        let mut draft = as_method(&draft, method, in_body);
        for note in &notes {
            draft.set(&Place::Body(format!("/{note}")), json!(marker));
        }
        if cx.send(operation, &draft)?.accepted() {
            continue;
        }
        let draft = cx.authorized(operation, session);
        let answer = cx.send(operation, &draft)?;
        if shows(&answer, &marker) {
            let did = format!(
                "asked by {method} with other {} and {what}, was refused, and asked again",
                notes.join(", ")
            );
            cx.found(&did, "the account as it was before the refused request", &answer)?;
        }
    }
    Ok(())
}

/// Requests in the session's name whose signature is missing or not the account's.
fn wrong<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    session: &Session<'_>,
) -> Result<Vec<(&'static str, Draft)>, Stop> {
    let Some(field) = operation.request_field(Role::Signature) else { return Ok(Vec::new()) };
    let right = cx.authorized(operation, session);
    let (mut unsigned, mut empty, mut foreign) = (right.clone(), right.clone(), right.clone());
    unsigned.remove(&field.at);
    empty.set(&field.at, json!(""));
    let stranger = LoginKey::random(&mut cx.rng);
    cx.sign_request(operation, &mut foreign, &stranger);
    let mut along = foreign.clone();
    let login = cx.scheme.step(Step::Login);
    for place in login.into_iter().flat_map(|login| &login.request.fields) {
        if place.role == Role::PublicKey && matches!(place.at, Place::Header(_)) {
            along.set(&place.at, json!(stranger.public_hex()));
        }
    }
    let mut list = vec![
        ("no signature", unsigned),
        ("an empty signature", empty),
        ("a stranger's signature", foreign),
        ("a stranger's signature and key", along),
    ];
    let other = cx.other_actor()?;
    let theirs = cx.log_in(&other)?;
    if let Some(field) = operation.request_field(Role::Identifier) {
        let mut named = right;
        named.set(&field.at, json!(theirs.actor.identifier));
        list.push(("another account's name put in after signing", named));
    }
    Ok(list)
}

/// A caller changes what is the caller's to change. Which wallet an account belongs to, a login proves and nothing else.
fn moves_nothing(cx: &mut Context<'_>) -> Result<(), Stop> {
    let methods = signed_use(cx)?.0.other_methods.clone();
    for method in &methods {
        for in_body in [false, true] {
            moves_nothing_by(cx, method, in_body)?;
        }
    }
    Ok(())
}

/// Tries it in one way, with accounts of its own: one that was moved says nothing of another way.
fn moves_nothing_by(cx: &mut Context<'_>, method: &str, in_body: bool) -> Result<(), Stop> {
    let (operation, session) = signed_use(cx)?;
    let other = cx.other_actor()?;
    let theirs = cx.log_in(&other)?;
    let lookup = cx.step(Step::Lookup)?;
    let marker = format!("changed-{}", cx.random_hex(8));
    let notes = notes(cx);
    let right = cx.authorized(operation, &session);
    let mut draft = as_method(&right, method, in_body);
    for (name, value) in &members_of(cx, operation, lookup, &session, &theirs.actor)? {
        draft.set(&Place::Body(format!("/{name}")), json!(value));
    }
    for note in &notes {
        draft.set(&Place::Body(format!("/{note}")), json!(marker));
    }
    // Taking no notice and refusing are both good answers.
    cx.send(operation, &draft)?;
    let did =
        format!("asked by {method} in the own name with the address and key of another account in the body");
    let profile = cx.authorized(operation, &theirs);
    let answer = cx.send(operation, &profile)?;
    if shows(&answer, &marker) {
        let did = format!("changed {} by {method} in the own name", notes.join(", "));
        cx.found(&did, "another account that is as it was", &answer)?;
    }
    let asked = cx.fill(lookup, &theirs.actor, None);
    let answer = cx.send(lookup, &asked)?;
    if answer.text(Role::Identifier).is_some_and(|name| name == session.actor.identifier) {
        let did = format!("{did}, then looked the other's address up");
        return cx.found(&did, "the account that logged in with that wallet", &answer);
    }
    let own = cx.authorized(operation, &session);
    let answer = cx.send(operation, &own)?;
    cx.must_accept(&answer, &format!("{did}, then signed with the own key"))?;
    if shows(&answer, &theirs.actor.wallet.lower_address()) {
        cx.found(&did, "an account that still belongs to its own wallet", &answer)?;
    }
    let mut foreign = cx.authorized(operation, &session);
    cx.sign_request(operation, &mut foreign, &theirs.actor.login_key);
    let answer = cx.send(operation, &foreign)?;
    cx.must_refuse(&answer, &format!("{did}, then signed with the other's key"))
}

/// Members that hold an account's address or key, as the login names them and as answers do, with another account's values.
fn members_of<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    lookup: &'t Operation,
    session: &Session<'_>,
    other: &Actor,
) -> Result<BTreeMap<String, String>, Stop> {
    let own = &session.actor;
    let mut members = BTreeMap::new();
    for field in cx.scheme.step(Step::Login).into_iter().flat_map(|login| &login.request.fields) {
        let value = match field.role {
            Role::Address => other.address.clone(),
            Role::PublicKey if matches!(field.at, Place::Body(_)) => other.login_key.public_hex(),
            _ => continue,
        };
        members.insert(field.at.name().to_owned(), value);
    }
    let profile = cx.authorized(operation, session);
    let record = cx.fill(lookup, own, None);
    for answer in [cx.send(operation, &profile)?, cx.send(lookup, &record)?] {
        let data = answer
            .exchange
            .json
            .as_ref()
            .and_then(|body| body.pointer(cx.scheme.envelope.data.as_deref().unwrap_or_default()))
            .and_then(Value::as_object);
        for (name, value) in data.into_iter().flatten() {
            let text = value.as_str().unwrap_or_default();
            if text.eq_ignore_ascii_case(&own.address) {
                members.insert(name.clone(), other.address.clone());
            } else if text.eq_ignore_ascii_case(&own.login_key.public_hex()) {
                members.insert(name.clone(), other.login_key.public_hex());
            }
        }
    }
    Ok(members)
}

/// Neither a wrong signature nor a refused login brings to light what only the account's owner is shown.
fn tells_nothing(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (operation, session) = signed_use(cx)?;
    let owner = &session.actor;
    let secrets = [
        ("the address of the account's wallet", owner.wallet.lower_address()),
        ("the account's registered key", owner.login_key.public_hex()),
    ];
    for (what, draft) in wrong(cx, operation, &session)? {
        let answer = cx.send(operation, &draft)?;
        if answer.accepted() {
            continue;
        }
        for (told, secret) in &secrets {
            // The look-up tells them to everybody who knows the address; here only the name was sent.
            if shows(&answer, secret.trim_start_matches("0x")) {
                let did = format!("asked with {what}");
                cx.found(&did, &format!("a refusal without {told}"), &answer)?;
            }
        }
    }
    Ok(())
}
