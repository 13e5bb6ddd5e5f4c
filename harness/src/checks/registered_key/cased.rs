//! Names that wallets choose themselves are compared letter by letter, or not let in.

use super::signed_operation;
use crate::check::{Checks, Group};
use crate::checks::flow::identity::says_who;
use crate::finding::Stop;
use countersign_spec::{ProofKind, Role, Step};

/// Adds the check of two names that differ in letter case.
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
            "names that differ in letter case are two accounts or one is refused",
            &["common.proof.account-not-taken-over"],
            |cx| {
                let operation = signed_operation(cx)?;
                let mine = cx.other_actor()?;
                let mine = cx.log_in(&mine)?;
                let mut other = cx.other_actor()?;
                other.identifier = mine.actor.identifier.to_uppercase();
                let attempt = cx.attempt(&other)?;
                let answer = cx.send_attempt(&attempt)?;
                if !answer.accepted() {
                    let reason = "the target refuses a name in capitals, or one that only differs in them";
                    return Err(Stop::NotApplicable(reason.to_owned()));
                }
                let theirs = crate::context::Context::session_of(&other, answer);
                for (session, whose) in [(&mine, "the first"), (&theirs, "the second")] {
                    let draft = cx.authorized(operation, session);
                    let answer = cx.send(operation, &draft)?;
                    let did = format!(
                        "logged two wallets in whose names differ in letter case, and asked {} as {whose}",
                        operation.name
                    );
                    cx.must_accept(&answer, &did)?;
                    says_who(cx, &session.actor, &answer)?;
                }
                Ok(())
            },
        )
        .family("registered-key", 1);
}
