//! Long names that wallets choose themselves are kept whole, or not let in.

use super::signed_operation;
use crate::check::{Checks, Group};
use crate::checks::flow::identity::says_who;
use crate::context::Context;
use crate::finding::Stop;
use countersign_spec::{Operation, ProofKind, Role, Step};

/// How many characters two names have in common: more than columns, keys and counted strings usually hold.
const SHARED: [usize; 4] = [64, 128, 256, 1_024];

/// Adds the check of two long names that differ in a word.
pub(super) fn add(checks: &mut Checks<'_>) {
    let named = checks.scheme.step(Step::Login).is_some_and(|login| {
        login.request_field(Role::Identifier).is_some() && checks.scheme.proof.kind == ProofKind::Eip191
    });
    if !named {
        return;
    }
    checks
        .add(
            Group::Proof,
            "long names that are almost alike are two accounts or one is refused",
            &["common.proof.account-not-taken-over"],
            |cx| {
                let operation = signed_operation(cx)?;
                let mut judged = 0;
                for shared in SHARED {
                    let long: String =
                        format!("user:{}", cx.random_hex(shared)).chars().take(shared).collect();
                    for (names, differ) in [
                        ([format!("{long}-one"), format!("{long}-two")], "behind"),
                        ([format!("one-{long}"), format!("two-{long}")], "before"),
                    ] {
                        let did = format!(
                            "logged two wallets in whose names differ {differ} {shared} characters, and asked {} as each",
                            operation.name
                        );
                        if told_apart(cx, operation, names, &did)? {
                            judged += 1;
                        }
                    }
                }
                if judged == 0 {
                    let reason = "the target refuses long names, or one of two that are almost alike";
                    return Err(Stop::NotApplicable(reason.to_owned()));
                }
                Ok(())
            },
        )
        .family("registered-key", 1);
}

/// Logs two wallets in under these names and asks as each. Whether both were let in.
fn told_apart<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    names: [String; 2],
    did: &str,
) -> Result<bool, Stop> {
    let mut sessions = Vec::new();
    for name in names {
        let mut actor = cx.other_actor()?;
        actor.identifier = name;
        let attempt = cx.attempt(&actor)?;
        let answer = cx.send_attempt(&attempt)?;
        // A limit for names is no mistake.
        if !answer.accepted() {
            return Ok(false);
        }
        sessions.push(Context::session_of(&actor, answer));
    }
    for session in &sessions {
        let draft = cx.authorized(operation, session);
        let answer = cx.send(operation, &draft)?;
        cx.must_accept(&answer, did)?;
        if answer.accepted() {
            says_who(cx, &session.actor, &answer)?;
        }
    }
    Ok(true)
}
