//! Keys registered at login: only the registered one signs, and only what it signed counts.

mod beside;
mod brought;
mod cased;
mod curve;
mod lengthy;
mod methods;

use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::context::{Context, Session};
use crate::finding::Stop;
use crate::wallet::LoginKey;
use base64::Engine as _;
use countersign_spec::{Auth, Level, Operation, Place, Role};
use serde_json::json;

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    let Some(operation) = checks.scheme.operations.iter().find(|operation| operation.auth == Auth::Signed)
    else {
        return;
    };
    signatures(checks, operation);
    whole(checks, operation);
    keys(checks, operation);
    curve::add(checks, operation);
    brought::add(checks, operation);
    beside::add(checks, operation);
    cased::add(checks);
    lengthy::add(checks);
    methods::add(checks, operation);
    accounts(checks);
}

/// The operation whose requests the registered key signs, and a session to ask it with.
fn signed_use<'t>(cx: &mut Context<'t>) -> Result<(&'t Operation, Session<'t>), Stop> {
    let operation = signed_operation(cx)?;
    let session = cx.session()?;
    let draft = cx.authorized(operation, &session);
    let answer = cx.send(operation, &draft)?;
    cx.control(&answer, "a request signed by the registered key")?;
    Ok((operation, session))
}

fn signed_operation<'t>(cx: &Context<'t>) -> Result<&'t Operation, Stop> {
    let operation = cx
        .scheme
        .operations
        .iter()
        .find(|operation| operation.auth == Auth::Signed)
        .ok_or_else(|| Stop::NotApplicable("no operation is signed by a registered key".to_owned()))?;
    cx.served(operation)?;
    Ok(operation)
}

fn signatures(checks: &mut Checks<'_>, operation: &Operation) {
    let name = operation.name.clone();
    let clause = ["common.proof.registered-key"];
    let sentence = format!("{name} signed by another key is refused");
    checks
        .add(Group::Proof, &sentence, &clause, |cx| {
            let (operation, session) = signed_use(cx)?;
            let mut draft = cx.authorized(operation, &session);
            let stranger = LoginKey::random(&mut cx.rng);
            cx.sign_request(operation, &mut draft, &stranger);
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, "signed a request with a key that was never registered")
        })
        .family("registered-key", 0);
    let sentence = format!("{name} signed by another account's key is refused");
    checks
        .add(Group::Proof, &sentence, &clause, |cx| {
            let (operation, session) = signed_use(cx)?;
            let other = cx.other_actor()?;
            let theirs = cx.log_in(&other)?;
            let mut draft = cx.authorized(operation, &session);
            cx.sign_request(operation, &mut draft, &theirs.actor.login_key);
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, "signed a request for one account with another account's registered key")
        })
        .family("registered-key", 1);
    let sentence = format!("{name} without a signature is refused");
    checks
        .add(Group::Proof, &sentence, &clause, |cx| {
            let (operation, session) = signed_use(cx)?;
            let Some(field) = operation.request_field(Role::Signature) else { return Ok(()) };
            let mut draft = cx.authorized(operation, &session);
            draft.remove(&field.at);
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, "left the signature out")?;
            for (what, wrong) in [
                ("an empty signature", String::new()),
                ("a signature of zeros", base64::engine::general_purpose::STANDARD.encode([0_u8; 64])),
                ("a signature that is no base64", "%%%".to_owned()),
                ("half a signature", base64::engine::general_purpose::STANDARD.encode([7_u8; 32])),
            ] {
                let mut draft = cx.authorized(operation, &session);
                draft.set(&field.at, json!(wrong));
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("sent {what}"))?;
            }
            Ok(())
        })
        .family("registered-key", 1);
    for place in operation.signed.iter().flat_map(|signed| &signed.over) {
        let place = place.clone();
        let called = place.name().to_ascii_lowercase().replace('_', " ");
        let sentence = format!("{name} with {called} changed after signing is refused");
        let anchor = format!("{name}.request:{place}");
        checks
            .add(Group::Proof, &sentence, &["common.proof.key-signed-members", &anchor], move |cx| {
                let (operation, session) = signed_use(cx)?;
                let mut draft = cx.authorized(operation, &session);
                let role =
                    operation.request.fields.iter().find(|field| field.at == place).map(|field| field.role);
                let wrong = match role {
                    // Somebody else who exists, or the refusal would only mean that nobody has this name.
                    Some(Role::Identifier) => {
                        let other = cx.other_actor()?;
                        cx.log_in(&other)?.actor.identifier
                    }
                    _ => changed_number(&draft.text(&place).unwrap_or_default()),
                };
                let good = draft.clone();
                draft.set(&place, json!(wrong));
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("changed {place} after signing"))?;
                // What was verified once, is verified again.
                if cx.send(operation, &good)?.accepted() {
                    let answer = cx.send(operation, &draft)?;
                    let did =
                        format!("sent a signed request, and again with {place} changed under its signature");
                    cx.must_refuse(&answer, &did)?;
                }
                Ok(())
            })
            .family("registered-key", 1);
    }
}

/// The same number, one larger; text gets a letter more.
fn changed_number(text: &str) -> String {
    text.parse::<u64>().map_or_else(|_| format!("{text}x"), |number| (number + 1).to_string())
}

/// A signature counts for all members together, and for an account that exists.
fn whole(checks: &mut Checks<'_>, operation: &Operation) {
    let name = operation.name.clone();
    let sentence = format!("{name} signed over a part of its members is refused");
    checks
        .add(Group::Proof, &sentence, &["common.proof.key-signed-members"], |cx| {
            let (operation, session) = signed_use(cx)?;
            let Some(signed) = &operation.signed else { return Ok(()) };
            let Some(field) = operation.request_field(Role::Signature) else { return Ok(()) };
            for place in &signed.over {
                let mut draft = cx.authorized(operation, &session);
                let rest: String = signed
                    .over
                    .iter()
                    .filter(|other| *other != place)
                    .filter_map(|other| draft.text(other))
                    .collect();
                draft.set(&field.at, json!(session.actor.login_key.sign_base64(&rest)));
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("signed everything but {place}"))?;
            }
            let mut draft = cx.authorized(operation, &session);
            draft.set(&field.at, json!(session.actor.login_key.sign_base64("")));
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, "signed nothing at all")
        })
        .family("registered-key", 1);
    let sentence = format!("{name} for an account that does not exist is refused");
    checks
        .add(Group::Proof, &sentence, &["common.proof.registered-key"], |cx| {
            let (operation, session) = signed_use(cx)?;
            let mut stranger = session.clone();
            stranger.actor = Actor::fresh_wallet(&mut cx.rng);
            let draft = cx.authorized(operation, &stranger);
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(
                &answer,
                "asked as somebody who never logged in, with a key that was never registered",
            )
        })
        .family("registered-key", 1);
}

fn keys(checks: &mut Checks<'_>, operation: &Operation) {
    let name = operation.name.clone();
    let sentence = format!("{name} for a weak registered key is refused");
    checks
        .add(Group::Proof, &sentence, &["common.proof.weak-key"], |cx| {
            let operation = signed_operation(cx)?;
            let actor = cx.actor()?;
            // The identity: with it as key, R = identity and s = 0 verify for every text under a lenient verifier.
            let identity = format!("01{}", "00".repeat(31));
            let Some(place) = public_key_place(cx) else { return Ok(()) };
            let mut attempt = cx.attempt(&actor)?;
            attempt.before.push((place, json!(identity)));
            attempt.optional = false;
            let answer = cx.send_attempt(&attempt)?;
            if !answer.accepted() {
                return Ok(());
            }
            let session = Context::session_of(&actor, answer);
            let mut draft = cx.authorized(operation, &session);
            let mut forged = [0_u8; 64];
            forged[0] = 1;
            if let Some(field) = operation.request_field(Role::Signature) {
                draft.set(&field.at, json!(base64::engine::general_purpose::STANDARD.encode(forged)));
            }
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(
                &answer,
                "registered the identity point as key and sent a signature anybody can make",
            )
        })
        .at_most(Level::May);
    checks
        .add(
            Group::Proof,
            "a login with a key that is none is refused",
            &["common.proof.malformed-key"],
            |cx| {
                let Some(place) = public_key_place(cx) else { return Ok(()) };
                for (what, wrong) in [
                    ("a key of 31 bytes", "ab".repeat(31)),
                    ("a key that is no hex", "zz".repeat(32)),
                    ("a key of one character", "a".to_owned()),
                ] {
                    let actor = cx.actor()?;
                    let mut attempt = cx.attempt(&actor)?;
                    attempt.before.push((place.clone(), json!(wrong)));
                    attempt.optional = false;
                    let answer = cx.send_attempt(&attempt)?;
                    cx.must_refuse(&answer, &format!("logged in with {what}"))?;
                }
                Ok(())
            },
        )
        .at_most(Level::May);
}

fn public_key_place(cx: &Context<'_>) -> Option<Place> {
    let login = cx.scheme.step(countersign_spec::Step::Login)?;
    login
        .request
        .fields
        .iter()
        .find(|field| field.role == Role::PublicKey && matches!(field.at, Place::Body(_)))
        .map(|field| field.at.clone())
}

fn accounts(checks: &mut Checks<'_>) {
    checks.add(
        Group::Proof,
        "a wallet does not take over another wallet's account",
        &["common.proof.account-not-taken-over"],
        |cx| {
            let (operation, owner) = signed_use(cx)?;
            let mut thief = Actor::fresh_wallet(&mut cx.rng);
            thief.identifier.clone_from(&owner.actor.identifier);
            let attempt = cx.attempt(&thief)?;
            // Refusing here is one good answer; giving the thief an account of its own is another.
            cx.send_attempt(&attempt)?;
            let mut draft = cx.authorized(operation, &owner);
            cx.sign_request(operation, &mut draft, &thief.login_key);
            let answer = cx.send(operation, &draft)?;
            if answer.accepted() && !names_another(&answer, &thief, &owner.actor) {
                let did = "logged another wallet in under a name that was taken, and asked for that account with its key";
                return cx.must_refuse(&answer, did);
            }
            let again = cx.authorized(operation, &owner);
            let answer = cx.send(operation, &again)?;
            cx.must_accept(&answer, "asked as the owner after a stranger tried to log in under the owner's name")
        },
    );
    checks.add(
        Group::Proof,
        "a new login of the wallet registers its new key",
        &["common.flow.repeated-login-works"],
        |cx| {
            let (operation, first) = signed_use(cx)?;
            let mut actor = first.actor;
            actor.login_key = LoginKey::random(&mut cx.rng);
            let attempt = cx.attempt(&actor)?;
            let login = cx.send_attempt(&attempt)?;
            cx.must_accept(&login, "logged the same wallet in with a new key")?;
            if !login.accepted() {
                return Ok(());
            }
            let session = Context::session_of(&actor, login);
            let draft = cx.authorized(operation, &session);
            let answer = cx.send(operation, &draft)?;
            cx.must_accept(&answer, "signed a request with the key of the newer login")
        },
    );
}

/// Whether an accepted answer speaks of the stranger's own account and not of the owner's.
fn names_another(answer: &crate::context::Answer<'_>, thief: &Actor, owner: &Actor) -> bool {
    let text = answer.exchange.text().to_ascii_lowercase();
    text.contains(&thief.wallet.lower_address()) && !text.contains(&owner.wallet.lower_address())
}
