//! Requests that are well formed and refused, for whatever reason: what their refusals look like is looked at afterwards.

use crate::context::{Context, Session};
use crate::finding::Stop;
use countersign_spec::{Auth, Place, ProofKind, Step};
use serde_json::{Value, json};

/// Asks for one refusal of each kind. That some of it may be let in is other checks' affair.
///
/// # Errors
/// Where the target limits requests.
pub(super) fn traffic(cx: &mut Context<'_>) -> Result<(), Stop> {
    lacking(cx)?;
    proofs(cx)?;
    let Ok(session) = cx.session() else { return Ok(()) };
    tokens(cx, &session)?;
    used_up(cx, &session)
}

/// Each operation without each of its members, and with null and a list in its place.
fn lacking(cx: &mut Context<'_>) -> Result<(), Stop> {
    for operation in cx.scheme.operations.iter().filter(|operation| operation.request.schema.is_some()) {
        let Ok(actor) = cx.actor() else { continue };
        if cx.served(operation).is_err() || operation.step == Step::Logout {
            continue;
        }
        let places = operation.request.fields.iter().map(|field| field.at.clone());
        for place in places.filter(|place| matches!(place, Place::Body(_))) {
            let good = cx.fill(operation, &actor, Some("0123456789abcdef0123456789abcdef"));
            let mut without = good.clone();
            without.remove(&place);
            cx.send(operation, &without)?;
            for wrong in [Value::Null, json!(["a"]), json!("")] {
                let mut mistyped = good.clone();
                mistyped.set(&place, wrong);
                cx.send(operation, &mistyped)?;
            }
        }
    }
    Ok(())
}

/// Logins of strangers, with wrong secrets, and with challenges that are unknown or used.
fn proofs(cx: &mut Context<'_>) -> Result<(), Stop> {
    let Ok(actor) = cx.actor() else { return Ok(()) };
    if cx.scheme.proof.kind == ProofKind::Secret {
        for (name, secret) in [(&actor.identifier, "wrong"), (&"nobody-knows-me".to_owned(), "wrong")] {
            let mut attempt = cx.attempt_with(&actor, None);
            attempt.actor.identifier.clone_from(name);
            attempt.actor.password = format!("{secret}-{}", cx.random_hex(8));
            cx.send_attempt(&attempt)?;
        }
        return Ok(());
    }
    if cx.scheme.step(Step::Challenge).is_some() {
        let unknown = cx.random_hex(16);
        let attempt = cx.attempt_with(&actor, Some(unknown));
        cx.send_attempt(&attempt)?;
    }
    let Ok(attempt) = cx.attempt(&actor) else { return Ok(()) };
    cx.send_attempt(&attempt)?;
    cx.send_attempt(&attempt)?;
    Ok(())
}

/// Operations that want a token: without one, and with one that was never issued.
fn tokens(cx: &mut Context<'_>, session: &Session<'_>) -> Result<(), Stop> {
    for operation in cx.scheme.operations.iter().filter(|operation| operation.auth != Auth::None) {
        if cx.served(operation).is_err() {
            continue;
        }
        let mut draft = cx.fill(operation, &session.actor, None);
        cx.send(operation, &draft)?;
        draft.authorize(&format!("unknown-{}", cx.random_hex(16)));
        cx.send(operation, &draft)?;
    }
    if cx.step(Step::Refresh).is_ok() {
        let unknown = format!("unknown-{}", cx.random_hex(16));
        cx.refresh_with(session, &unknown)?;
    }
    Ok(())
}

/// A refresh and a logout, each twice.
fn used_up(cx: &mut Context<'_>, session: &Session<'_>) -> Result<(), Stop> {
    let token = session.refreshable(cx.scheme).map(str::to_owned);
    if let (Ok(_), Some(token)) = (cx.step(Step::Refresh), token) {
        cx.refresh_with(session, &token)?;
        cx.refresh_with(session, &token)?;
    }
    if cx.step(Step::Logout).is_ok() {
        let Ok(other) = cx.log_in(&session.actor) else { return Ok(()) };
        cx.log_out(&other)?;
        cx.log_out(&other)?;
    }
    Ok(())
}
