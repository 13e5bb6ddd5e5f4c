//! Keys that anybody would try: a list of common ones, and what can be computed from it, from the scheme and from the host.

use countersign_spec::Scheme;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use std::borrow::Cow;
use std::fmt;

const LIST: &str = include_str!("common_keys.txt");

/// A key and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) bytes: Cow<'static, [u8]>,
    origin: Origin,
}

/// Words are made of it only for the one key that is found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Nothing,
    Text,
    Recoded(Cow<'static, str>, &'static str),
    Repeated(u8, usize),
}

impl Key {
    /// A key that is text.
    pub(super) fn text(text: Cow<'static, str>) -> Self {
        let bytes = match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Self { bytes, origin: Origin::Text }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Nothing => write!(f, "no key at all"),
            Origin::Text => write!(f, "`{}`", String::from_utf8_lossy(&self.bytes)),
            Origin::Recoded(text, how) => write!(f, "`{text}` {how}"),
            Origin::Repeated(byte, 1) => write!(f, "the single byte 0x{byte:02x}"),
            Origin::Repeated(byte, times) => write!(f, "the byte 0x{byte:02x}, {times} times"),
        }
    }
}

/// The keys of the list, in its order.
pub(super) fn listed() -> impl Iterator<Item = &'static str> {
    LIST.lines().filter(|line| !line.is_empty() && *line != "#" && !line.starts_with("# "))
}

/// Every key to try against tokens of a scheme, served at a host: the likely ones first.
pub(super) fn candidates(scheme: &Scheme, host: &str) -> impl Iterator<Item = Key> + use<> {
    let named: Vec<Cow<'static, str>> =
        named_after(&words(scheme, host)).into_iter().map(Cow::Owned).collect();
    let texts = named.clone().into_iter().chain(listed().map(Cow::Borrowed));
    let again = named.into_iter().chain(listed().map(Cow::Borrowed));
    texts.map(Key::text).chain(again.flat_map(recoded)).chain(regular())
}

/// What a scheme and its host are called.
fn words(scheme: &Scheme, host: &str) -> Vec<String> {
    /// Words that name nobody.
    const GENERAL: [&str; 8] = ["user", "login", "com", "org", "net", "www", "the", "localhost"];
    let title = scheme.title.split(|c: char| !c.is_alphanumeric());
    // The labels of a name; an address has none worth a guess.
    let labels = host.split('.').filter(|label| label.chars().any(char::is_alphabetic));
    let joined = scheme.title.split_whitespace().collect::<Vec<_>>().join("-");
    let mut words = Vec::new();
    for word in std::iter::once(scheme.id.as_str()).chain(title).chain(labels).chain([joined.as_str(), host])
    {
        let known = GENERAL.contains(&word.to_lowercase().as_str());
        if word.len() >= 2 && !known && !words.iter().any(|other| other == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// `swapchat`, `swapchat-secret`, `SWAPCHAT_JWT_SECRET` and their like.
fn named_after(words: &[String]) -> Vec<String> {
    const AFTER: [&str; 30] = [
        "",
        "-secret",
        "_secret",
        "secret",
        " secret",
        "Secret",
        "-jwt",
        "_jwt",
        "jwt",
        "-jwt-secret",
        "_jwt_secret",
        "-jwt-key",
        "_jwt_key",
        "-key",
        "_key",
        "key",
        "-secret-key",
        "_secret_key",
        "-token",
        "-token-secret",
        "-api",
        "-api-secret",
        "-api-key",
        "-app",
        "-dev",
        "-test",
        "123",
        "1234",
        "123456",
        "!",
    ];
    let mut named = Vec::new();
    for word in words {
        let lower = word.to_lowercase();
        let mut first = lower.chars();
        let capital: String = first.next().into_iter().flat_map(char::to_uppercase).chain(first).collect();
        let mut spellings = vec![word.clone()];
        for spelling in [lower.clone(), capital] {
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
        for spelling in spellings {
            named.extend(AFTER.iter().map(|after| format!("{spelling}{after}")));
            named.extend(
                ["secret-", "secret_", "jwt-", "jwt_", "my-"].map(|before| format!("{before}{spelling}")),
            );
        }
        let upper = lower.to_uppercase().replace(['-', '.'], "_");
        named.extend(
            ["", "_SECRET", "_JWT_SECRET", "_KEY", "_SECRET_KEY"].map(|after| format!("{upper}{after}")),
        );
    }
    named
}

/// The same key as libraries make it that take a key's text for an encoding, or encode what is none.
fn recoded(text: Cow<'static, str>) -> impl Iterator<Item = Key> {
    [
        (HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok(), "decoded from hex"),
        (Some(lenient(&text)), "decoded from base64"),
        (Some(BASE64.encode(text.as_bytes()).into_bytes()), "encoded in base64"),
    ]
    .into_iter()
    .filter_map(move |(bytes, how)| {
        let bytes = bytes.filter(|bytes| !bytes.is_empty())?;
        Some(Key { bytes: bytes.into(), origin: Origin::Recoded(text.clone(), how) })
    })
}

/// Base64 as lenient decoders read it, in either alphabet: what is no letter of it is skipped, and so are bits that are left
/// over. Where strict decoders read something, they read the same.
fn lenient(text: &str) -> Vec<u8> {
    let mut bits = 0_u32;
    let mut held = 0_u32;
    let mut bytes = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).unwrap_or_default());
        }
    }
    bytes
}

/// Nothing at all, single bytes, and one character again and again.
fn regular() -> impl Iterator<Item = Key> {
    const SEVERAL: [usize; 6] = [8, 16, 24, 32, 48, 64];
    let repeated =
        |byte, times| Key { bytes: vec![byte; times].into(), origin: Origin::Repeated(byte, times) };
    let nothing = Key { bytes: Cow::Borrowed(b""), origin: Origin::Nothing };
    let usual = (b' '..=b'~').chain([0, 1, 0xff]);
    std::iter::once(nothing)
        .chain((0..=u8::MAX).map(move |byte| repeated(byte, 1)))
        .chain(usual.flat_map(move |byte| SEVERAL.into_iter().map(move |times| repeated(byte, times))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_spec::Spec;
    use std::collections::BTreeSet;

    #[test]
    fn the_list_has_no_key_twice_and_begins_with_the_sample_key_of_a_document() {
        let keys: Vec<&str> = listed().collect();
        let distinct: BTreeSet<&str> = keys.iter().copied().collect();
        assert_eq!(distinct.len(), keys.len());
        assert!(keys.len() >= 300, "only {}", keys.len());
        assert_eq!(keys[0], "jwt-openapi-key");
        for known in ["secret key", "your-256-bit-secret", "a-string-secret-at-least-256-bits-long", "!@#$%^"]
        {
            assert!(distinct.contains(known), "{known}");
        }
        assert!(keys.iter().all(|key| key.trim() == *key && !key.contains('\r')));
    }

    #[test]
    fn candidates_are_derived_from_scheme_host_and_encodings() {
        let scheme = Spec::embedded().scheme("swapchat").unwrap();
        let all: Vec<Key> = candidates(scheme, "staging.acme-chat.example").collect();
        let has = |bytes: &[u8]| all.iter().any(|key| *key.bytes == *bytes);
        for text in [
            "changeme",
            "swapchat",
            "swapchat-secret",
            "SwapChat_jwt_secret",
            "SWAPCHAT_JWT_SECRET",
            "acme-chat-key",
            "Staging123",
            "",
        ] {
            assert!(has(text.as_bytes()), "{text}");
        }
        // `secret` is six letters of base64, and its own base64 is another key.
        assert!(has(b"\xb1\xe7\x2b\x7a") && has(b"c2VjcmV0"));
        assert!(has(&[0xde, 0xad, 0xbe, 0xef]) && has(&[0; 32]) && has(b"aaaaaaaaaaaaaaaa") && has(&[7]));
        let found = all.iter().find(|key| *key.bytes == [7; 16]).map(ToString::to_string);
        assert_eq!(found, None);
        let said = |bytes: &[u8]| all.iter().find(|key| *key.bytes == *bytes).unwrap().to_string();
        assert_eq!(said(b"changeme"), "`changeme`");
        assert_eq!(said(b"c2VjcmV0"), "`secret` encoded in base64");
        assert_eq!(said(&[0; 32]), "the byte 0x00, 32 times");
    }

    #[test]
    fn addresses_name_nobody() {
        let scheme = Spec::embedded().scheme("cbs").unwrap();
        assert_eq!(words(scheme, "127.0.0.1"), ["cbs", "CBS", "CBS-login", "127.0.0.1"]);
        assert!(!words(scheme, "localhost").contains(&"localhost".to_owned()));
    }
}
