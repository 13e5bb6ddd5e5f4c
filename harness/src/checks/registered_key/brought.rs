//! A key counts because a proven login registered it, not because a request brings it along.

use super::beside::{headers_of, puts, said};
use super::methods::as_method;
use super::{signed_operation, signed_use};
use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::context::{Answer, Context, Session};
use crate::draft::Draft;
use crate::finding::Stop;
use crate::flow::{Attempt, Derive};
use crate::wallet::{LoginKey, Wallet};
use countersign_spec::{Operation, Place, Role, Step};
use serde_json::json;

/// Adds the checks of keys that no proven login registered.
pub(super) fn add(checks: &mut Checks<'_>, operation: &Operation) {
    let name = operation.name.clone();
    checks
        .add(
            Group::Proof,
            &format!("{name} signed by a key that comes along is refused"),
            &["common.proof.registered-key"],
            comes_along,
        )
        .family("registered-key", 1);
    checks
        .add(
            Group::Proof,
            "a login registers the key that was signed",
            &["common.proof.registered-key"],
            beside_the_signed,
        )
        .family("registered-key", 1);
    checks
        .add(
            Group::Proof,
            "a refused login registers no key",
            &["common.proof.account-not-taken-over", "common.proof.registered-key"],
            refused_login,
        )
        .family("registered-key", 1);
    checks
        .add(
            Group::Proof,
            "a refused first login opens no account",
            &["common.proof.registered-key"],
            refused_first_login,
        )
        .family("registered-key", 1);
    checks.add(
        Group::Proof,
        "a refused login reserves no name",
        &["common.proof.account-not-taken-over"],
        reserves_no_name,
    );
    checks
        .add(Group::Proof, "a login under an empty name is refused", &["common.form.empty-member"], |cx| {
            let Some(field) = cx.step(Step::Login)?.request_field(Role::Identifier) else { return Ok(()) };
            let actor = cx.actor()?;
            cx.log_in(&actor)?;
            let mut attempt = cx.attempt(&actor)?;
            attempt.before.push((field.at.clone(), json!("")));
            let answer = cx.send_attempt(&attempt)?;
            cx.must_refuse(&answer, "logged in under an empty name, computed and signed as it was sent")
        })
        .at_most(countersign_spec::Level::Should);
    checks
        .add(
            Group::Proof,
            "an account with another kind of key is closed to strangers",
            &["common.proof.registered-key"],
            other_kinds,
        )
        .family("registered-key", 1);
    checks
        .add(
            Group::Proof,
            "an earlier key of the account is refused",
            &["common.proof.registered-key"],
            |cx| {
                let (operation, first) = signed_use(cx)?;
                let mut actor = first.actor.clone();
                actor.login_key = LoginKey::random(&mut cx.rng);
                let second = cx.log_in(&actor)?;
                let draft = cx.authorized(operation, &second);
                let answer = cx.send(operation, &draft)?;
                cx.control(&answer, "a request signed by the newer key")?;
                let draft = cx.authorized(operation, &first);
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, "signed a request with the key that a newer login replaced")
            },
        )
        // Some servers keep a key for each device.
        .at_most(countersign_spec::Level::May)
        .family("registered-key", 2);
}

/// Places of the login that carry a public key.
fn key_places(cx: &Context<'_>) -> Vec<Place> {
    let login = cx.scheme.step(Step::Login);
    let fields = login.into_iter().flat_map(|login| &login.request.fields);
    fields.filter(|field| field.role == Role::PublicKey).map(|field| field.at.clone()).collect()
}

fn comes_along(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (operation, session) = signed_use(cx)?;
    let stranger = LoginKey::random(&mut cx.rng);
    let other = cx.other_actor()?;
    let theirs = cx.log_in(&other)?;
    let headers = headers_of(cx, &theirs.actor)?;
    for put in puts(cx, operation, &session)? {
        for (whose, key) in [("nobody", &stranger), ("another account", &theirs.actor.login_key)] {
            let mut signed = cx.authorized(operation, &session);
            cx.sign_request(operation, &mut signed, key);
            let signed = as_method(&signed, &put.0, put.1);
            let did = format!("{}, signed with a key of {whose}", said(&put));
            for at in key_places(cx) {
                for place in [at.clone(), Place::Query(at.name().to_owned())] {
                    let mut draft = signed.clone();
                    draft.set(&place, json!(key.public_hex()));
                    if draft.body.is_some() && draft.method == "GET" {
                        continue;
                    }
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("{did}, and sent that key along as {place}"))?;
                }
            }
            if whose == "nobody" {
                continue;
            }
            let mut draft = signed;
            for (place, value) in &headers {
                draft.set(place, json!(value));
            }
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, &format!("{did}, and sent the headers of that account's login along"))?;
        }
    }
    Ok(())
}

/// Of several keys in a login, the one under the wallet's signature is registered and no other.
fn beside_the_signed(cx: &mut Context<'_>) -> Result<(), Stop> {
    let operation = signed_operation(cx)?;
    let bound = cx.scheme.proof.binds.clone();
    let beside: Vec<Place> = key_places(cx).into_iter().filter(|place| !bound.contains(place)).collect();
    if beside.is_empty() || key_places(cx).len() == beside.len() {
        return Err(Stop::NotApplicable("a login carries its key in one place".to_owned()));
    }
    for place in beside {
        let actor = cx.actor()?;
        let other = LoginKey::random(&mut cx.rng);
        let mut attempt = cx.attempt(&actor)?;
        attempt.after.push((place.clone(), json!(other.public_hex())));
        let answer = cx.send_attempt(&attempt)?;
        let accepted = answer.accepted();
        let session = Context::session_of(&actor, answer);
        let mut draft = cx.authorized(operation, &session);
        cx.sign_request(operation, &mut draft, &other);
        let answer = cx.send(operation, &draft)?;
        let did =
            format!("logged in with another key as {place} than in the signed text, and signed with it");
        cx.must_refuse(&answer, &did)?;
        // Where the other key is the registered one, that of the text is not.
        if accepted && !answer.accepted() {
            let draft = cx.authorized(operation, &session);
            let answer = cx.send(operation, &draft)?;
            let did =
                format!("logged in with another key as {place}, and signed with the key of the signed text");
            cx.must_accept(&answer, &did)?;
        }
    }
    Ok(())
}

/// What makes a login worthless.
type Spoil = fn(&mut Context<'_>, &mut Attempt);

const SPOILT: [(&str, Spoil); 4] = [
    ("another wallet's signature", |cx, attempt| attempt.signer = Some(Wallet::random(&mut cx.rng))),
    ("a signature over another text", |_, attempt| attempt.signed_text = Some("an earlier text".to_owned())),
    ("a value in the text that does not fit", |_, attempt| attempt.derive = Derive::OlderHash),
    ("a signature that is none", |cx, attempt| {
        let login = cx.scheme.step(Step::Login).and_then(|login| login.request_field(Role::Signature));
        if let Some(field) = login {
            attempt.after.push((field.at.clone(), json!(format!("0x{}", "11".repeat(65)))));
        }
    }),
];

fn refused_login(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (operation, mut owner) = signed_use(cx)?;
    for (what, spoil) in SPOILT {
        let mut thief = owner.actor.clone();
        thief.login_key = LoginKey::random(&mut cx.rng);
        if !refused(cx, &thief, spoil)? {
            continue;
        }
        let draft = signed_by(cx, operation, &owner, &thief.login_key);
        let answer = cx.send(operation, &draft)?;
        let did = format!("was refused a login with {what}, then signed a request with that login's key");
        cx.must_refuse(&answer, &did)?;
        if answer.accepted() {
            // The owner's key is gone, until the owner's next login.
            owner = cx.log_in(&owner.actor)?;
            continue;
        }
        let draft = cx.authorized(operation, &owner);
        let answer = cx.send(operation, &draft)?;
        let did = format!("asked as the owner after somebody was refused a login with {what}");
        cx.must_accept(&answer, &did)?;
        if !answer.accepted() {
            owner = cx.log_in(&owner.actor)?;
        }
    }
    // Several of them in a row must not keep the owner out.
    let attempt = cx.attempt(&owner.actor)?;
    let answer = cx.send_attempt(&attempt)?;
    let did =
        format!("logged in as the owner after {} refused logins of others under the name", SPOILT.len());
    cx.must_accept(&answer, &did)
}

fn refused_first_login(cx: &mut Context<'_>) -> Result<(), Stop> {
    let (operation, _) = signed_use(cx)?;
    for (what, spoil) in SPOILT {
        let actor = Actor::fresh_wallet(&mut cx.rng);
        if !refused(cx, &actor, spoil)? {
            continue;
        }
        let mut draft = cx.fill(operation, &actor, None);
        cx.sign_request(operation, &mut draft, &actor.login_key);
        let answer = cx.send(operation, &draft)?;
        let did = format!("was refused a first login with {what}, then signed a request with its key");
        cx.must_refuse(&answer, &did)?;
    }
    Ok(())
}

/// Whoever fails to log in under a free name must not keep it from the wallet that then proves itself.
fn reserves_no_name(cx: &mut Context<'_>) -> Result<(), Stop> {
    if cx.scheme.step(Step::Login).is_none_or(|login| login.request_field(Role::Identifier).is_none()) {
        return Err(Stop::NotApplicable("a login names no account".to_owned()));
    }
    for (what, spoil) in SPOILT {
        let stranger = Actor::fresh_wallet(&mut cx.rng);
        if !refused(cx, &stranger, spoil)? {
            continue;
        }
        let mut rightful = Actor::fresh_wallet(&mut cx.rng);
        rightful.identifier.clone_from(&stranger.identifier);
        let attempt = cx.attempt(&rightful)?;
        let answer = cx.send_attempt(&attempt)?;
        let did = format!("logged in under a free name after another wallet was refused there with {what}");
        cx.must_accept(&answer, &did)?;
    }
    Ok(())
}

/// A login that states another kind of key than the documented one may be refused. One that is let in must not yield an
/// account whose requests nobody verifies.
fn other_kinds(cx: &mut Context<'_>) -> Result<(), Stop> {
    let operation = signed_operation(cx)?;
    let bound = &cx.scheme.proof.binds;
    let login = cx.step(Step::Login)?;
    let kinds: Vec<Place> = login
        .request
        .fields
        .iter()
        .filter(|field| field.role == Role::Constant && bound.contains(&field.at))
        .map(|field| field.at.clone())
        .collect();
    for place in kinds {
        for kind in ["secp256k1", "rsa", "none", "ED25519", ""] {
            let actor = cx.actor()?;
            let mut attempt = cx.attempt(&actor)?;
            attempt.before.push((place.clone(), json!(kind)));
            let answer = cx.send_attempt(&attempt)?;
            if !answer.accepted() {
                continue;
            }
            let session = Context::session_of(&actor, answer);
            let stranger = LoginKey::random(&mut cx.rng);
            let mut drafts = vec![("a stranger's signature", signed_by(cx, operation, &session, &stranger))];
            if let Some(field) = operation.request_field(Role::Signature) {
                let mut unsigned = cx.authorized(operation, &session);
                unsigned.set(&field.at, json!("AAAA"));
                drafts.push(("a signature that is none", unsigned));
            }
            for (what, draft) in drafts {
                let answer = cx.send(operation, &draft)?;
                let did = format!("logged in with `{kind}` as {place}, then sent a request with {what}");
                cx.must_refuse(&answer, &did)?;
            }
        }
    }
    Ok(())
}

/// Tries a spoilt login. Where it is let in, other checks say so.
fn refused(cx: &mut Context<'_>, actor: &Actor, spoil: Spoil) -> Result<bool, Stop> {
    let mut attempt = cx.attempt(actor)?;
    spoil(cx, &mut attempt);
    Ok(!cx.send_attempt(&attempt)?.accepted())
}

fn signed_by<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    session: &Session<'_>,
    key: &LoginKey,
) -> Draft {
    let mut draft = cx.authorized(operation, session);
    cx.sign_request(operation, &mut draft, key);
    draft
}

/// Whether a refusal shows this, which was not sent.
pub(super) fn shows(answer: &Answer<'_>, secret: &str) -> bool {
    answer.exchange.text().to_ascii_lowercase().contains(&secret.to_ascii_lowercase())
}
