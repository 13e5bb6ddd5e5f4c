//! Things a wallet signs that are no login, and right signatures written in another form.

use super::refuse;
use super::signatures::change_signature;
use crate::check::{Checks, Group};
use crate::finding::Stop;
use crate::wallet::{self, SignAs};
use countersign_spec::{Level, Role, Step};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

/// Adds the checks of other signed things, and of other forms.
pub(super) fn add(checks: &mut Checks<'_>) {
    for (sentence, how, did) in [
        (
            "a signature over typed data is refused",
            SignAs::TypedData,
            "signed the text as a member of EIP-712 typed data",
        ),
        (
            "a signature over a transaction is refused",
            SignAs::Transaction,
            "signed a transaction that carries the text as its data",
        ),
        (
            "a signature for a validating contract is refused",
            SignAs::Validator,
            "signed the text for a contract that validates (EIP-191, version 0x00)",
        ),
    ] {
        checks
            .add(Group::Proof, sentence, &["common.proof.personal-prefix"], move |cx| {
                refuse(cx, did, move |_, attempt| attempt.sign_as = how)
            })
            .family("signature", 1);
    }
    let proof = &checks.scheme.proof;
    let has_uri = proof.text.as_ref().is_some_and(|text| text.template.contains("{uri}"));
    // A text with a URI that the server does not know is refused for that alone.
    if has_uri && !proof.judged.contains_key("uri") {
        checks
            .add(
                Group::Proof,
                "a length counted in characters is refused",
                &["common.proof.prefix-length"],
                |cx| {
                    let did = "signed a text beyond ASCII, its length counted in characters";
                    refuse(cx, did, |_, attempt| {
                        attempt.sign_as = SignAs::Characters;
                        if let Some(form) = &mut attempt.form {
                            form.template =
                                form.template.replace("{uri}", "https://b\u{fc}cher.example/\u{1f511}");
                        }
                    })
                },
            )
            .at_most(Level::Should)
            .family("signature", 1);
    }
    ranges(checks);
    written(checks);
    one_account(checks);
}

/// Numbers that no signature holds.
fn ranges(checks: &mut Checks<'_>) {
    /// Order of the group of secp256k1 (SEC 2 section 2.4.1).
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba,
        0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ];
    checks
        .add(
            Group::Proof,
            "a signature with numbers out of range is refused",
            &["common.proof.malformed-signature"],
            |cx| {
                let actor = cx.actor()?;
                for (what, at, number) in [
                    ("r equal to the order", 0, ORDER),
                    ("s equal to the order", 32, ORDER),
                    ("the largest r", 0, [0xff; 32]),
                    ("the largest s", 32, [0xff; 32]),
                    ("s of one", 32, one()),
                    ("r of one", 0, one()),
                ] {
                    let attempt = cx.attempt(&actor)?;
                    let (operation, mut draft) = cx.write_attempt(&attempt)?;
                    change_signature(operation, &mut draft, |bytes| {
                        bytes[at..at + 32].copy_from_slice(&number)
                    });
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("sent a signature with {what}"))?;
                }
                Ok(())
            },
        )
        .family("signature", 1);
}

fn one() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[31] = 1;
    bytes
}

/// Right signatures in other forms. Libraries differ in which of them they read, and whoever sends one is the wallet.
fn written(checks: &mut Checks<'_>) {
    checks
        .add(Group::Proof, "a signature in another form is refused", &["common.proof.one-form"], |cx| {
            let actor = cx.actor()?;
            cx.log_in(&actor)?;
            for index in 0..forms(&[0; 65]).len() {
                // Each with a challenge of its own: one that failed before might be refused for that alone.
                let attempt = cx.attempt(&actor)?;
                let (operation, mut draft) = cx.write_attempt(&attempt)?;
                let Some(field) = operation.request_field(Role::Signature) else {
                    return Err(Stop::NotApplicable("no signature is sent".to_owned()));
                };
                let right = draft.text(&field.at).unwrap_or_default();
                let bytes = HEXLOWER.decode(right.trim_start_matches("0x").as_bytes()).unwrap_or_default();
                let Ok(bytes) = <[u8; 65]>::try_from(bytes) else {
                    return Err(Stop::Inconclusive("the signature is not of 65 bytes".to_owned()));
                };
                let (what, other) = forms(&bytes).swap_remove(index);
                draft.set(&field.at, json!(other));
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("sent a right signature {what}"))?;
            }
            Ok(())
        })
        .at_most(Level::May)
        // Not below its high-s twin: a target that takes that one need not take these.
        .family("signature", 2);
}

fn forms(bytes: &[u8; 65]) -> Vec<(&'static str, String)> {
    let right = wallet::signature_hex(bytes);
    // ERC-6492 ends a wrapped signature with these 32 bytes.
    let wrapped = format!("{right}{}", "6492".repeat(16));
    vec![
        ("in the 64 bytes of EIP-2098", wallet::signature_hex(&wallet::compact(bytes))),
        ("with a byte behind it", format!("{right}00")),
        ("with other text behind it", format!("{right}, signed")),
        ("with the mark of a wrapped one behind it (ERC-6492)", wrapped),
        ("with spaces around it", format!(" {right} ")),
        ("with a space in it", format!("{} {}", &right[..66], &right[66..])),
    ]
}

fn one_account(checks: &mut Checks<'_>) {
    let named = checks.scheme.tokens.access.as_ref().is_some_and(|access| !access.identity_claims.is_empty());
    let login = checks.scheme.step(Step::Login);
    if !named || login.is_none_or(|login| login.request_field(Role::Address).is_none()) {
        return;
    }
    checks.add(
        Group::Proof,
        "an address in another letter case is the same account",
        &["common.proof.one-account"],
        |cx| {
            let mut actor = cx.actor()?;
            let mut told: Vec<Vec<(String, Value)>> = Vec::new();
            let mut exchanges = Vec::new();
            for address in [actor.wallet.lower_address(), actor.wallet.address()] {
                actor.address = address;
                let session = cx.log_in(&actor)?;
                let jwt = crate::checks::token::access_jwt(&session)?;
                let claims = cx.scheme.tokens.access.iter().flat_map(|access| &access.identity_claims);
                let folded = |value: &Value| match value {
                    Value::String(text) => json!(text.to_ascii_lowercase()),
                    other => other.clone(),
                };
                told.push(
                    claims.filter_map(|name| Some((name.clone(), folded(jwt.claims.get(name)?)))).collect(),
                );
                exchanges.push(session.answer.exchange);
            }
            if told[0] != told[1] {
                let got = format!("{:?}, then {:?}", told[0], told[1]);
                let did = "logged one wallet in with its address in lower case, then with its checksum";
                cx.found_in(did, "tokens that name the same account", &got, &exchanges)?;
            }
            Ok(())
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_differs_from_the_usual_one() {
        let bytes: [u8; 65] = std::array::from_fn(|index| if index == 64 { 28 } else { 7 });
        let right = wallet::signature_hex(&bytes);
        assert!(forms(&bytes).iter().all(|(_, other)| *other != right));
        assert_eq!(forms(&bytes)[0].1.len(), 130);
        assert!(forms(&bytes)[0].1[66..].starts_with("87"));
    }
}
