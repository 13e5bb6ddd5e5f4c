//! An operation that is served under several paths asks for the same proof under each: guards are often written for one path.

use super::takes_access;
use crate::check::{Checks, Group};
use crate::checks::flow::{refreshable, served};
use crate::context::Context;
use crate::draft::Draft;
use crate::finding::Stop;
use crate::jwt::{self, Jwt};
use countersign_spec::{Operation, ProofKind, Role, Step};

/// Adds the check for each operation that asks for a proof and is known under further paths.
pub(super) fn add(checks: &mut Checks<'_>) {
    let asks = |operation: &&Operation| {
        takes_access(operation) || matches!(operation.step, Step::Login | Step::Refresh)
    };
    let known_twice = |operation: &&Operation| !operation.other_paths.is_empty();
    for operation in checks.scheme.operations.iter().filter(asks).filter(known_twice) {
        let group = match operation.step {
            Step::Refresh => Group::Refresh,
            Step::Login if checks.scheme.proof.kind == ProofKind::Secret => Group::Credential,
            Step::Login => Group::Proof,
            _ => Group::Token,
        };
        let name = operation.name.clone();
        let sentence = format!("{name} asks for the same proof under each of its paths");
        checks.add(group, &sentence, &["common.token.every-path"], move |cx| {
            let operation = served(cx, &name)?;
            let usual = cx.path(operation);
            let mut others = Vec::new();
            for path in std::iter::once(&operation.path).chain(&operation.other_paths) {
                if *path != usual && is_served(cx, operation, path)? {
                    others.push(path);
                }
            }
            if others.is_empty() {
                let reason = format!("the target serves {name} under {usual} only");
                return Err(Stop::NotApplicable(reason));
            }
            for (how, bad) in unproven(cx, operation)? {
                let plain = cx.send(operation, &bad)?;
                if plain.accepted() {
                    let reason = format!("{name} lets a request in {how}, as other checks say");
                    return Err(Stop::Inconclusive(reason));
                }
                for other in &others {
                    let mut draft = bad.clone();
                    draft.path.clone_from(other);
                    let answer = cx.send(operation, &draft)?;
                    let did = format!("asked {name} {how}, under {other} in place of {usual}");
                    cx.must_refuse(&answer, &did)?;
                }
            }
            Ok(())
        });
    }
}

/// Whether a good request is let in under this path, and not only because it would be under any.
fn is_served<'t>(cx: &mut Context<'t>, operation: &'t Operation, path: &str) -> Result<bool, Stop> {
    let mut draft = proven(cx, operation)?;
    path.clone_into(&mut draft.path);
    if !cx.send(operation, &draft)?.accepted() {
        return Ok(false);
    }
    let mut nowhere = proven(cx, operation)?;
    nowhere.path = format!("{path}-{}", cx.random_hex(4));
    Ok(!cx.send(operation, &nowhere)?.accepted())
}

/// A request with everything right.
fn proven<'t>(cx: &mut Context<'t>, operation: &'t Operation) -> Result<Draft, Stop> {
    match operation.step {
        Step::Login => {
            let actor = cx.actor()?;
            let attempt = cx.attempt(&actor)?;
            Ok(cx.write_attempt(&attempt)?.1)
        }
        Step::Refresh => {
            let (session, token) = refreshable(cx)?;
            Ok(cx.refresh_draft(&session, &token)?.1)
        }
        _ => {
            let session = cx.session()?;
            Ok(cx.authorized(operation, &session))
        }
    }
}

/// Requests without a good proof: with a wrong one, without any, and for tokens with an imitation and with one of another
/// kind.
fn unproven<'t>(cx: &mut Context<'t>, operation: &'t Operation) -> Result<Vec<(&'static str, Draft)>, Stop> {
    if operation.step == Step::Login {
        return wrong_logins(cx);
    }
    let session = cx.session()?;
    let (own, other) = match operation.step {
        Step::Refresh => (session.refreshable(cx.scheme), session.access.as_deref()),
        _ => (session.access.as_deref(), session.refresh.as_deref()),
    };
    let garbage = format!("garbage-{}", cx.random_hex(24));
    let mut tokens = vec![("with what is no token", garbage)];
    if let Some(jwt) = own.and_then(Jwt::read) {
        let imitated = jwt::with_invented_signature(&jwt.text);
        cx.secrets.add(&imitated, "$IMITATED_TOKEN");
        tokens.push(("with an imitated token", imitated));
    }
    if let Some(other) = other.filter(|other| Some(*other) != own) {
        tokens.push(("with a token of another kind", other.to_owned()));
    }
    let mut list = Vec::new();
    for (how, token) in tokens {
        let draft = match operation.step {
            Step::Refresh => cx.refresh_draft(&session, &token)?.1,
            _ => {
                let mut draft = cx.fill(operation, &session.actor, None);
                draft.authorize(&token);
                draft
            }
        };
        list.push((how, draft));
    }
    let mut bare = list[0].1.clone();
    bare.headers.retain(|(name, _)| name != "authorization");
    if let Some(field) = operation.request_field(Role::RefreshToken) {
        bare.remove(&field.at);
    }
    list.push(("without a token", bare));
    Ok(list)
}

fn wrong_logins(cx: &mut Context<'_>) -> Result<Vec<(&'static str, Draft)>, Stop> {
    let actor = cx.actor()?;
    let mut attempt = cx.attempt(&actor)?;
    attempt.actor.password = format!("not-{}", cx.random_hex(8));
    attempt.signer = Some(crate::wallet::Wallet::random(&mut cx.rng));
    let (operation, wrong) = cx.write_attempt(&attempt)?;
    let mut bare = wrong.clone();
    for role in [Role::Password, Role::Signature] {
        if let Some(field) = operation.request_field(role) {
            bare.remove(&field.at);
        }
    }
    Ok(vec![("with a wrong proof", wrong), ("without a proof", bare)])
}
