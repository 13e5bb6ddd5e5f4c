//! Refusals that tell too much: the signature that would have been right.

use super::{Door, any_read};
use crate::check::{Checks, Group};
use crate::checks::flow::first_sink;
use crate::finding::Stop;
use crate::jwt::{self, Jwt};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde_json::json;

/// How many candidates of one refusal are tried.
const MOST: usize = 4;
/// Lengths of signatures that are one number: HMAC by its hash, and pairs of numbers on a curve.
const LENGTHS: [usize; 3] = [32, 48, 64];

/// Adds the check of refusals.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Token,
            "a refusal does not tell the right signature",
            &["common.token.signature", "common.refresh.signature"],
            |cx| {
                if Door::all(cx).is_empty() {
                    first_sink(cx)?;
                }
                let mut read = false;
                for door in Door::all(cx) {
                    let session = cx.session()?;
                    let token = door.token(&session);
                    let Some(jwt) = Jwt::read(&token) else { continue };
                    read = true;
                    let forged = jwt.with_claims(|claims| drop(claims.insert("x".to_owned(), json!(1))));
                    let refusal = door.knock(cx, &session, &forged)?;
                    if refusal.accepted() {
                        return Err(Stop::Inconclusive("a forged token is accepted, as other checks say".to_owned()));
                    }
                    for signature in candidates(&refusal.exchange.text()) {
                        let encoded = URL_SAFE_NO_PAD.encode(&signature);
                        if signature == jwt.signature {
                            continue;
                        }
                        let again = jwt::with_signature(&forged, &encoded);
                        cx.secrets.add(&again, "$FORGED_TOKEN");
                        let answer = door.knock(cx, &session, &again)?;
                        let did = format!(
                            "asked {} with a forged token, and again with the signature that the refusal told",
                            door.name()
                        );
                        cx.must_refuse(&answer, &did)?;
                    }
                }
                any_read(read)
            },
        )
        .family("token-unread", 4);
}

/// Texts in an answer that may be signatures: base64 or hex of as many bytes.
fn candidates(text: &str) -> Vec<Vec<u8>> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_+/".contains(c)));
    let decoded = words.filter(|word| word.len() >= 43).filter_map(|word| {
        let hex = HEXLOWER_PERMISSIVE.decode(word.as_bytes()).ok();
        hex.or_else(|| URL_SAFE_NO_PAD.decode(word).ok()).or_else(|| STANDARD_NO_PAD.decode(word).ok())
    });
    decoded.filter(|bytes| LENGTHS.contains(&bytes.len())).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_found_in_hex_and_base64() {
        let mac = jwt::hs256(b"a", b"b");
        let hex = data_encoding::HEXLOWER.encode(&mac);
        for text in [hex.clone(), URL_SAFE_NO_PAD.encode(&mac), format!("\"expected {hex}, got nothing\"")] {
            assert_eq!(candidates(&text), std::slice::from_ref(&mac), "{text}");
        }
        assert!(candidates("no signature here, only words of which none is as long as one").is_empty());
    }
}
