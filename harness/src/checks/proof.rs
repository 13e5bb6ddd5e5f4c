//! What is signed is what is accepted: signatures by wallets (EIP-191) and values computed from members.

mod addresses;
mod alike;
mod derived;
mod forms;
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
use countersign_spec::ProofKind;

/// Adds the checks of this group.
pub(super) fn add(checks: &mut Checks<'_>) {
    if checks.scheme.proof.kind != ProofKind::Eip191 {
        return;
    }
    signatures::signers(checks);
    texts::add(checks);
    signatures::malformed(checks);
    addresses::add(checks);
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
