//! A used challenge presented again in another way: after a failure, under its signature written anew, in other letters, in
//! another text.

use super::ways::ways;
use crate::actor::Actor;
use crate::check::{Checks, Group};
use crate::context::{Answer, Context};
use crate::finding::Stop;
use crate::flow::Attempt;
use crate::wallet::{self, Wallet};
use countersign_spec::{Role, Text};
use data_encoding::HEXLOWER;
use serde_json::json;

/// Adds the checks of used challenges.
pub(super) fn add(checks: &mut Checks<'_>) {
    let clause = ["common.challenge.single-use"];
    checks
        .add(Group::Challenge, "a used challenge is refused after a failed attempt", &clause, |cx| {
            for way in ways(cx)? {
                let me = cx.actor()?;
                let attempt = way.attempt(cx, &me, None)?;
                let first = cx.send_attempt(&attempt)?;
                cx.control(&first, "the first login with the challenge")?;
                for what in ["by another wallet", "over another text"] {
                    let mut wrong = attempt.clone();
                    if what == "by another wallet" {
                        wrong.signer = Some(Wallet::random(&mut cx.rng));
                    } else {
                        wrong.signed_text = Some("another text".to_owned());
                    }
                    let failed = cx.send_attempt(&wrong)?;
                    let did = format!("sent a used challenge with a signature {what}{}", way.said);
                    cx.must_refuse(&failed, &did)?;
                    let again = cx.send_attempt(&attempt)?;
                    let did = format!(
                        "logged in, sent the challenge with a signature {what}, and the same login again{}",
                        way.said
                    );
                    cx.must_refuse(&again, &did)?;
                }
            }
            Ok(())
        })
        .family("challenge-use", 1);
    checks
        .add(Group::Challenge, "a used challenge under its signature rewritten is refused", &clause, |cx| {
            for way in ways(cx)? {
                let me = cx.actor()?;
                let attempt = way.attempt(cx, &me, None)?;
                let (operation, draft) = cx.write_attempt(&attempt)?;
                let first = cx.send(operation, &draft)?;
                cx.control(&first, "the first login with the challenge")?;
                let Some(field) = operation.request_field(Role::Signature) else {
                    return Err(Stop::NotApplicable("no signature is sent".to_owned()));
                };
                for (what, written) in rewritten(&draft.text(&field.at).unwrap_or_default()) {
                    let mut again = draft.clone();
                    again.set(&field.at, json!(written));
                    let answer = cx.send(operation, &again)?;
                    let did = format!("sent a login again with its signature {what}{}", way.said);
                    cx.must_refuse(&answer, &did)?;
                }
            }
            Ok(())
        })
        .family("challenge-use", 1);
    checks
        .add(Group::Challenge, "a used challenge stays used when others are given", &clause, |cx| {
            for way in ways(cx)? {
                let me = cx.actor()?;
                let attempt = way.attempt(cx, &me, None)?;
                let first = cx.send_attempt(&attempt)?;
                cx.control(&first, "the first login with the challenge")?;
                let given = cx.challenge(&me)?;
                let again = cx.send_attempt(&attempt)?;
                let did = "logged in, asked for another challenge, and sent the same login again";
                cx.must_refuse(&again, &format!("{did}{}", way.said))?;
                let second = way.send(cx, &me, &given)?;
                cx.control(&second, "the login with the other challenge")?;
                let again = cx.send_attempt(&attempt)?;
                let did = "logged in with two challenges, and sent the first login again";
                cx.must_refuse(&again, &format!("{did}{}", way.said))?;
            }
            Ok(())
        })
        .family("challenge-use", 1);
    checks
        .add(Group::Challenge, "a challenge in other letters is good once", &clause, |cx| {
            let me = cx.actor()?;
            let given = cx.challenge(&me)?;
            let first = cx.attempt_with(&me, Some(given.clone()));
            let first = cx.send_attempt(&first)?;
            cx.control(&first, "the first login with the challenge")?;
            for used in [true, false] {
                let given = if used { given.clone() } else { cx.challenge(&me)? };
                let upper = given.to_ascii_uppercase();
                if upper == given {
                    continue;
                }
                let attempt = cx.attempt_with(&me, Some(upper));
                let once = cx.send_attempt(&attempt)?;
                if used {
                    cx.must_refuse(&once, "logged in with a challenge, and again with it in capitals")?;
                } else if once.accepted() {
                    let twice = cx.send_attempt(&attempt)?;
                    cx.must_refuse(&twice, "logged in with a challenge in capitals, twice")?;
                }
            }
            Ok(())
        })
        .family("challenge-use", 1);
    if checks.scheme.proof.other_texts.is_empty() {
        return;
    }
    checks
        .add(Group::Challenge, "a used challenge is refused in every text", &clause, |cx| {
            let me = cx.actor()?;
            let usual = cx.scheme.proof.text.clone();
            for other in cx.scheme.proof.other_texts.clone() {
                let name = other.name.clone();
                for (first, second) in [
                    (Some(other.clone()), Some(other.clone())),
                    (Some(other.clone()), usual.clone()),
                    (usual.clone(), Some(other.clone())),
                ] {
                    let challenge = cx.challenge(&me)?;
                    let answer = send_as(cx, &me, &challenge, first)?;
                    // Whether these texts are taken at all is what another check says.
                    if !answer.accepted() {
                        continue;
                    }
                    let again = send_as(cx, &me, &challenge, second)?;
                    cx.must_refuse(
                        &again,
                        &format!("logged in twice with one challenge, in the text of {name} and in any"),
                    )?;
                }
            }
            Ok(())
        })
        .family("challenge-use", 1);
}

/// Logs in with a challenge in this text.
fn send_as<'t>(
    cx: &mut Context<'t>,
    actor: &Actor,
    challenge: &str,
    form: Option<Text>,
) -> Result<Answer<'t>, Stop> {
    let attempt = Attempt { form, ..cx.attempt_with(actor, Some(challenge.to_owned())) };
    cx.send_attempt(&attempt)
}

/// A signature written in other ways that mean the same.
fn rewritten(signature: &str) -> Vec<(&'static str, String)> {
    let digits = signature.trim_start_matches("0x");
    let mut written = vec![
        ("in capital digits", format!("0x{}", digits.to_ascii_uppercase())),
        ("in capital digits without 0x", digits.to_ascii_uppercase()),
        ("without 0x", digits.to_owned()),
        ("with 0X before it", format!("0X{digits}")),
        ("with a byte behind it", format!("0x{digits}00")),
        ("with a space behind it", format!("0x{digits} ")),
    ];
    let bytes = HEXLOWER.decode(digits.as_bytes()).ok().and_then(|bytes| <[u8; 65]>::try_from(bytes).ok());
    if let Some(bytes) = bytes {
        let low = |mut bytes: [u8; 65]| {
            bytes[64] = bytes[64].wrapping_sub(27);
            wallet::signature_hex(&bytes)
        };
        let twin = wallet::high_s_twin(&bytes);
        written.push(("with a recovery byte of 0 or 1", low(bytes)));
        written.push(("as its high-s twin", wallet::signature_hex(&twin)));
        written.push(("as its high-s twin with a recovery byte of 0 or 1", low(twin)));
        written.push(("in the 64 bytes of EIP-2098", wallet::signature_hex(&wallet::compact(&bytes))));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wallet::SignAs;
    use rand::SeedableRng as _;

    #[test]
    fn every_writing_differs_from_the_signature() {
        let wallet = Wallet::random(&mut rand::rngs::StdRng::seed_from_u64(3));
        let signature = wallet::signature_hex(&wallet.sign("text", SignAs::Personal));
        let written = rewritten(&signature);
        assert_eq!(written.len(), 10);
        assert!(written.iter().all(|(_, other)| *other != signature));
    }
}
