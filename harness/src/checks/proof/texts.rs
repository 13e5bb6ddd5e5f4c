//! What exactly is signed: the whole text, prefixed and hashed as EIP-191 says.

use super::refuse;
use crate::check::{Checks, Group};
use crate::finding::Stop;
use crate::wallet::SignAs;
use countersign_spec::{Level, Role};
use serde_json::json;

/// Adds the checks of other texts and of other ways to sign the right one.
pub(super) fn add(checks: &mut Checks<'_>) {
    let bare = checks.scheme.proof.text.as_ref().is_some_and(|text| text.template == "{challenge}");
    checks
        .add(
            Group::Proof,
            "a text changed after signing is refused",
            &["common.proof.text-is-signed"],
            |cx| {
                let actor = cx.actor()?;
                let attempt = cx.attempt(&actor)?;
                let (operation, mut draft) = cx.write_attempt(&attempt)?;
                let Some(field) = operation.request_field(Role::SignedText) else {
                    return Err(Stop::NotApplicable("the text is not sent".to_owned()));
                };
                let text = draft.text(&field.at).unwrap_or_default();
                for (index, (what, changed)) in alterations(&text).into_iter().enumerate() {
                    if changed == text {
                        continue;
                    }
                    draft.set(&field.at, json!(changed));
                    let answer = cx.send(operation, &draft)?;
                    cx.must_refuse(&answer, &format!("signed a text and sent it with {what}"))?;
                    let mut other = cx.attempt(&actor)?;
                    let (_, right) = cx.write_attempt(&other)?;
                    let right = right.text(&field.at).unwrap_or_default();
                    other.signed_text = alterations(&right).into_iter().nth(index).map(|(_, text)| text);
                    let answer = cx.send_attempt(&other)?;
                    cx.must_refuse(&answer, &format!("sent a text and signed it with {what}"))?;
                }
                Ok(())
            },
        )
        .family("signature", 1);
    local_times(checks);
    let ways: [(&str, &str, SignAs, &str); 9] = [
        (
            "a signature without the personal prefix is refused",
            "common.proof.personal-prefix",
            SignAs::Unprefixed,
            "signed the hash of the text without the EIP-191 prefix",
        ),
        (
            "a signature with a wrong length in its prefix is refused",
            "common.proof.prefix-length",
            SignAs::WrongLength,
            "signed the text with a prefix that states one byte more",
        ),
        (
            "a signature over the hash of the text is refused",
            "common.proof.prehashed",
            SignAs::Prehashed,
            "signed the hash of the text in place of the text",
        ),
        (
            "a signature over hex decoded bytes is refused",
            "common.proof.challenge-is-text",
            SignAs::HexDecoded,
            "signed the bytes that the challenge spells in hex, not its characters",
        ),
        (
            "a signature over another hash is refused",
            "common.proof.personal-prefix",
            SignAs::Sha3,
            "signed the prefixed text hashed with SHA3-256 in place of Keccak-256",
        ),
        (
            "a signature over sha256 of the text is refused",
            "common.proof.personal-prefix",
            SignAs::Sha256,
            "signed the SHA-256 hash of the text",
        ),
        (
            "a signature with the prefix of another chain is refused",
            "common.proof.personal-prefix",
            SignAs::Bitcoin,
            "signed the text with the prefix and hash of another chain",
        ),
        (
            "a signature with a foreign prefix is refused",
            "common.proof.personal-prefix",
            SignAs::OtherPrefix,
            "signed the text with the prefix of another chain and the hash of this one",
        ),
        (
            "a signature over the bytes of the text is refused",
            "common.proof.personal-prefix",
            SignAs::Raw,
            "signed the first 32 bytes of the text as if they were its hash",
        ),
    ];
    for (sentence, clause, how, did) in ways {
        if how == SignAs::HexDecoded && !bare {
            continue;
        }
        checks
            .add(Group::Proof, sentence, &[clause], move |cx| {
                refuse(cx, did, move |_, attempt| attempt.sign_as = how)
            })
            .family("signature", 1);
    }
    if !bare {
        parts(checks);
    }
    for (index, text) in checks.scheme.proof.other_texts.iter().enumerate() {
        let name = text.name.clone();
        let sentence = format!("the text of {} is accepted", spelt(&name));
        checks
            .add(Group::Proof, &sentence, &["common.flow.login-works"], move |cx| {
                let actor = cx.actor()?;
                let mut attempt = cx.attempt(&actor)?;
                attempt.form = cx.scheme.proof.other_texts.get(index).cloned();
                let answer = cx.send_attempt(&attempt)?;
                cx.must_accept(&answer, &format!("signed the text that {name} writes"))
            })
            .at_most(Level::May);
    }
}

/// Hours by which the time on a wallet's screen may be away from that of a server.
const ZONES: [i64; 3] = [-11, 6, 13];

/// A text that shows the time of its user without a zone is not held against a clock.
fn local_times(checks: &mut Checks<'_>) {
    const PLACE: &str = "issued_at_dmy";
    let shows = checks.scheme.proof.text.as_ref().is_some_and(|text| text.template.contains(PLACE));
    if !shows {
        return;
    }
    checks.add(
        Group::Proof,
        "a text with the time of any zone is accepted",
        &["common.proof.local-time"],
        |cx| {
            for hours in ZONES {
                let actor = cx.actor()?;
                let mut attempt = cx.attempt(&actor)?;
                let shown = cx.target.now().as_secs().saturating_add_signed(hours * 3_600);
                attempt.words.push((PLACE.to_owned(), crate::flow::day_month_year(shown)));
                let answer = cx.send_attempt(&attempt)?;
                cx.must_accept(
                    &answer,
                    &format!("signed a text that shows a time {hours:+} h away from UTC"),
                )?;
            }
            Ok(())
        },
    );
}

/// Texts that a careless comparison takes for the same.
fn alterations(text: &str) -> Vec<(&'static str, String)> {
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let trimmed: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    vec![
        ("a space after it", format!("{text} ")),
        ("a space before it", format!(" {text}")),
        ("a line feed after it", format!("{text}\n")),
        ("other line ends", text.replace('\n', "\r\n")),
        ("its lines joined", text.replace('\n', " ")),
        ("all its blanks squeezed", squeezed),
        ("its lines trimmed and empty ones left out", trimmed.join("\n")),
        ("its empty lines left out", text.replace("\n\n", "\n")),
        ("its spaces doubled", text.replace(' ', "  ")),
        ("upper case letters", text.to_ascii_uppercase()),
        ("lower case letters", text.to_ascii_lowercase()),
        ("a NUL and more behind it", format!("{text}\0 and more")),
        ("a space without width behind it", format!("{text}\u{200b}")),
        ("a line behind it", format!("{text}\nResources: none")),
        ("a line before it", format!("Hello.\n{text}")),
        ("its last character missing", without_last(text)),
    ]
}

fn without_last(text: &str) -> String {
    let mut characters = text.chars();
    characters.next_back();
    characters.as_str().to_owned()
}

/// A signature counts for the whole text, counted in bytes.
fn parts(checks: &mut Checks<'_>) {
    checks
        .add(
            Group::Proof,
            "a signature over a part of the text is refused",
            &["common.proof.text-is-signed"],
            |cx| {
                let actor = cx.actor()?;
                cx.log_in(&actor)?;
                let attempt = cx.attempt(&actor)?;
                let (operation, draft) = cx.write_attempt(&attempt)?;
                let field = operation.request_field(Role::SignedText);
                let text = field.and_then(|field| draft.text(&field.at)).unwrap_or_default();
                let mut parts: Vec<String> = text.lines().map(str::to_owned).collect();
                // Values behind a label: a nonce, an address, a time.
                parts.extend(
                    text.lines().filter_map(|line| line.split_once(": ").map(|(_, value)| value.to_owned())),
                );
                parts.push(
                    text.lines()
                        .next_back()
                        .map(|last| text.trim_end_matches(last).to_owned())
                        .unwrap_or_default(),
                );
                for part in parts.into_iter().filter(|part| !part.is_empty()) {
                    let mut attempt = attempt.clone();
                    attempt.signed_text = Some(part.clone());
                    let answer = cx.send_attempt(&attempt)?;
                    cx.must_refuse(&answer, &format!("signed only `{part}`"))?;
                }
                Ok(())
            },
        )
        .family("signature", 1);
    // A server that compares the URI with its own has no room for another.
    if checks.scheme.proof.judged.contains_key("uri") {
        return;
    }
    checks
        .add(
            Group::Proof,
            "a text beyond ascii is signed by its bytes",
            &["common.proof.prefix-length"],
            |cx| {
                let actor = cx.actor()?;
                for uri in [
                    "https://b\u{fc}cher.example/\u{1f511}",
                    "https://bu\u{308}cher.example/\u{212b}\u{fb01}",
                    "https://example.org/\u{200d}\u{202e}x",
                ] {
                    let mut attempt = cx.attempt(&actor)?;
                    if let Some(form) = &mut attempt.form {
                        form.template = form.template.replace("{uri}", uri);
                    }
                    let answer = cx.send_attempt(&attempt)?;
                    let did = format!("signed a text with the URI {uri}, its length counted in bytes");
                    cx.must_accept(&answer, &did)?;
                }
                Ok(())
            },
        )
        .at_most(Level::Should);
}

/// A name as words of a check's name.
fn spelt(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let spelt: String = lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' }).collect();
    spelt.split_whitespace().collect::<Vec<_>>().join(" ")
}
