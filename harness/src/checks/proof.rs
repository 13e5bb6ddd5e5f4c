//! What is signed is what is accepted: signatures by wallets (EIP-191) and values computed from members.

mod addresses;
mod alike;
mod derived;
mod forms;
mod judged;
mod lookups;
mod remembered;
mod signatures;
mod texts;
mod written;
mod zeros;

use crate::check::Checks;
use crate::context::Context;
use crate::finding::Stop;
use crate::flow::Attempt;
use countersign_spec::{ProofKind, Role, Step};

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    if checks.scheme.proof.kind != ProofKind::Eip191 {
        return;
    }
    signatures::signers(checks);
    texts::add(checks);
    signatures::malformed(checks);
    // Where the text alone names its signer there is no second address to differ from it.
    if checks.scheme.step(Step::Login).is_some_and(|login| login.request_field(Role::Address).is_some()) {
        addresses::add(checks);
    }
    judged::add(checks);
    derived::add(checks);
    forms::add(checks);
    alike::add(checks);
    written::add(checks);
    remembered::add(checks);
    lookups::add(checks);
    zeros::add(checks);
}

/// Tries a login with one thing wrong, after one with everything right has shown that the target lets this actor in.
fn refuse(
    cx: &mut Context<'_>,
    did: &str,
    change: impl FnOnce(&mut Context<'_>, &mut Attempt),
) -> Result<(), Stop> {
    let actor = cx.actor()?;
    cx.log_in(&actor)?;
    let mut attempt = cx.attempt(&actor)?;
    change(cx, &mut attempt);
    let answer = cx.send_attempt(&attempt)?;
    cx.must_refuse(&answer, did)
}
