//! Wallets whose addresses share a byte with the claimed one: an address is compared whole.

use crate::check::{Checks, Group};
use crate::context::Context;
use crate::finding::Stop;
use crate::wallet::Wallet;

/// A byte is met once in 256 wallets; this many meet it almost surely.
const TRIES: usize = 4_096;

/// Adds the check of wallets with similar addresses.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Proof,
            "a signature by a wallet with a similar address is refused",
            &["common.proof.signer-is-address"],
            |cx| {
                let actor = cx.actor()?;
                cx.log_in(&actor)?;
                for (what, from) in [("begins", 2), ("ends", 40)] {
                    let attacker = sharing(cx, &actor.wallet, from)?;
                    let mut attempt = cx.attempt(&actor)?;
                    attempt.signer = Some(attacker);
                    let answer = cx.send_attempt(&attempt)?;
                    let did = format!(
                        "signed as a wallet whose address {what} with the same byte as the claimed one"
                    );
                    cx.must_refuse(&answer, &did)?;
                }
                Ok(())
            },
        )
        .family("signature", 1);
}

/// Another wallet that has the same two digits from this place of the address on.
fn sharing(cx: &mut Context<'_>, with: &Wallet, from: usize) -> Result<Wallet, Stop> {
    let wanted = with.lower_address();
    let digits = |address: &str| address.get(from..from + 2).map(str::to_owned);
    for _ in 0..TRIES {
        let wallet = Wallet::random(&mut cx.rng);
        let address = wallet.lower_address();
        if digits(&address) == digits(&wanted) && address != wanted {
            return Ok(wallet);
        }
    }
    Err(Stop::Inconclusive(format!("none of {TRIES} wallets shares a byte with the claimed one")))
}
