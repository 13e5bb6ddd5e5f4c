//! Secrets whose letters are not those of the right one, but become them in careless hands: cut to a byte, replaced, dropped,
//! decoded.

use super::exact::{swap_case, variants_once};
use crate::check::{Checks, Group};
use crate::need::Need;
use countersign_spec::Level;
use sha2::{Digest as _, Sha256};

/// A variant of a secret: what it is, how a shell may write it, and its text.
type Variant = (&'static str, &'static str, String);

/// Adds the checks of secrets in other characters.
pub(super) fn add(checks: &mut Checks<'_>) {
    let clause = ["common.credential.exact"];
    for (sentence, make, need) in [
        ("a secret with characters that look alike is refused", alike as fn(&str) -> Vec<Variant>, None),
        ("a secret with invisible characters is refused", invisible, None),
        ("a secret with marks that programs take out is refused", marked, None),
        ("a secret without its foreign characters is refused", foreign, Some(Need::ForeignSecret)),
        ("a secret in an encoding is refused", encoded, None),
    ] {
        need.map(|need| checks.needing(need));
        checks
            .add(Group::Credential, sentence, &clause, move |cx| variants_once(cx, make))
            .at_most(Level::Should)
            .family("secret", 1);
    }
}

/// The text with the case of its first letter swapped.
pub(super) fn first_letter_swapped(text: &str) -> String {
    let first = text.find(|c: char| c.is_ascii_alphabetic());
    text.char_indices().map(|(at, c)| if Some(at) == first { swap_case(c) } else { c }).collect()
}

/// The text with its first ASCII letter replaced by something else.
fn first_letter(text: &str, other: impl Fn(char) -> String) -> String {
    let first = text.find(|c: char| c.is_ascii_alphabetic());
    text.char_indices().map(|(at, c)| if Some(at) == first { other(c) } else { c.to_string() }).collect()
}

/// The character so many code points higher.
fn up(c: char, by: u32) -> String {
    char::from_u32(u32::from(c) + by).unwrap_or(c).to_string()
}

fn alike(secret: &str) -> Vec<Variant> {
    vec![
        (
            "the secret with letters for accented ones",
            "$PASSWORD_WITHOUT_ACCENTS",
            secret.chars().map(without_accent).collect(),
        ),
        (
            "the secret with a letter 256 code points higher",
            "$PASSWORD_WITH_ANOTHER_HIGH_BYTE",
            first_letter(secret, |c| up(c, 0x100)),
        ),
        (
            "the secret with an accent on a letter",
            "$PASSWORD_WITH_AN_ACCENT",
            first_letter(secret, |c| format!("{c}\u{301}")),
        ),
        (
            "the secret with Cyrillic letters for Latin ones that look alike",
            "$PASSWORD_WITH_CYRILLIC_LETTERS",
            secret.chars().map(cyrillic).collect(),
        ),
    ]
}

/// The letter that a fold to ASCII makes of an accented one.
pub(super) fn without_accent(c: char) -> char {
    match c {
        'à'..='å' => 'a',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        'À'..='Å' => 'A',
        'È'..='Ë' => 'E',
        'Ì'..='Ï' => 'I',
        'Ò'..='Ö' => 'O',
        'Ù'..='Ü' => 'U',
        'ñ' => 'n',
        'Ñ' => 'N',
        'ç' => 'c',
        other => other,
    }
}

/// The Cyrillic letter that looks like this one (Unicode Technical Standard 39, confusables), where there is one.
fn cyrillic(letter: char) -> char {
    const LATIN: &str = "ABCEHIJKMOPSTXaceijopsxy";
    const CYRILLIC: &str = "\u{410}\u{412}\u{421}\u{415}\u{41d}\u{406}\u{408}\u{41a}\u{41c}\u{41e}\u{420}\u{405}\u{422}\u{425}\u{430}\u{441}\u{435}\u{456}\u{458}\u{43e}\u{440}\u{455}\u{445}\u{443}";
    LATIN.chars().zip(CYRILLIC.chars()).find(|(latin, _)| *latin == letter).map_or(letter, |(_, other)| other)
}

fn invisible(secret: &str) -> Vec<Variant> {
    vec![
        (
            "the secret with a zero-width joiner in it",
            "$PASSWORD_WITH_A_JOINER",
            first_letter(secret, |c| format!("{c}\u{200d}")),
        ),
        (
            "the secret with a soft hyphen in it",
            "$PASSWORD_WITH_A_SOFT_HYPHEN",
            first_letter(secret, |c| format!("{c}\u{ad}")),
        ),
        ("the secret and a zero-width space", "${PASSWORD}\\u200b", format!("{secret}\u{200b}")),
    ]
}

/// What filters against injection, forms for telephone numbers and readers of handwriting do not see.
fn marked(secret: &str) -> Vec<Variant> {
    let within = |mark: &str| first_letter(secret, |c| format!("{c}{mark}"));
    let confused = |c: char| match c {
        '0' => 'O',
        'O' => '0',
        '1' => 'l',
        'l' | 'I' => '1',
        other => other,
    };
    vec![
        ("the secret with a hyphen more in it", "$PASSWORD_WITH_A_HYPHEN", within("-")),
        ("the secret with spaces for its hyphens", "${PASSWORD//-/ }", secret.replace('-', " ")),
        ("the secret with a quote in it", "$PASSWORD_WITH_A_QUOTE", within("'")),
        ("the secret with a double quote in it", "$PASSWORD_WITH_A_DOUBLE_QUOTE", within("\"")),
        ("the secret with a backslash in it", "$PASSWORD_WITH_A_BACKSLASH", within("\\")),
        ("the secret with a tag of HTML in it", "$PASSWORD_WITH_A_TAG", within("<b></b>")),
        (
            "the secret with 0 for O and 1 for l",
            "$PASSWORD_WITH_CONFUSED_DIGITS",
            secret.chars().map(confused).collect(),
        ),
    ]
}

fn foreign(secret: &str) -> Vec<Variant> {
    let without = |limit: u32| secret.chars().filter(|c| u32::from(*c) < limit).collect();
    vec![
        ("the secret without its characters beyond ASCII", "$PASSWORD_IN_ASCII", without(0x80)),
        (
            "the secret with question marks for characters beyond ASCII",
            "$PASSWORD_WITH_QUESTION_MARKS",
            secret.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect(),
        ),
        ("the secret without its characters beyond Latin-1", "$PASSWORD_IN_LATIN_1", without(0x100)),
        (
            "the secret with its bytes read as Latin-1",
            "$PASSWORD_BYTES_AS_LATIN_1",
            secret.bytes().map(char::from).collect(),
        ),
    ]
}

fn encoded(secret: &str) -> Vec<Variant> {
    vec![
        ("the secret with plus signs for spaces", "${PASSWORD// /+}", secret.replace(' ', "+")),
        ("the secret with %20 for spaces", "${PASSWORD// /%20}", secret.replace(' ', "%20")),
        (
            "the secret with a letter percent-encoded",
            "$PASSWORD_WITH_A_LETTER_ENCODED",
            first_letter(secret, |c| format!("%{:02X}", u32::from(c))),
        ),
        (
            "the secret with a letter as a reference of HTML",
            "$PASSWORD_WITH_A_REFERENCE",
            first_letter(secret, |c| format!("&#{};", u32::from(c))),
        ),
        // A table of hashes that was stolen would be one of secrets.
        (
            "the SHA-256 of the secret in hex",
            "$SHA256_OF_PASSWORD",
            data_encoding::HEXLOWER.encode(&Sha256::digest(secret)),
        ),
        (
            "the SHA-256 of the secret in Base64",
            "$SHA256_OF_PASSWORD_IN_BASE64",
            data_encoding::BASE64.encode(&Sha256::digest(secret)),
        ),
        ("the secret in Base64", "$PASSWORD_IN_BASE64", data_encoding::BASE64.encode(secret.as_bytes())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_replaced_once() {
        assert_eq!(first_letter_swapped("1aB"), "1AB");
        assert_eq!(first_letter("1aa", |c| up(c, 0xfee0)), "1\u{ff41}a");
        assert_eq!(encoded("a b")[2].2, "%61 b");
    }

    #[test]
    fn what_is_foreign_is_dropped_or_replaced() {
        let texts: Vec<String> = foreign("a\u{e9}\u{6e21}").into_iter().map(|(_, _, text)| text).collect();
        assert_eq!(texts[..3], ["a", "a??", "a\u{e9}"]);
        assert!(foreign("plain").iter().all(|(_, _, text)| text == "plain"));
    }
}
