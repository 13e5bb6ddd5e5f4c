//! Locks that a stranger can close: whoever guesses at an account must not keep its owner out.

use super::try_login;
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::finding::Stop;
use crate::judge;
use serde_json::json;

/// Wrong secrets in a row. Many servers lock an account after five; ten leave no doubt and are no flood.
const MANY: u32 = 10;

/// Adds the check of accounts that are locked.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Credential,
            "many wrong attempts do not keep the owner out",
            &["common.credential.owner-not-locked-out"],
            owner_after_many,
        )
        .about_lockout()
        .parting();
}

fn owner_after_many(cx: &mut Context<'_>) -> Result<(), Stop> {
    let actor = cx.actor()?;
    cx.log_in(&actor)?;
    for _ in 0..MANY {
        let secret = format!("wrong-{}", cx.random_hex(12));
        try_login(cx, &json!(actor.identifier), &json!(secret))?;
    }
    // A wait that the target states is waited out by whoever sends.
    let answer = try_login(cx, &json!(actor.identifier), &json!(actor.password))?;
    if answer.accepted() {
        return Ok(());
    }
    let got = match answer.exchange.status() {
        Some(status) => format!("HTTP {status}"),
        None => return Err(Stop::Inconclusive(answer.exchange.got())),
    };
    cx.target.lockouts.locked(&cx.scheme.id, &actor.identifier, &got);
    let did = format!("logged in with the right secret after {MANY} wrong ones in a row");
    let login = answer.operation;
    cx.found(&did, &judge::describe_success(cx.scheme, login), &answer)
}
