//! Challenges that are almost the given one, and a used one under another signature.

use super::ways::ways;
use crate::check::{Checks, Group};
use crate::finding::Stop;
use crate::wallet;
use countersign_spec::{Level, Role};
use data_encoding::HEXLOWER;
use serde_json::json;

/// Adds the checks of neighbours, other spellings and twins.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks
        .add(Group::Challenge, "a neighbour of a challenge is refused", &["common.challenge.altered"], |cx| {
            for way in ways(cx)? {
                let me = cx.actor()?;
                let given = cx.challenge(&me)?;
                for (what, other) in neighbours(&given) {
                    let answer = way.send(cx, &me, &other)?;
                    let did = format!("signed {what} in place of the challenge{}", way.said);
                    cx.must_refuse(&answer, &did)?;
                }
            }
            Ok(())
        })
        .family("challenge", 1);
    checks
        .add(
            Group::Challenge,
            "a challenge in another spelling is refused",
            &["common.challenge.altered"],
            |cx| {
                let me = cx.actor()?;
                for index in 0..spellings("a0").len() {
                    let given = cx.challenge(&me)?;
                    let (what, other) = spellings(&given).swap_remove(index);
                    if other == given {
                        continue;
                    }
                    let attempt = cx.attempt_with(&me, Some(other));
                    let answer = cx.send_attempt(&attempt)?;
                    cx.must_refuse(&answer, &format!("signed the challenge {what}"))?;
                }
                Ok(())
            },
        )
        // Some databases compare text so; nobody gains by it.
        .at_most(Level::May)
        .family("challenge", 2);
    checks
        .add(
            Group::Challenge,
            "a used challenge under the twin of its signature is refused",
            &["common.challenge.single-use"],
            |cx| {
                for way in ways(cx)? {
                    let me = cx.actor()?;
                    let attempt = way.attempt(cx, &me, None)?;
                    let (operation, mut draft) = cx.write_attempt(&attempt)?;
                    let first = cx.send(operation, &draft)?;
                    cx.control(&first, "the first login with the challenge")?;
                    let Some(field) = operation.request_field(Role::Signature) else {
                        return Err(Stop::NotApplicable("no signature is sent".to_owned()));
                    };
                    let text = draft.text(&field.at).unwrap_or_default();
                    let bytes = HEXLOWER.decode(text.trim_start_matches("0x").as_bytes()).unwrap_or_default();
                    let Ok(bytes) = <[u8; 65]>::try_from(bytes) else {
                        return Err(Stop::NotApplicable("the signature has no twin".to_owned()));
                    };
                    draft.set(&field.at, json!(wallet::signature_hex(&wallet::high_s_twin(&bytes))));
                    let second = cx.send(operation, &draft)?;
                    let did = format!("sent a login again with the high-s twin of its signature{}", way.said);
                    cx.must_refuse(&second, &did)?;
                }
                Ok(())
            },
        )
        .family("challenge-use", 1);
}

/// What somebody guesses who has seen a challenge. A text that holds the whole challenge is no guess: clients sign such texts.
fn neighbours(given: &str) -> Vec<(&'static str, String)> {
    let mut near = vec![
        ("nothing", String::new()),
        ("its last digit", given.chars().next_back().into_iter().collect()),
        ("the challenge reversed", given.chars().rev().collect()),
        ("10,000 digits", "0".repeat(10_000)),
    ];
    for (what, up) in [("the next number", true), ("the number before", false)] {
        if let Some(other) = step(given, up) {
            near.push((what, other));
        }
    }
    near.retain(|(_, other)| other != given);
    near
}

/// The text as a hexadecimal number, one more or one less; `None` where it is none.
fn step(given: &str, up: bool) -> Option<String> {
    let mut digits: Vec<char> = given.chars().collect();
    for place in digits.iter_mut().rev() {
        let value = place.to_digit(16)?;
        let (next, carry) = match (value, up) {
            (15, true) => (0, true),
            (value, true) => (value + 1, false),
            (0, false) => (15, true),
            (value, false) => (value - 1, false),
        };
        let digit = char::from_digit(next, 16)?;
        *place = if place.is_ascii_uppercase() { digit.to_ascii_uppercase() } else { digit };
        if !carry {
            break;
        }
    }
    Some(digits.into_iter().collect())
}

fn spellings(given: &str) -> Vec<(&'static str, String)> {
    let wide = |digit: char| digit.to_digit(10).and_then(|number| char::from_u32(0xff10 + number));
    vec![
        ("in upper case", given.to_ascii_uppercase()),
        ("in full-width digits", given.chars().map(|digit| wide(digit).unwrap_or(digit)).collect()),
        ("in Arabic digits", {
            let arabic = |digit: char| digit.to_digit(10).and_then(|number| char::from_u32(0x660 + number));
            given.chars().map(|digit| arabic(digit).unwrap_or(digit)).collect()
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_a_number_are_one_away() {
        assert_eq!(step("00ff", true).unwrap(), "0100");
        assert_eq!(step("0100", false).unwrap(), "00ff");
        assert_eq!(step("AF", true).unwrap(), "B0");
        assert_eq!(step("xyz", true), None);
    }

    #[test]
    fn other_spellings_differ() {
        assert!(spellings("a0").iter().all(|(_, other)| other != "a0"));
    }
}
