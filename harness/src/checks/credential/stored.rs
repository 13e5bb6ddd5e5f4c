//! What a server keeps in place of a secret is not told to whoever tries wrong ones.

use super::enumeration::{stranger_like, wrong_secret};
use crate::check::{Checks, Group};
use crate::context::Answer;
use std::collections::BTreeSet;

/// Shorter words are codes and names, and no digests.
const LONG: usize = 20;
/// How hashes of secrets begin where they say what they are.
const FORMS: [&str; 8] = ["$argon2", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "pbkdf2", "scrypt"];

/// Adds the check of refusals.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks.add(
        Group::Credential,
        "refusals of an account repeat nothing that is kept of it",
        &["common.credential.no-stored-secrets"],
        |cx| {
            let actor = cx.actor()?;
            cx.log_in(&actor)?;
            let first = wrong_secret(cx, &actor.identifier)?;
            let second = wrong_secret(cx, &actor.identifier)?;
            let mut words: BTreeSet<String> =
                long_words(&first).intersection(&long_words(&second)).cloned().collect();
            // What stands in the refusals of others as well, or was sent, is no account's own.
            if let Ok(other) = cx.other_actor() {
                let other = long_words(&wrong_secret(cx, &other.identifier)?);
                words.retain(|word| !other.contains(word));
            }
            if words.is_empty() {
                return Ok(());
            }
            let (one, another) = (stranger_like(cx, &actor.identifier), stranger_like(cx, &actor.identifier));
            let unknown = long_words(&wrong_secret(cx, &one)?);
            let unknown_again = long_words(&wrong_secret(cx, &one)?);
            let unknown_other = long_words(&wrong_secret(cx, &another)?);
            let made_of_the_name =
                unknown.intersection(&unknown_again).any(|word| !unknown_other.contains(word));
            words.retain(|word| !unknown.contains(word) && !unknown_other.contains(word));
            if made_of_the_name {
                return Ok(());
            }
            let exchanges = [first.exchange, second.exchange];
            for word in &words {
                let got = format!("`{word}` stands in both refusals, and in none of another name");
                let did = "logged a known account in with two wrong secrets, and other names";
                let expected = "refusals that tell nothing of the account";
                cx.found_in(did, expected, &got, &exchanges)?;
            }
            Ok(())
        },
    );
}

/// Words of an answer, head and body, that may be digests: long ones in hex or base64 that were not sent.
fn long_words(answer: &Answer<'_>) -> BTreeSet<String> {
    let exchange = &answer.exchange;
    let headers = exchange.outcome.as_ref().map(|response| response.headers.as_slice()).unwrap_or_default();
    // Cookies and the like belong to a connection or a caller, not to an account.
    let told = headers.iter().filter(|(name, _)| name != "set-cookie").map(|(_, value)| value.clone());
    let sent = String::from_utf8_lossy(&exchange.request.body.bytes()).into_owned();
    let texts: Vec<String> = told.chain([exchange.text()]).collect();
    let words = texts.iter().flat_map(|text| digests(text));
    words.filter(|word| !sent.contains(word.as_str())).collect()
}

fn digests(text: &str) -> Vec<String> {
    let between = |c: char| !(c.is_ascii_alphanumeric() || "+/_-$=.,".contains(c));
    text.split(between)
        .map(|word| word.trim_matches(|c| c == '.' || c == ','))
        .filter(|word| FORMS.iter().any(|form| word.contains(form)) || is_digest(word))
        .map(str::to_owned)
        .collect()
}

/// Long hex, or long base64: letters of both cases and digits, so that no path and no compound of words is one.
fn is_digest(word: &str) -> bool {
    let bytes = word.as_bytes();
    let any = |is: fn(&u8) -> bool| bytes.iter().any(is);
    let hex =
        bytes.iter().all(u8::is_ascii_hexdigit) && any(u8::is_ascii_alphabetic) && any(u8::is_ascii_digit);
    let mixed = any(u8::is_ascii_lowercase) && any(u8::is_ascii_uppercase) && any(u8::is_ascii_digit);
    let plain = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/_-=".contains(byte));
    word.len() >= LONG && (hex || (mixed && plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_told_from_words() {
        for text in [
            "want 5f4dcc3b5aa765d61d8327deb882cf99, got 0",
            "{\"hash\":\"W6ph5Mm5Pz8GgiULbPgzG37mj9g=\"}",
            "stored $2b$10$abcdefghijklmnopqrstuv is not it",
        ] {
            assert_eq!(digests(text).len(), 1, "{text}");
        }
        for text in [
            "Benutzername oder Kennwort falsch",
            "application/json; charset=utf-8",
            "/v1/api/auth/login-attempts",
        ] {
            assert!(digests(text).is_empty(), "{text}");
        }
    }
}
