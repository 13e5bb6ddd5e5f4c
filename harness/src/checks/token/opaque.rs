//! Tokens that nobody can read must not be ones that anybody can guess: a hash of a name, a name and a time, a number.

use crate::actor::Actor;
use crate::chance::{changing_bits, least_bits};
use crate::check::{Checks, Group};
use crate::context::{Context, Session};
use crate::exchange::cut;
use crate::finding::Stop;
use crate::jwt::Jwt;
use countersign_spec::ProofKind;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, HEXLOWER_PERMISSIVE};
use md5::Md5;
use sha2::{Digest, Sha256, Sha512};
use std::collections::{BTreeSet, HashMap};

/// Logins whose tokens are laid side by side.
const SAMPLE: usize = 16;
/// Fewer tokens that differ say nothing of chance.
const FEWEST: usize = 8;
/// Chance that a sample of this size surely shows where 64 bits are in it; the standard asks for 128.
const ENOUGH: f64 = 24.0;
/// Numbers that a counter may have reached.
const COUNTED: u32 = 3_000;
/// Seconds around now that a token may have been made of.
const AROUND: u64 = 3;

/// Adds the check of tokens that cannot be read.
pub(super) fn add(checks: &mut Checks<'_>) {
    checks.add(
        Group::Token,
        "a token that cannot be read cannot be guessed",
        &["common.token.unguessable"],
        |cx| {
            let mut seen: [Vec<String>; 2] = [Vec::new(), Vec::new()];
            let mut opaque = false;
            for turn in 0..SAMPLE {
                // Where every wallet is welcome each login is somebody else's.
                let actor = if cx.scheme.proof.kind == ProofKind::Eip191 && turn > 1 {
                    cx.other_actor()?
                } else {
                    cx.actor()?
                };
                let (session, challenge) = with_challenge(cx, &actor)?;
                let known = Known::of(cx, &actor, challenge);
                for (which, token) in seen.iter_mut().zip([&session.access, &session.refresh]) {
                    let Some(token) = token.as_ref().filter(|token| Jwt::read(token).is_none()) else {
                        continue;
                    };
                    opaque = true;
                    if let Some(made) = known.maker(token) {
                        let did = "logged in and looked at the token";
                        let got = format!("the token is {made}, which anybody can write");
                        let expected = "a token that nothing known tells";
                        cx.found_in(did, expected, &got, std::slice::from_ref(&session.answer.exchange))?;
                        continue;
                    }
                    which.push(token.clone());
                }
                if !opaque {
                    let reason = "every token of the login is a JWT, which is signed and may be read";
                    return Err(Stop::NotApplicable(reason.to_owned()));
                }
            }
            seen.iter().try_for_each(|tokens| judge(cx, tokens))
        },
    );
}

fn with_challenge<'t>(cx: &mut Context<'t>, actor: &Actor) -> Result<(Session<'t>, Option<String>), Stop> {
    let attempt = cx.attempt(actor)?;
    let answer = cx.send_attempt(&attempt)?;
    cx.control(&answer, "a login with everything right")?;
    Ok((Context::session_of(actor, answer), attempt.challenge))
}

/// Tokens that differ must differ by chance. That an account has the same one at each login is a server's right.
fn judge(cx: &Context<'_>, tokens: &[String]) -> Result<(), Stop> {
    if tokens.iter().collect::<BTreeSet<_>>().len() < FEWEST {
        return Ok(());
    }
    let bits = least_bits(tokens).min(changing_bits(tokens));
    if bits >= ENOUGH {
        return Ok(());
    }
    let shown: Vec<String> =
        tokens.iter().take(3).map(|token| format!("`{}`", shape(token, tokens))).collect();
    let got = format!(
        "only about {bits:.0} bits of {} tokens in a row are left to guess, as in {}",
        tokens.len(),
        shown.join(", ")
    );
    let did = format!("logged in {SAMPLE} times and compared the tokens");
    let exchanges: Vec<_> = cx.log.iter().rev().take(2).rev().cloned().collect();
    cx.found_in(&did, "tokens with at least 128 bits of chance", &got, &exchanges)
}

/// A token with a dot for each character that all have in common, so that what changes is seen and no token is told.
fn shape(token: &str, all: &[String]) -> String {
    let same = |at: usize, byte: u8| all.iter().all(|other| other.as_bytes().get(at) == Some(&byte));
    let shown =
        token.bytes().enumerate().map(|(at, byte)| if same(at, byte) { '.' } else { char::from(byte) });
    cut(&shown.collect::<String>(), 80)
}

/// What anybody may know around a login, by its bytes and by their hashes.
struct Known {
    made: HashMap<Vec<u8>, String>,
    names: Vec<String>,
}

impl Known {
    fn of(cx: &Context<'_>, actor: &Actor, challenge: Option<String>) -> Self {
        let lower = actor.wallet.lower_address();
        let mut names: Vec<(&str, String)> = match cx.scheme.proof.kind {
            ProofKind::Secret => Vec::new(),
            _ => vec![
                ("the wallet's address without 0x", lower.trim_start_matches("0x").to_owned()),
                ("the wallet's address with its checksum", actor.wallet.address()),
                ("the wallet's address", lower),
            ],
        };
        if cx
            .scheme
            .operations
            .iter()
            .any(|one| one.request_field(countersign_spec::Role::Identifier).is_some())
        {
            names.push(("the account's name", actor.identifier.clone()));
        }
        let mut texts: Vec<(String, String)> = Vec::new();
        let now = cx.target.now().as_secs();
        let seconds = now.saturating_sub(AROUND)..=now + AROUND;
        for (what, name) in &names {
            texts.push(((*what).to_owned(), name.clone()));
            for second in seconds.clone() {
                for between in ["", ":", "-", "_", "|", "."] {
                    texts.push((format!("{what} and the time"), format!("{name}{between}{second}")));
                }
            }
        }
        texts.extend(challenge.map(|challenge| ("the challenge".to_owned(), challenge)));
        texts.extend(seconds.map(|second| ("the time".to_owned(), second.to_string())));
        texts.extend((0..COUNTED).map(|number| (format!("the number {number}"), number.to_string())));
        let mut made = HashMap::new();
        for (what, text) in texts {
            for (hash, bytes) in hashes(text.as_bytes()) {
                made.insert(bytes, format!("the {hash} of {what}"));
            }
            made.insert(text.into_bytes(), what);
        }
        Self { made, names: names.into_iter().map(|(_, name)| name).filter(|name| name.len() >= 4).collect() }
    }

    /// What a token was made of, if of something known.
    fn maker(&self, token: &str) -> Option<String> {
        let behind = token.rsplit(['_', '.', ':', '|', '-']).next().filter(|part| part.len() >= 16);
        for text in [Some(token), behind].into_iter().flatten() {
            for bytes in readings(text) {
                if let Some(made) = self.made.get(&bytes) {
                    return Some(made.clone());
                }
                let Ok(read) = String::from_utf8(bytes) else { continue };
                if self.names.iter().any(|name| is_name_and_number(&read, name)) {
                    return Some("the account's name and a number".to_owned());
                }
            }
        }
        None
    }
}

/// Whether nothing but digits and what stands between them is left of a text without a name.
fn is_name_and_number(text: &str, name: &str) -> bool {
    let Some((before, after)) = text.split_once(name) else { return false };
    let rest = || before.chars().chain(after.chars());
    rest().all(|c| c.is_ascii_digit() || c.is_ascii_punctuation() || c == ' ')
        && rest().filter(char::is_ascii_digit).count() <= 16
}

fn hashes(text: &[u8]) -> [(&'static str, Vec<u8>); 5] {
    let sha1 = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text);
    [
        ("MD5 hash", Md5::digest(text).to_vec()),
        ("SHA-1 hash", sha1.as_ref().to_vec()),
        ("SHA-256 hash", Sha256::digest(text).to_vec()),
        ("SHA-512 hash", Sha512::digest(text).to_vec()),
        ("Keccak-256 hash", sha3::Keccak256::digest(text).to_vec()),
    ]
}

/// The bytes that a text may stand for: its own, and those it holds as hex or base64.
fn readings(text: &str) -> Vec<Vec<u8>> {
    let bytes = text.as_bytes();
    let mut readings = vec![bytes.to_vec()];
    for encoding in [&HEXLOWER_PERMISSIVE, &BASE64, &BASE64_NOPAD, &BASE64URL, &BASE64URL_NOPAD] {
        readings.extend(encoding.decode(bytes));
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn known() -> Known {
        let name = "alice".to_owned();
        let mut made = HashMap::new();
        for (hash, bytes) in hashes(name.as_bytes()) {
            made.insert(bytes, hash.to_owned());
        }
        Known { made, names: vec![name] }
    }

    #[test]
    fn tokens_made_of_a_name_are_told() {
        let md5 = HEXLOWER.encode(&Md5::digest(b"alice"));
        for token in [
            md5.clone(),
            format!("tok_{md5}"),
            BASE64URL_NOPAD.encode(&Sha256::digest(b"alice")),
            "alice:1700000000".to_owned(),
            BASE64.encode(b"alice-1700000000"),
            "17-alice".to_owned(),
        ] {
            assert!(known().maker(&token).is_some(), "{token}");
        }
    }

    #[test]
    fn chance_beside_a_name_is_chance() {
        for token in [
            "9f86d081884c7d659a2feaa0c55ad015",
            "alice:9f86d081884c7d659a2feaa0c55ad015",
            "alice-48151623421234567890123456",
            "",
        ] {
            assert_eq!(known().maker(token), None, "{token}");
        }
    }

    #[test]
    fn what_tokens_have_in_common_is_not_shown() {
        let all = ["abc1x".to_owned(), "abc2x".to_owned()];
        assert_eq!(shape(&all[0], &all), "...1.");
    }
}
