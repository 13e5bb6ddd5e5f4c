//! A proof counts for the request it came with: nothing is remembered in favour of the next one.

use super::signatures::change_signature;
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::finding::Stop;
use crate::flow::Attempt;
use crate::wallet::{self, SignAs, Wallet};
use countersign_spec::Role;
use serde_json::json;

/// Adds the check of texts that logged somebody in before.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Proof,
            "a text that logged in before is refused without its signature",
            &["common.proof.signer-is-address"],
            text_again,
        )
        .family("signature", 1);
}

fn text_again(cx: &mut Context<'_>) -> Result<(), Stop> {
    let proof = &cx.scheme.proof;
    for (nth, form) in proof.text.iter().chain(&proof.other_texts).enumerate() {
        let actor = cx.actor()?;
        let attempt = Attempt { form: Some(form.clone()), ..cx.attempt(&actor)? };
        let (operation, good) = cx.write_attempt(&attempt)?;
        let Some(field) = operation.request_field(Role::Signature) else {
            return Err(Stop::NotApplicable("no signature is sent".to_owned()));
        };
        let answer = cx.send(operation, &good)?;
        // Whether the other texts are taken at all is what another check says.
        if nth > 0 && !answer.accepted() {
            continue;
        }
        cx.control(&answer, "a login with everything right")?;
        let text = operation
            .request_field(Role::SignedText)
            .and_then(|field| good.text(&field.at))
            .or(attempt.challenge)
            .unwrap_or_default();
        let stranger = Wallet::random(&mut cx.rng).sign(&text, SignAs::Personal);
        let mut forged = vec![
            ("another wallet's signature over it", wallet::signature_hex(&stranger)),
            ("a signature of zeros", format!("0x{}", "00".repeat(65))),
            ("an empty signature", String::new()),
        ];
        let mut changed = good.clone();
        change_signature(operation, &mut changed, |bytes| bytes[40] ^= 1);
        forged.push(("its signature with one bit changed", changed.text(&field.at).unwrap_or_default()));
        for (what, signature) in forged {
            let mut draft = good.clone();
            draft.set(&field.at, json!(signature));
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, &format!("sent a text that had logged in a moment ago with {what}"))?;
        }
    }
    Ok(())
}
