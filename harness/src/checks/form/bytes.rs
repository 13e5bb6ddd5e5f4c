//! Bytes that are no UTF-8 inside the members that count. Whoever drops them, or mends them, reads something that nobody
//! sent: the body is no JSON, and what it would say without them is let in by nobody.

use super::{good_request, right_login};
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::draft::{Draft, Writing};
use crate::finding::Stop;
use countersign_spec::{Operation, Place, Role, Step};
use serde_json::json;

/// What stands in a text where the bytes go; no JSON writer changes it.
const MARK: &str = "MARK-OF-A-STRAY-BYTE";
/// What a reader shows for bytes it cannot read.
const UNREADABLE: char = '\u{fffd}';

/// Adds the checks of logins, and of refreshes that have their token in the body.
pub(super) fn add(checks: &mut Checks<'_>) {
    let Some(login) = checks.scheme.step(Step::Login).filter(|login| login.request.schema.is_some()) else {
        return;
    };
    if !places(login).is_empty() {
        checks.add(
            Group::Form,
            "a login with a byte that is no text in a member is refused",
            &["common.form.utf8"],
            |cx| {
                let login = cx.step(Step::Login)?;
                let secret = login.request_field(Role::Password).map(|field| &field.at);
                for place in places(login) {
                    for nth in 0..stray("abc").len() {
                        let (operation, draft, actor) = right_login(cx)?;
                        // A secret with something in it is a wrong one: the right one in between ends the row.
                        if secret == Some(place) {
                            cx.log_in(&actor)?;
                        }
                        try_one(cx, operation, draft, place, nth)?;
                    }
                }
                Ok(())
            },
        );
    }
    let refresh = checks.scheme.step(Step::Refresh);
    let in_body = refresh.and_then(|refresh| refresh.request_field(Role::RefreshToken));
    if let (Some(refresh), Some(_)) = (refresh, in_body) {
        let name = refresh.name.clone();
        checks.add(
            Group::Form,
            "a refresh with a byte that is no text in its token is refused",
            &["common.form.utf8"],
            move |cx| {
                for nth in 0..stray("abc").len() {
                    let (operation, mut draft) = good_request(cx, &name)?;
                    let Some(field) = operation.request_field(Role::RefreshToken) else { return Ok(()) };
                    // Beside a good token in Authorization the body may be beside the point.
                    if operation.auth_optional {
                        draft.headers.retain(|(name, _)| name != "authorization");
                    }
                    try_one(cx, operation, draft, &field.at, nth)?;
                }
                Ok(())
            },
        );
    }
}

/// Members of a login that name, prove or bind somebody.
fn places(login: &Operation) -> Vec<&Place> {
    let counts = |role| {
        matches!(
            role,
            Role::Address
                | Role::Challenge
                | Role::Identifier
                | Role::Nonce
                | Role::Password
                | Role::PublicKey
                | Role::Signature
                | Role::SignedText
        )
    };
    let fields = login.request.fields.iter();
    fields
        .filter(|field| counts(field.role) && matches!(field.at, Place::Body(_)))
        .map(|field| &field.at)
        .collect()
}

/// Sends a right request with strange bytes in one of its texts.
fn try_one<'t>(
    cx: &mut Context<'t>,
    operation: &'t Operation,
    mut draft: Draft,
    place: &Place,
    nth: usize,
) -> Result<(), Stop> {
    let text = draft.text(place).unwrap_or_default();
    let Some(Stray { said, before, bytes, behind }) = stray(&text).into_iter().nth(nth) else {
        return Ok(());
    };
    draft.set(place, json!(format!("{before}{MARK}{behind}")));
    let written = draft.body.clone().unwrap_or_default().to_string();
    let Some((start, end)) = written.split_once(MARK) else { return Ok(()) };
    draft.writing = Writing::Bytes([start.as_bytes(), &bytes, end.as_bytes()].concat());
    // For whoever counts wrong secrets.
    draft.set(place, json!(format!("{before}{UNREADABLE}{behind}")));
    let answer = cx.send(operation, &draft)?;
    let did = format!("sent {} with everything right but {said} in {place}", operation.name);
    cx.must_refuse(&answer, &did)
}

/// Bytes between two parts of a text.
#[derive(Debug)]
struct Stray {
    said: &'static str,
    before: String,
    bytes: Vec<u8>,
    behind: String,
}

/// Bytes that UTF-8 never has (RFC 3629 section 3), put into a text.
fn stray(text: &str) -> Vec<Stray> {
    let letters: Vec<char> = text.chars().collect();
    let part = |letters: &[char]| letters.iter().collect::<String>();
    let cut = |said, at: usize, bytes: &[u8]| Stray {
        said,
        before: part(&letters[..at]),
        bytes: bytes.to_vec(),
        behind: part(&letters[at..]),
    };
    let mut all = vec![
        cut("the byte 0xFF at the end", letters.len(), b"\xff"),
        cut("the byte 0xFF in the middle", letters.len() / 2, b"\xff"),
        cut("the byte 0x80 at the beginning", 0, b"\x80"),
    ];
    // Two bytes where one would do; a careless decoder reads the same letter.
    let short = letters.iter().rposition(char::is_ascii_alphanumeric);
    if let Some((at, code)) = short.and_then(|at| Some((at, u8::try_from(letters[at]).ok()?))) {
        all.push(Stray {
            said: "a letter in two bytes",
            before: part(&letters[..at]),
            bytes: vec![0xc0 | (code >> 6), 0x80 | (code & 0x3f)],
            behind: part(&letters[at + 1..]),
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_stray_bytes_are_text() {
        let all = stray("Überfähre7");
        assert_eq!(all.len(), 4);
        for Stray { said, before, bytes, behind } in all {
            let whole = [before.as_bytes(), &bytes, behind.as_bytes()].concat();
            assert!(std::str::from_utf8(&whole).is_err(), "{said}");
        }
    }

    #[test]
    fn a_letter_in_two_bytes_is_that_letter_to_whoever_adds_bits() {
        let Stray { bytes, .. } = stray("ab9").pop().unwrap();
        assert_eq!((bytes[0] & 0x1f) << 6 | (bytes[1] & 0x3f), b'9');
    }
}
