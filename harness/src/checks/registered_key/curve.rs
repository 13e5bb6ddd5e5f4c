//! What the curve of a registered key allows and a careful verifier does not: weak keys, numbers out of range, hashes.

use super::{public_key_place, signed_operation, signed_use};
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::wallet;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_spec::{Concat, Level, Operation, Role};
use data_encoding::HEXLOWER;
use serde_json::json;

/// Points of small order, first in the encoding of RFC 8032 and then in others that some decoders read as the same.
const WEAK: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// Order of the group of ed25519 (RFC 8032 section 5.1), little end first.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// A text in place of another.
type Hash = fn(&str) -> String;

/// Adds the checks of keys and signatures at the edges of the curve.
pub(super) fn add(checks: &mut Checks<'_>, operation: &Operation) {
    let name = operation.name.clone();
    let sentence = format!("{name} under any key of small order is refused");
    checks
        .add(Group::Proof, &sentence, &["common.proof.weak-key"], |cx| {
            let operation = signed_operation(cx)?;
            let Some(place) = public_key_place(cx) else { return Ok(()) };
            for key in WEAK {
                let actor = cx.actor()?;
                let mut attempt = cx.attempt(&actor)?;
                attempt.before.push((place.clone(), json!(key)));
                attempt.optional = false;
                let answer = cx.send_attempt(&attempt)?;
                if !answer.accepted() {
                    continue;
                }
                let session = Context::session_of(&actor, answer);
                for point in [key, WEAK[0], WEAK[1]] {
                    let mut forged = HEXLOWER.decode(point.as_bytes()).unwrap_or_default();
                    forged.resize(64, 0);
                    let mut draft = cx.authorized(operation, &session);
                    if let Some(field) = operation.request_field(Role::Signature) {
                        draft.set(&field.at, json!(STANDARD.encode(&forged)));
                    }
                    let answer = cx.send(operation, &draft)?;
                    let did = format!("registered the weak key {key} and sent a signature anybody can make");
                    cx.must_refuse(&answer, &did)?;
                }
            }
            Ok(())
        })
        .at_most(Level::May);
    let sentence = format!("{name} with a signature beyond the order is refused");
    checks
        .add(Group::Proof, &sentence, &["common.proof.key-signature-range"], |cx| {
            let (operation, session) = signed_use(cx)?;
            let Some(field) = operation.request_field(Role::Signature) else { return Ok(()) };
            let mut draft = cx.authorized(operation, &session);
            let right = STANDARD.decode(draft.text(&field.at).unwrap_or_default()).unwrap_or_default();
            let Some(other) = beyond_order(&right) else { return Ok(()) };
            draft.set(&field.at, json!(STANDARD.encode(other)));
            let answer = cx.send(operation, &draft)?;
            cx.must_refuse(&answer, "sent a right signature with the group's order added to its s")
        })
        .at_most(Level::May)
        .family("registered-key", 2);
    let sentence = format!("{name} signed over the hash of its members is refused");
    checks
        .add(Group::Proof, &sentence, &["common.proof.key-signed-members"], |cx| {
            let (operation, session) = signed_use(cx)?;
            let (Some(signed), Some(field)) = (&operation.signed, operation.request_field(Role::Signature))
            else {
                return Ok(());
            };
            let hashes: [(&str, Hash); 3] = [
                ("SHA3-224", |text| wallet::hash_hex(Concat::Sha3_224, text)),
                ("SHA-256", |text| wallet::hash_hex(Concat::Sha256, text)),
                ("base64", |text| STANDARD.encode(text)),
            ];
            for (what, hash) in hashes {
                let mut draft = cx.authorized(operation, &session);
                let text: String = signed.over.iter().filter_map(|place| draft.text(place)).collect();
                draft.set(&field.at, json!(session.actor.login_key.sign_base64(&hash(&text))));
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(
                    &answer,
                    &format!("signed the {what} of the members in place of the members"),
                )?;
            }
            Ok(())
        })
        .family("registered-key", 1);
    let sentence = format!("{name} with a signature of another length is refused");
    checks
        .add(Group::Proof, &sentence, &["common.proof.key-signature-range"], |cx| {
            let (operation, session) = signed_use(cx)?;
            let Some(field) = operation.request_field(Role::Signature) else { return Ok(()) };
            let draft = cx.authorized(operation, &session);
            let right = STANDARD.decode(draft.text(&field.at).unwrap_or_default()).unwrap_or_default();
            let mut longer = right.clone();
            longer.push(0);
            let shorter = right.get(..63).unwrap_or_default().to_vec();
            for (what, other) in [("a byte more", longer), ("a byte less", shorter)] {
                let mut draft = cx.authorized(operation, &session);
                draft.set(&field.at, json!(STANDARD.encode(other)));
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("sent a signature with {what}"))?;
            }
            Ok(())
        })
        .family("registered-key", 2);
}

/// The signature with the order added to `s`, which verifiers without the bound of RFC 8032 section 5.1.7 take as well.
fn beyond_order(signature: &[u8]) -> Option<[u8; 64]> {
    let mut other = <[u8; 64]>::try_from(signature).ok()?;
    let mut carry = 0_u16;
    for (place, add) in other[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*place) + u16::from(add) + carry;
        *place = u8::try_from(sum & 0xff).unwrap_or_default();
        carry = sum >> 8;
    }
    Some(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_keys_are_weak() {
        for key in &WEAK[..8] {
            let bytes = HEXLOWER.decode(key.as_bytes()).unwrap();
            let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes.try_into().unwrap()).unwrap();
            assert!(key.is_weak());
        }
    }

    #[test]
    fn the_order_is_added_with_its_carries() {
        let mut signature = [0; 64];
        signature[32] = 0x20;
        let other = beyond_order(&signature).unwrap();
        assert_eq!((other[32], other[33], other[63]), (0x0d, 0xd4, 0x10));
        assert_eq!(beyond_order(&[0; 63]), None);
    }
}
