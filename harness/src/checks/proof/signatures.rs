//! Whose signature it is, and signatures that are none.

use super::refuse;
use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::draft::Draft;
use crate::finding::Stop;
use crate::wallet::{self, Wallet};
use countersign_spec::{Level, Operation, Place, Role, Step};
use data_encoding::HEXLOWER;
use serde_json::json;

/// Adds the checks of good signatures that are not the caller's for this text.
pub(super) fn signers(checks: &mut Checks<'_>) {
    let clause = ["common.proof.signer-is-address"];
    checks
        .add(Group::Proof, "a signature by another wallet is refused", &clause, |cx| {
            refuse(cx, "signed the right text with another wallet's key", |cx, attempt| {
                attempt.signer = Some(Wallet::random(&mut cx.rng));
            })?;
            let other = cx.other_actor()?;
            cx.log_in(&other)?;
            let did = "signed the right text with the key of another wallet, which had logged in itself";
            refuse(cx, did, |_, attempt| attempt.signer = Some(other.wallet.clone()))?;
            in_other_spellings(cx)?;
            beside_optional_members(cx)
        })
        .family("signature", 0);
    checks
        .add(Group::Proof, "another address beside a good signature is refused", &clause, |cx| {
            let actor = cx.actor()?;
            let victim = Actor::fresh_wallet(&mut cx.rng);
            let attempt = cx.attempt(&actor)?;
            let (operation, mut draft) = cx.write_attempt(&attempt)?;
            let Some(field) = operation.request_field(Role::Address) else {
                return Err(Stop::NotApplicable("the signed text alone names an address".to_owned()));
            };
            draft.set(&field.at, json!(victim.address));
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, "signed as one wallet and named the address of another")
        })
        .family("signature", 1);
    checks
        .add(Group::Proof, "a signature with the other recovery bit is refused", &clause, |cx| {
            let actor = cx.actor()?;
            let attempt = cx.attempt(&actor)?;
            let (operation, mut draft) = cx.write_attempt(&attempt)?;
            change_signature(operation, &mut draft, |bytes| {
                bytes[64] = if bytes[64] == 27 { 28 } else { 27 }
            });
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, "flipped the recovery bit, so that another address is recovered")
        })
        .family("signature", 1);
    checks
        .add(
            Group::Proof,
            "an earlier signature of the wallet is refused",
            &["common.proof.text-is-signed"],
            |cx| {
                refuse(cx, "sent a signature that the wallet made over another text", |_, attempt| {
                    attempt.signed_text = Some("an earlier text".to_owned());
                })?;
                let words: [(&str, Write); 4] = [
                    ("its own address", |wallet| wallet.lower_address()),
                    ("its own address with the checksum", |wallet| wallet.address()),
                    ("its own address without 0x", |wallet| wallet.lower_address().split_off(2)),
                    ("nothing", |_| String::new()),
                ];
                for (what, text) in words {
                    let did = format!("sent a signature that the wallet made over {what}");
                    refuse(cx, &did, |_, attempt| {
                        attempt.signed_text = Some(text(&attempt.actor.wallet));
                    })?;
                }
                Ok(())
            },
        )
        .family("signature", 1);
}

/// A way to write something of a wallet.
type Write = fn(&Wallet) -> String;

/// A wallet's address has several spellings, and a comparison of any of them may have been forgotten.
fn in_other_spellings(cx: &mut Context<'_>) -> Result<(), Stop> {
    let upper = |wallet: &Wallet| format!("0x{}", wallet.lower_address().split_off(2).to_ascii_uppercase());
    for write in [Wallet::lower_address as Write, Wallet::address, upper] {
        let mut victim = cx.actor()?;
        victim.address = write(&victim.wallet);
        let challenge = match cx.step(Step::Challenge) {
            Ok(operation) => {
                let answer = cx.ask_challenge(operation, &victim)?;
                match answer.text(Role::Challenge) {
                    Some(challenge) => Some(challenge),
                    // It may read only some of them.
                    None => continue,
                }
            }
            Err(_) => None,
        };
        let mut attempt = cx.attempt_with(&victim, challenge);
        attempt.signer = Some(Wallet::random(&mut cx.rng));
        let answer = cx.send_attempt(&attempt)?;
        let did = format!("signed as {} with another wallet's key", victim.address);
        cx.must_refuse(&answer, &did)?;
    }
    Ok(())
}

/// What a caller may add must not lead past the comparison.
fn beside_optional_members(cx: &mut Context<'_>) -> Result<(), Stop> {
    let operation = cx.step(Step::Login)?;
    let notes: Vec<Place> = operation
        .request
        .fields
        .iter()
        .filter(|field| field.optional && field.role == Role::Note)
        .map(|field| field.at.clone())
        .collect();
    for place in notes {
        let actor = cx.actor()?;
        let mut attempt = cx.attempt(&actor)?;
        attempt.before.push((place.clone(), json!("a note")));
        attempt.signer = Some(Wallet::random(&mut cx.rng));
        let answer = cx.send_attempt(&attempt)?;
        cx.must_refuse(&answer, &format!("sent {place} and signed with another wallet's key"))?;
    }
    Ok(())
}

/// Adds the checks of signatures written wrongly or in another way.
pub(super) fn malformed(checks: &mut Checks<'_>) {
    checks
        .add(Group::Proof, "a malformed signature is refused", &["common.proof.malformed-signature"], |cx| {
            let actor = cx.actor()?;
            let attempt = cx.attempt(&actor)?;
            let (operation, good) = cx.write_attempt(&attempt)?;
            let Some(field) = operation.request_field(Role::Signature) else {
                return Err(Stop::NotApplicable("no signature is sent".to_owned()));
            };
            let count = malformed_signatures(&good.text(&field.at).unwrap_or_default()).len();
            for index in 0..count {
                // Each with a challenge of its own: one that failed before might be refused for that alone.
                let attempt = cx.attempt(&actor)?;
                let (operation, mut draft) = cx.write_attempt(&attempt)?;
                let mut wrong = malformed_signatures(&draft.text(&field.at).unwrap_or_default());
                let (what, wrong) = wrong.swap_remove(index);
                draft.set(&field.at, json!(wrong));
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("sent {what} as the signature"))?;
            }
            Ok(())
        })
        .family("signature", 1);
    checks
        .add(
            Group::Proof,
            "an impossible recovery byte is refused",
            &["common.proof.invalid-recovery-id"],
            |cx| {
                let actor = cx.actor()?;
                for byte in [2_u8, 3, 5, 26, 29, 35, 36, 37, 38, 255] {
                    let attempt = cx.attempt(&actor)?;
                    let (operation, mut draft) = cx.write_attempt(&attempt)?;
                    change_signature(operation, &mut draft, |bytes| bytes[64] = byte);
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("sent a signature with the recovery byte {byte}"))?;
                }
                Ok(())
            },
        )
        // A widely used library takes the lowest bit of whatever stands there, as EIP-155 does for transactions.
        .at_most(Level::May)
        .family("signature", 2);
    checks.add(Group::Proof, "a recovery byte of 0 or 1 is accepted", &["common.proof.recovery-id"], |cx| {
        let actor = cx.actor()?;
        let attempt = cx.attempt(&actor)?;
        let (operation, mut draft) = cx.write_attempt(&attempt)?;
        change_signature(operation, &mut draft, |bytes| bytes[64] -= 27);
        let answer = cx.send(operation, &draft)?;
        cx.must_accept(&answer, "sent a right signature with a recovery byte of 0 or 1")
    });
    checks
        .add(Group::Proof, "the high s twin of a signature is refused", &["common.proof.low-s"], |cx| {
            let actor = cx.actor()?;
            let attempt = cx.attempt(&actor)?;
            let (operation, mut draft) = cx.write_attempt(&attempt)?;
            change_signature(operation, &mut draft, |bytes| *bytes = wallet::high_s_twin(bytes));
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, "sent the high-s twin of a right signature")
        })
        .family("signature", 2);
    checks.add(Group::Proof, "a signature without 0x is accepted", &["common.proof.unprefixed-hex"], |cx| {
        let actor = cx.actor()?;
        let attempt = cx.attempt(&actor)?;
        let (operation, mut draft) = cx.write_attempt(&attempt)?;
        if let Some(field) = operation.request_field(Role::Signature) {
            let text = draft.text(&field.at).unwrap_or_default();
            draft.set(&field.at, json!(text.trim_start_matches("0x")));
        }
        let answer = cx.send(operation, &draft)?;
        cx.must_accept(&answer, "sent a right signature without 0x")
    });
}

/// What is no signature of anybody, made from a good one.
pub(super) fn malformed_signatures(good: &str) -> Vec<(&'static str, String)> {
    let bytes = HEXLOWER.decode(good.trim_start_matches("0x").as_bytes()).unwrap_or_default();
    let with = |change: fn(&mut [u8])| {
        let mut bytes = bytes.clone();
        if bytes.len() == 65 {
            change(&mut bytes);
        }
        wallet::signature_hex(&bytes)
    };
    vec![
        ("0x alone", "0x".to_owned()),
        ("text that is no hex", format!("0x{}", "zz".repeat(65))),
        ("half a signature", good.get(..66).unwrap_or_default().to_owned()),
        (
            "a signature with one hex digit less",
            good.get(..good.len().saturating_sub(1)).unwrap_or_default().to_owned(),
        ),
        ("a signature of zeros", format!("0x{}", "00".repeat(65))),
        ("a signature of ones", format!("0x{}", "ff".repeat(65))),
        ("a signature with r = 0", with(|bytes| bytes[..32].fill(0))),
        ("a signature with s = 0", with(|bytes| bytes[32..64].fill(0))),
        ("a signature with r changed", with(|bytes| bytes[31] ^= 1)),
        ("a signature with s changed", with(|bytes| bytes[63] ^= 1)),
        // About half of all r are on no curve point: among these, one surely is not.
        ("a signature with r changed", with(|bytes| bytes[31] ^= 2)),
        ("a signature with r changed", with(|bytes| bytes[31] ^= 4)),
        ("a signature with r changed", with(|bytes| bytes[31] ^= 8)),
        ("a signature with r changed", with(|bytes| bytes[30] ^= 1)),
        ("a signature with r changed", with(|bytes| bytes[29] ^= 1)),
        ("a signature with r changed", with(|bytes| bytes[28] ^= 1)),
        ("a signature of 10,000 digits", format!("0x{}", "ab".repeat(5_000))),
    ]
}

/// Changes the 65 bytes of the signature in a draft.
pub(super) fn change_signature(operation: &Operation, draft: &mut Draft, change: impl FnOnce(&mut [u8; 65])) {
    let Some(field) = operation.request_field(Role::Signature) else { return };
    let text = draft.text(&field.at).unwrap_or_default();
    let Ok(bytes) = HEXLOWER.decode(text.trim_start_matches("0x").as_bytes()) else { return };
    let Ok(mut bytes) = <[u8; 65]>::try_from(bytes) else { return };
    change(&mut bytes);
    draft.set(&field.at, json!(wallet::signature_hex(&bytes)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::SignAs;

    #[test]
    fn every_malformed_signature_differs_from_the_good_one() {
        use rand::SeedableRng;
        let wallet = Wallet::random(&mut rand::rngs::StdRng::seed_from_u64(1));
        let good = wallet::signature_hex(&wallet.sign("text", SignAs::Personal));
        for (what, wrong) in malformed_signatures(&good) {
            assert_ne!(wrong, good, "{what}");
        }
    }
}
