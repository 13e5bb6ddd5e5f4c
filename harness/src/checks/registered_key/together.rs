//! Two wallets that ask for one free name at the same moment: one of them has it afterwards.

use super::signed_operation;
use crate::check::{Checks, Group};
use crate::context::Context;
use countersign_spec::{ProofKind, Role, Step};

/// How often it is tried: who is first is chance.
const TURNS: usize = 3;

/// Adds the check of one name for two.
pub(super) fn add(checks: &mut Checks<'_>) {
    let named = checks.scheme.step(Step::Login).is_some_and(|login| {
        login.request_field(Role::Identifier).is_some() && checks.scheme.proof.kind == ProofKind::Eip191
    });
    if !named {
        return;
    }
    checks.add(
        Group::Race,
        "a free name that two wallets ask for at once is one wallet's",
        &["common.proof.account-not-taken-over"],
        |cx| {
            let operation = signed_operation(cx)?;
            for _ in 0..TURNS {
                let (first, mut second) = (cx.other_actor()?, cx.other_actor()?);
                second.identifier.clone_from(&first.identifier);
                let mut drafts = Vec::new();
                for actor in [&first, &second] {
                    let attempt = cx.attempt(actor)?;
                    drafts.push(cx.write_attempt(&attempt)?.1);
                }
                let login = cx.step(Step::Login)?;
                let answers = cx.send_together(login, &drafts);
                let mut let_in = Vec::new();
                for (actor, answer) in [first, second].iter().zip(answers) {
                    if !answer.accepted() {
                        continue;
                    }
                    let session = Context::session_of(actor, answer);
                    let draft = cx.authorized(operation, &session);
                    let answer = cx.send(operation, &draft)?;
                    if answer.accepted() {
                        let_in.push(answer);
                    }
                }
                if let [_, second] = let_in.as_slice() {
                    let did = format!(
                        "logged two wallets in under one free name at the same moment, and asked {} with the key of each",
                        operation.name
                    );
                    return Err(cx.found(&did, "one of the two to be refused", second));
                }
            }
            Ok(())
        },
    );
}
