//! A secret is compared whole and as sent: what only resembles it is refused.

use super::{letters, try_login};
use crate::check::{Checks, Group};
use crate::context::Context;
use crate::finding::Stop;
use crate::need::Need;
use countersign_spec::Level;
use serde_json::json;
use unicode_normalization::UnicodeNormalization as _;

/// Adds the checks of secrets and names that resemble the right ones.
pub(super) fn add(checks: &mut Checks<'_>) {
    let clause = ["common.credential.exact"];
    checks
        .add(Group::Credential, "the beginning of a secret is refused", &clause, |cx| {
            variants(cx, |secret| {
                vec![
                    ("the secret without its last character", "${PASSWORD%?}", without_last(secret)),
                    (
                        "the first eight characters of the secret",
                        "${PASSWORD:0:8}",
                        secret.chars().take(8).collect(),
                    ),
                    (
                        "the first half of the secret",
                        "$FIRST_HALF_OF_PASSWORD",
                        secret.chars().take(secret.chars().count() / 2).collect(),
                    ),
                    (
                        "the first character of the secret",
                        "${PASSWORD:0:1}",
                        secret.chars().take(1).collect(),
                    ),
                ]
            })
        })
        .family("secret", 1);
    checks
        .add(Group::Credential, "a secret with more behind it is refused", &clause, |cx| {
            variants(cx, |secret| {
                vec![
                    ("the secret and a further letter", "${PASSWORD}x", format!("{secret}x")),
                    ("the secret and a further digit", "${PASSWORD}1", format!("{secret}1")),
                    ("the secret twice", "${PASSWORD}${PASSWORD}", format!("{secret}{secret}")),
                    ("the secret, NUL and a further letter", "${PASSWORD}\\u0000x", format!("{secret}\0x")),
                ]
            })
        })
        .family("secret", 1);
    checks
        .add(Group::Credential, "a secret changed in the middle is refused", &clause, |cx| {
            variants(cx, |secret| {
                vec![
                    (
                        "the characters of the secret in reverse order",
                        "$REVERSED_PASSWORD",
                        secret.chars().rev().collect(),
                    ),
                    (
                        "the secret with two characters swapped",
                        "$PASSWORD_WITH_TWO_SWAPPED",
                        two_swapped(secret),
                    ),
                    (
                        "the secret with its last character changed",
                        "${PASSWORD%?}~",
                        format!("{}~", without_last(secret)),
                    ),
                    (
                        "the secret with its first character changed",
                        "~${PASSWORD#?}",
                        format!("~{}", secret.chars().skip(1).collect::<String>()),
                    ),
                    (
                        "the secret with a character in its middle changed",
                        "$PASSWORD_WITH_OTHER_MIDDLE",
                        middle_changed(secret),
                    ),
                ]
            })
        })
        .family("secret", 1);
    checks
        .add(Group::Credential, "a secret in another letter case is refused", &clause, |cx| {
            variants(cx, |secret| {
                vec![
                    ("the secret in upper case", "${PASSWORD^^}", secret.to_uppercase()),
                    ("the secret in lower case", "${PASSWORD,,}", secret.to_lowercase()),
                    (
                        "the secret with the case of every letter swapped",
                        "${PASSWORD~~}",
                        secret.chars().map(swap_case).collect(),
                    ),
                    (
                        "the secret with the case of its first letter swapped",
                        "$PASSWORD_WITH_OTHER_FIRST_LETTER",
                        letters::first_letter_swapped(secret),
                    ),
                ]
            })
        })
        .family("secret", 1);
    checks
        .add(Group::Credential, "a secret with white space around it is refused", &clause, |cx| {
            variants(cx, |secret| {
                vec![
                    ("the secret and a space", "${PASSWORD} ", format!("{secret} ")),
                    ("a space and the secret", " ${PASSWORD}", format!(" {secret}")),
                    ("the secret and a line feed", "${PASSWORD}\\n", format!("{secret}\n")),
                    (
                        "the secret without the white space around it",
                        "$TRIMMED_PASSWORD",
                        secret.trim().to_owned(),
                    ),
                ]
            })
        })
        .family("secret", 1);
    checks
        .needing(Need::LongSecret)
        .add(Group::Credential, "a secret cut at the limit of a hash is refused", &clause, |cx| {
            let long = longest_secret(cx);
            let Some((identifier, secret)) = long else {
                let reason = "no account of the profile has a secret of more than 72 bytes".to_owned();
                return Err(Stop::NotApplicable(reason));
            };
            let answer = try_login(cx, &json!(identifier), &json!(secret))?;
            cx.control(&answer, "a login with the long secret")?;
            let cut: String =
                secret.char_indices().take_while(|(at, c)| at + c.len_utf8() <= 72).map(|(_, c)| c).collect();
            let changed = format!("{cut}{}", cx.random_hex(8));
            cx.secrets.add(&changed, "$PASSWORD_WITH_OTHER_END");
            let answer = try_login(cx, &json!(identifier), &json!(changed))?;
            cx.must_refuse(&answer, "changed what follows the 72nd byte of the secret")
        })
        .family("secret", 1);
    checks
        .add(Group::Credential, "a secret in another unicode form is refused", &clause, |cx| {
            variants(cx, |secret| {
                let wide: String = secret.chars().map(wide).collect();
                vec![
                    ("the secret in letters of full width (NFKC)", "$PASSWORD_IN_FULL_WIDTH", wide),
                    ("the secret in decomposed characters (NFD)", "$PASSWORD_AS_NFD", secret.nfd().collect()),
                    ("the secret in composed characters (NFC)", "$PASSWORD_AS_NFC", secret.nfc().collect()),
                ]
            })
        })
        // NIST SP 800-63B and RFC 8265 have secrets normalised, OWASP ASVS has them taken as they were sent.
        .at_most(Level::May)
        .family("secret", 1);
    checks
        .add(Group::Credential, "a name in another letter case is refused", &clause, |cx| {
            let actor = cx.actor()?;
            let other: String = actor.identifier.chars().map(swap_case).collect();
            if other == actor.identifier {
                return Err(Stop::NotApplicable("the account's name has no letters".to_owned()));
            }
            let answer = try_login(cx, &json!(other), &json!(actor.password))?;
            cx.must_refuse(&answer, &format!("logged in as `{other}` for `{}`", actor.identifier))
        })
        .at_most(Level::May);
}

/// The letter in full width, which NFKC makes the same.
fn wide(letter: char) -> char {
    char::from_u32(u32::from(letter) + 0xfee0).filter(|_| letter.is_ascii_graphic()).unwrap_or(letter)
}

/// How many accounts a variant is tried on: secrets differ, and with them what a server does to them.
const ACCOUNTS: usize = 3;

/// Shows that the right secret is accepted, then demands a refusal of each variant, for every account it changes.
fn variants(
    cx: &mut Context<'_>,
    make: impl Fn(&str) -> Vec<(&'static str, &'static str, String)>,
) -> Result<(), Stop> {
    try_all(cx, false, make)
}

/// Demands a refusal of each variant, for the first account that it changes: which one that is makes no difference.
pub(super) fn variants_once(
    cx: &mut Context<'_>,
    make: impl Fn(&str) -> Vec<(&'static str, &'static str, String)>,
) -> Result<(), Stop> {
    try_all(cx, true, make)
}

fn try_all(
    cx: &mut Context<'_>,
    once: bool,
    make: impl Fn(&str) -> Vec<(&'static str, &'static str, String)>,
) -> Result<(), Stop> {
    let mut tried: Vec<&'static str> = Vec::new();
    for nth in 0..ACCOUNTS {
        let actor = match cx.nth_actor(nth) {
            Ok(actor) => actor,
            Err(stop) if nth == 0 => return Err(stop),
            Err(_) => break,
        };
        let variants: Vec<_> = make(&actor.password)
            .into_iter()
            .filter(|(_, _, secret)| *secret != actor.password && !secret.is_empty())
            .filter(|(what, _, _)| !(once && tried.contains(what)))
            .collect();
        if variants.is_empty() {
            continue;
        }
        cx.log_in(&actor)?;
        for (what, expression, secret) in variants {
            tried.push(what);
            cx.secrets.add(&secret, &expression.replace("PASSWORD", &actor.variable));
            let answer = try_login(cx, &json!(actor.identifier), &json!(secret))?;
            cx.must_refuse(&answer, &format!("logged in with {what}"))?;
        }
    }
    if tried.is_empty() {
        return Err(Stop::NotApplicable(
            "no account of the profile has a secret that this variant would change".to_owned(),
        ));
    }
    Ok(())
}

fn without_last(text: &str) -> String {
    let mut characters = text.chars();
    characters.next_back();
    characters.as_str().to_owned()
}

fn middle_changed(text: &str) -> String {
    let middle = text.chars().count() / 2;
    text.chars()
        .enumerate()
        .map(|(index, c)| if index == middle { if c == '~' { '!' } else { '~' } } else { c })
        .collect()
}

/// The text with the first pair of neighbours that differ swapped.
fn two_swapped(text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    if let Some(at) = (1..characters.len()).find(|at| characters[at - 1] != characters[*at]) {
        characters.swap(at - 1, at);
    }
    characters.into_iter().collect()
}

pub(super) fn swap_case(c: char) -> char {
    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
}

fn longest_secret(cx: &mut Context<'_>) -> Option<(String, String)> {
    use secrecy::ExposeSecret;
    let profile = cx.target.profile.schemes.get(&cx.scheme.id)?;
    let usual = profile.accounts.iter().filter(|account| account.flags.is_empty());
    let account = usual.max_by_key(|account| account.password.expose_secret().len())?;
    let secret = account.password.expose_secret().to_owned();
    (secret.len() > 72).then(|| {
        cx.secrets.add(&secret, "$LONG_PASSWORD");
        (account.identifier.clone(), secret)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_a_secret_differ_from_it() {
        let secret = "Correct-Horse";
        assert_eq!(without_last(secret), "Correct-Hors");
        assert_ne!(middle_changed(secret), secret);
        assert_eq!(middle_changed(secret).chars().count(), secret.chars().count());
        assert_eq!("Überñ".chars().map(letters::without_accent).collect::<String>(), "Ubern");
    }
}
