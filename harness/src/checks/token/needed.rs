//! Without a token, with anything else in its place or with a changed one, nobody gets in.

use super::{Door, refuse_all, takes_access};
use crate::check::{Checks, Group};
use crate::checks::flow::{first_sink, served};
use crate::context::Context;
use crate::flow::Attempt;
use data_encoding::BASE64;

/// Adds the checks of a token that is missing, was never issued or was changed.
pub(super) fn add(checks: &mut Checks<'_>) {
    for operation in checks.scheme.operations.iter().filter(|operation| takes_access(operation)) {
        let name = operation.name.clone();
        let anchor = format!("{name}.request:header:authorization");
        let sentence = format!("{name} without a token is refused");
        checks
            .add(Group::Token, &sentence, &["common.token.needed", &anchor], move |cx| {
                let operation = served(cx, &name)?;
                let actor = cx.actor()?;
                let draft = cx.fill(operation, &actor, None);
                let answer = cx.send(operation, &draft)?;
                cx.must_refuse(&answer, &format!("asked {name} without Authorization"))?;
                for (what, header) in [
                    ("an empty Authorization", ""),
                    ("Bearer and nothing", "Bearer"),
                    ("Bearer and a space", "Bearer "),
                ] {
                    let mut draft = cx.fill(operation, &actor, None);
                    draft.set_header("authorization", header);
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("asked {name} with {what}"))?;
                }
                Ok(())
            })
            .family("token-unread", 0);
    }
    checks
        .add(
            Group::Token,
            "a token that was never issued is refused",
            &["common.token.garbage", "common.refresh.token-needed"],
            |cx| {
                refuse_all(cx, |cx, token| {
                    let random = cx.random_hex(token.len() / 2);
                    vec![
                        ("random characters as the token".to_owned(), random),
                        ("the word null as the token".to_owned(), "null".to_owned()),
                        ("the word undefined as the token".to_owned(), "undefined".to_owned()),
                        ("dots as the token".to_owned(), "..".to_owned()),
                        ("a token that is no base64url".to_owned(), "%%%.@@@.!!!".to_owned()),
                        ("a token of one letter in each part".to_owned(), "a.b.c".to_owned()),
                        // Parts that are JSON, but no objects: [], null, 0 and a text.
                        ("a token whose header is an array".to_owned(), "W10.e30.AAAA".to_owned()),
                        ("a token whose header is null".to_owned(), "bnVsbA.e30.AAAA".to_owned()),
                        ("a token whose header is a number".to_owned(), "MA.e30.AAAA".to_owned()),
                        (
                            "a token whose claims are an array".to_owned(),
                            "eyJhbGciOiJIUzI1NiJ9.W10.AAAA".to_owned(),
                        ),
                        (
                            "a token whose claims are a text".to_owned(),
                            "eyJhbGciOiJIUzI1NiJ9.IiI.AAAA".to_owned(),
                        ),
                        (
                            "a token whose algorithm is an object".to_owned(),
                            "eyJhbGciOnt9fQ.e30.AAAA".to_owned(),
                        ),
                        ("a token whose parts are no JSON".to_owned(), "AAAA.BBBB.CCCC".to_owned()),
                        ("a token of 6,000 letters".to_owned(), "a".repeat(6_000)),
                        ("a token of 2,000 dots".to_owned(), ".".repeat(2_000)),
                        (
                            "a token cut in half".to_owned(),
                            token.get(..token.len() / 2).unwrap_or_default().to_owned(),
                        ),
                    ]
                })
            },
        )
        .family("token-unread", 1);
    checks
        .add(
            Group::Token,
            "what anybody knows of an account is no token",
            &["common.token.garbage", "common.refresh.token-needed"],
            |cx| {
                if Door::all(cx).is_empty() {
                    first_sink(cx)?;
                }
                for door in Door::all(cx) {
                    let actor = cx.actor()?;
                    let attempt = cx.attempt(&actor)?;
                    let answer = cx.send_attempt(&attempt)?;
                    cx.control(&answer, "a login with everything right")?;
                    let session = Context::session_of(&actor, answer);
                    let token = door.token(&session);
                    for (what, known) in anybody_knows(&attempt) {
                        if known != token {
                            let answer = door.knock(cx, &session, &known)?;
                            cx.must_refuse(
                                &answer,
                                &format!("asked {} with {what} as the token", door.name()),
                            )?;
                        }
                    }
                }
                Ok(())
            },
        )
        .family("token-unread", 1);
    checks
        .add(
            Group::Token,
            "a changed token is refused",
            &["common.token.signature", "common.refresh.signature"],
            |cx| {
                refuse_all(cx, |_, token| {
                    let middle = token.len() / 2;
                    vec![
                        (
                            "a token with a character in its middle changed".to_owned(),
                            change_at(token, middle),
                        ),
                        (
                            "a token with a character near its end changed".to_owned(),
                            change_at(token, token.len().saturating_sub(8)),
                        ),
                        (
                            // The very last one may hold bits that mean nothing.
                            "a token with its last character but one changed".to_owned(),
                            change_at(token, token.len().saturating_sub(2)),
                        ),
                        (
                            "a token with the first character of its last part changed".to_owned(),
                            change_at(token, token.rfind('.').map_or(0, |dot| dot + 1)),
                        ),
                        (
                            "a token with its last part reversed".to_owned(),
                            token.rsplit_once('.').map_or_else(
                                || token.chars().rev().collect(),
                                |(input, last)| format!("{input}.{}", last.chars().rev().collect::<String>()),
                            ),
                        ),
                        (
                            "a token with the letter case of its signature swapped".to_owned(),
                            signature_swapped(token),
                        ),
                        (
                            "a token with characters cut off its end".to_owned(),
                            token.get(..token.len().saturating_sub(6)).unwrap_or_default().to_owned(),
                        ),
                    ]
                })
            },
        )
        .family("token-unread", 2);
}

/// What is no secret around a login, and words that a careless comparison takes for a token.
fn anybody_knows(attempt: &Attempt) -> Vec<(&'static str, String)> {
    let actor = &attempt.actor;
    let mut known = vec![
        ("the account's name", actor.identifier.clone()),
        ("the account's name in base64", BASE64.encode(actor.identifier.as_bytes())),
        ("the wallet's address", actor.wallet.lower_address()),
        ("the wallet's address with its checksum", actor.wallet.address()),
        ("the word test", "test".to_owned()),
        ("the word admin", "admin".to_owned()),
        ("the word true", "true".to_owned()),
        ("an asterisk", "*".to_owned()),
        ("a percent sign", "%".to_owned()),
        ("zero", "0".to_owned()),
    ];
    known.extend(attempt.challenge.clone().map(|challenge| ("the challenge of the login", challenge)));
    known
}

/// The token with capitals for small letters in its last part, and the reverse. What has no parts may be hex, in which case
/// means nothing.
fn signature_swapped(token: &str) -> String {
    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    token.rsplit_once('.').map_or_else(
        || token.to_owned(),
        |(input, last)| format!("{input}.{}", last.chars().map(swap).collect::<String>()),
    )
}

/// The token with another character of its alphabet at a place or near it; dots stay, and so does the last character, some
/// bits of which may mean nothing (RFC 4648 section 3.5).
fn change_at(token: &str, at: usize) -> String {
    let plain = |index: &usize| token.as_bytes().get(*index).is_some_and(u8::is_ascii_alphanumeric);
    let last = token.len().saturating_sub(1);
    let at = (at..last).chain((0..at.min(last)).rev()).find(plain).unwrap_or(0);
    token
        .char_indices()
        .map(|(index, c)| {
            if index != at {
                return c;
            }
            match c {
                'A'..='Y' | 'a'..='y' | '0'..='8' => char::from_u32(c as u32 + 1).unwrap_or('x'),
                _ => 'a',
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_token_keeps_its_form() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
        assert_eq!(change_at("eyJ.e30.abc-_Q", 12), "eyJ.e30.abd-_Q");
        for at in [0, 10, 20, token.len() - 8, token.len() - 2] {
            let changed = change_at(token, at);
            assert_ne!(changed, token);
            assert_eq!(changed.matches('.').count(), 2);
            assert_eq!(changed.len(), token.len());
        }
        assert!(signature_swapped(token).ends_with(".C2LNBMf0DxjL"));
        assert_eq!(signature_swapped("00ff"), "00ff");
    }
}
