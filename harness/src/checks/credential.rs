//! Names and secrets: compared whole, as sent, and without telling which of the two was wrong.

mod common;
mod doubled;
pub(super) mod enumeration;
mod exact;
mod hostile;
mod letters;
mod lockout;
mod names;
mod patterns;
mod stored;
mod timing;
mod wrong;

use crate::check::Checks;
use crate::context::{Answer, Context};
use crate::finding::Stop;
use countersign_spec::{ProofKind, Role, Step};
use serde_json::Value;

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    doubled::add(checks);
    if checks.scheme.proof.kind != ProofKind::Secret {
        return;
    }
    wrong::add(checks);
    exact::add(checks);
    letters::add(checks);
    lockout::add(checks);
    patterns::add(checks);
    names::add(checks);
    common::add(checks);
    hostile::add(checks);
    enumeration::add(checks);
    stored::add(checks);
    timing::add(checks);
}

/// Tries a name and a secret, as text or as any JSON.
fn try_login<'t>(cx: &mut Context<'t>, name: &Value, secret: &Value) -> Result<Answer<'t>, Stop> {
    let operation = cx.step(Step::Login)?;
    let mut draft = cx.draft(operation);
    for (role, value) in [(Role::Identifier, name), (Role::Password, secret)] {
        if let Some(field) = operation.request_field(role) {
            draft.set(&field.at, value.clone());
        }
    }
    cx.send(operation, &draft)
}
