//! A token's claims as they are read and written, without a tree of them in between: both happen with almost every
//! request, and a tree is dozens of pieces of memory.

use crate::json::{self, JsonError, Level, TWICE};
use crate::scan::special;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

macro_rules! own {
    ($($claim:ident $name:literal)*) => {
        /// A claim that the issuer writes and a scheme cannot.
        #[derive(Debug, Clone, Copy)]
        pub(super) enum Own { $($claim),* }

        /// Their names, in order.
        const RESERVED: [&str; [$($name),*].len()] = [$($name),*];
        /// The same, as they begin a member.
        const MEMBERS: [&str; RESERVED.len()] = [$(concat!("\"", $name, "\":")),*];

        impl Own {
            fn named(name: &str) -> Option<Self> {
                // A match compares lengths first.
                match name {
                    $($name => Some(Self::$claim),)*
                    _ => None,
                }
            }
        }
    };
}

own! {
    Acc "acc"
    Aud "aud"
    AuthTime "auth_time"
    Epoch "epoch"
    Exp "exp"
    Gen "gen"
    Iat "iat"
    Iss "iss"
    Jti "jti"
    Sid "sid"
    Sub "sub"
    Use "use"
}

impl Own {
    /// Where it stands in [`RESERVED`].
    const fn place(self) -> usize {
        self as usize
    }
}

/// The members of a payload: the issuer's own, and all others.
#[derive(Debug, Default)]
pub(super) struct Payload<'a> {
    own: [Option<Claim<'a>>; RESERVED.len()],
    pub(super) others: Map<String, Value>,
}

/// What an issuer's claim may be.
#[derive(Debug)]
enum Claim<'a> {
    Text(Cow<'a, str>),
    Whole(u64),
    /// Anything else, none of which an issuer writes.
    Other,
}

impl<'a> Payload<'a> {
    /// Reads the one strict JSON object that these bytes are.
    ///
    /// # Errors
    /// What keeps them from being one.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let text = json::utf8(bytes)?;
        let mut payload = Self::default();
        if payload.read_plain(text).is_none() {
            payload = Self::default();
            json::strict_text(text, PayloadSeed(&mut payload))?;
        }
        Ok(payload)
    }

    /// Reads an object of texts and whole numbers, written without white space and without anything escaped, as ours are,
    /// with a third fewer instructions than it takes to read any. Nothing where it is another.
    fn read_plain(&mut self, text: &'a str) -> Option<()> {
        let bytes = text.as_bytes();
        // The text in quotes that begins here, and where it goes on.
        let quoted = |from: usize| {
            let rest = bytes.get(from..)?.strip_prefix(b"\"")?;
            let length = special(rest)?;
            let text = text.get(from + 1..from + 1 + length)?;
            (rest[length] == b'"').then_some((text, from + length + 2))
        };
        if bytes.first() != Some(&b'{') {
            return None;
        }
        let mut at = 1;
        loop {
            let (name, after) = quoted(at)?;
            if bytes.get(after) != Some(&b':') {
                return None;
            }
            let claim = if bytes.get(after + 1) == Some(&b'"') {
                let (text, end) = quoted(after + 1)?;
                at = end;
                Claim::Text(Cow::Borrowed(text))
            } else {
                let (number, digits) = whole(bytes.get(after + 1..)?)?;
                at = after + 1 + digits;
                Claim::Whole(number)
            };
            let twice = match Own::named(name) {
                Some(own) => self.own[own.place()].replace(claim).is_some(),
                None => self.others.insert(name.to_owned(), claim.into()).is_some(),
            };
            if twice {
                return None;
            }
            match bytes.get(at) {
                Some(b',') => at += 1,
                Some(b'}') if at + 1 == bytes.len() => return Some(()),
                // White space, or what goes on as a fraction.
                _ => return None,
            }
        }
    }

    /// One of the issuer's claims that is a text.
    pub(super) fn text(&self, own: Own) -> Option<&str> {
        match self.own(own)? {
            Claim::Text(text) => Some(text),
            _ => None,
        }
    }

    /// One of the issuer's claims that is a whole number.
    pub(super) fn whole(&self, own: Own) -> Option<u64> {
        match self.own(own)? {
            Claim::Whole(number) => Some(*number),
            _ => None,
        }
    }

    /// Whether one of the issuer's claims is there, whatever it is.
    pub(super) fn has(&self, own: Own) -> bool {
        self.own(own).is_some()
    }

    fn own(&self, own: Own) -> Option<&Claim<'a>> {
        self.own[own.place()].as_ref()
    }
}

/// A whole number at the beginning, as JSON writes it, and its digits: no more than surely fit.
fn whole(text: &[u8]) -> Option<(u64, usize)> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > 19 || (digits > 1 && text.first() == Some(&b'0')) {
        return None;
    }
    let digit = |number: u64, byte: &u8| number * 10 + u64::from(byte - b'0');
    Some((text.iter().take(digits).fold(0, digit), digits))
}

impl From<Claim<'_>> for Value {
    fn from(claim: Claim<'_>) -> Self {
        match claim {
            Claim::Text(text) => Self::String(text.into_owned()),
            Claim::Whole(number) => Self::from(number),
            Claim::Other => Self::Null,
        }
    }
}

/// Reads a [`Payload`] from one object, none of whose members is there twice. Into one that is there: it is large.
struct PayloadSeed<'p, 'de>(&'p mut Payload<'de>);

impl<'de> DeserializeSeed<'de> for PayloadSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PayloadSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self(payload) = self;
        while let Some(name) = members.next_key_seed(TextSeed)? {
            let twice = match Own::named(&name) {
                Some(own) => payload.own[own.place()].replace(members.next_value_seed(ClaimSeed)?).is_some(),
                None => {
                    let value = members.next_value_seed(Level::MEMBER)?;
                    payload.others.insert(name.into_owned(), value).is_some()
                }
            };
            if twice {
                return Err(de::Error::custom(TWICE));
            }
        }
        Ok(())
    }
}

/// A text, which is part of what is read unless it had to be unescaped.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

struct ClaimSeed;

impl<'de> DeserializeSeed<'de> for ClaimSeed {
    type Value = Claim<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Claim<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ClaimSeed {
    type Value = Claim<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claim")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Claim<'de>, E> {
        Ok(Claim::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Claim<'de>, E> {
        Ok(Claim::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Claim<'de>, E> {
        Ok(Claim::Whole(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Claim<'de>, E> {
        Ok(Claim::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Claim<'de>, E> {
        Ok(Claim::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Claim<'de>, E> {
        Ok(Claim::Other)
    }

    fn visit_unit<E>(self) -> Result<Claim<'de>, E> {
        Ok(Claim::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Claim<'de>, A::Error> {
        Level::MEMBER.visit_seq(items).map(|_| Claim::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Claim<'de>, A::Error> {
        Level::MEMBER.visit_map(members).map(|_| Claim::Other)
    }
}

/// Claims to be written, in the order of their names.
#[derive(Debug)]
pub(super) struct Written<'a> {
    own: [Option<Word<'a>>; RESERVED.len()],
    others: Vec<(&'a str, Word<'a>)>,
}

/// What is written for a claim.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word<'a> {
    Text(&'a str),
    Whole(u64),
    Value(&'a Value),
}

impl<'a> Written<'a> {
    /// Begins with the claims of a scheme.
    pub(super) fn new(claims: &'a Map<String, Value>) -> Self {
        let mut written = Self { own: [None; RESERVED.len()], others: Vec::with_capacity(claims.len() + 2) };
        for (name, value) in claims {
            written.set_named(name, Word::Value(value));
        }
        written
    }

    /// Writes one of the issuer's claims, in place of what stood there.
    pub(super) fn set(&mut self, own: Own, word: Word<'a>) {
        self.own[own.place()] = Some(word);
    }

    /// Writes a claim of any name, in place of what stood there.
    pub(super) fn set_named(&mut self, name: &'a str, word: Word<'a>) {
        if let Some(own) = Own::named(name) {
            return self.set(own, word);
        }
        match self.others.binary_search_by_key(&name, |(present, _)| present) {
            Ok(at) => self.others[at].1 = word,
            Err(at) => self.others.insert(at, (name, word)),
        }
    }

    /// As one JSON object.
    pub(super) fn json(&self) -> Vec<u8> {
        let mut others = self.others.as_slice();
        let mut out = Vec::with_capacity(json::USUAL);
        let next = |out: &mut Vec<u8>| out.push(if out.is_empty() { b'{' } else { b',' });
        let write_others = |out: &mut Vec<u8>, others: &[(&str, Word<'_>)]| {
            for (name, word) in others {
                next(out);
                json::write_text(out, name);
                out.push(b':');
                word.write(out);
            }
        };
        for ((own, member), word) in RESERVED.iter().zip(MEMBERS).zip(&self.own) {
            let Some(word) = word else { continue };
            let before = others.iter().take_while(|(name, _)| stands_before(name, own)).count();
            let (now, later) = others.split_at(before);
            write_others(&mut out, now);
            others = later;
            next(&mut out);
            out.extend_from_slice(member.as_bytes());
            word.write(&mut out);
        }
        write_others(&mut out, others);
        if out.is_empty() {
            out.push(b'{');
        }
        out.push(b'}');
        out
    }
}

/// Whether a name comes before another, which the first byte mostly says.
fn stands_before(name: &str, other: &str) -> bool {
    match (name.as_bytes().first(), other.as_bytes().first()) {
        (Some(first), Some(others)) if first != others => first < others,
        _ => name < other,
    }
}

impl Word<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Word::Text(text) => json::write_text(out, text),
            Word::Whole(number) => json::by_serde(out, number),
            Word::Value(value) => json::write(out, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn the_issuer_s_claims_are_told_from_others_and_from_what_they_may_not_be() {
        let text = r#"{"sub":"a\u0062","jti":"","exp":7,"iat":-1,"gen":1.5,"sid":["x"],"use":null,"x":{"sub":1},"nbf":3}"#;
        let payload = Payload::read(text.as_bytes()).unwrap();
        assert_eq!(
            (payload.text(Own::Sub), payload.text(Own::Jti), payload.text(Own::Exp)),
            (Some("ab"), Some(""), None)
        );
        assert_eq!(
            (payload.whole(Own::Exp), payload.whole(Own::Iat), payload.whole(Own::Sub)),
            (Some(7), None, None)
        );
        assert!([Own::Gen, Own::Sid, Own::Use].iter().all(|own| payload.has(*own)) && !payload.has(Own::Aud));
        assert_eq!(Value::Object(payload.others), json!({ "x": { "sub": 1 }, "nbf": 3 }));
    }

    #[test]
    fn what_is_written_stands_in_the_order_of_names_and_the_last_word_counts() {
        let scheme = Map::from_iter([("sub".to_owned(), json!("theirs")), ("a".to_owned(), json!([1]))]);
        let mut written = Written::new(&scheme);
        for (name, word) in [
            ("sub", Word::Text("ours")),
            ("exp", Word::Whole(1)),
            ("exp", Word::Whole(2)),
            ("z", Word::Text("")),
        ] {
            written.set_named(name, word);
        }
        assert_eq!(written.json(), br#"{"a":[1],"exp":2,"sub":"ours","z":""}"#);
        assert_eq!(Written::new(&Map::new()).json(), b"{}");
    }

    #[test]
    fn every_claim_of_the_issuer_has_a_place_of_its_own() {
        for (number, name) in RESERVED.iter().enumerate() {
            assert_eq!(Own::named(name).map(Own::place), Some(number), "{name}");
        }
        assert!(RESERVED.is_sorted(), "they are written in this order");
        assert!(Own::named("nbf").is_none());
    }

    /// Any text of the pieces that JSON is made of, and objects of members that may be right.
    fn documents() -> impl Strategy<Value = String> {
        const PIECES: &[&str] = &[
            "{",
            "}",
            "\"sub\":",
            "\"sub\":1",
            "\"s\\u0075b\":\"x\"",
            "\"x\":",
            "\"x\":[1]",
            ",",
            "{\"a\":1}",
            "{\"a\":1,\"a\":1}",
            "[",
            "]",
            "1",
            "\"\"",
            "1e999",
            "null",
            " ",
            "[[[[[[[[[[[[[[[[",
            "]]]]]]]]]]]]]]]]",
        ];
        const NAMES: &[&str] = &["sub", "exp", "s\\u0075b", "x", "ü", "", "\n", "sub\\"];
        const VALUES: &[&str] = &[
            "\"\"",
            "\"ü\"",
            "\"a\\n\"",
            "\"a\tb\"",
            "\"",
            "0",
            "7",
            "01",
            "-1",
            "1.5",
            "1e3",
            "18446744073709551615",
            "18446744073709551616",
            "9999999999999999999",
            "00000000000000000001",
            " 1",
            "1 ",
            "null",
            "{}",
            "[1]",
            "",
        ];
        let member = (prop::sample::select(NAMES), prop::sample::select(VALUES));
        let objects = prop::collection::vec(member, 0..4).prop_map(|members| {
            let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", members.join(","))
        });
        let any =
            prop::collection::vec(prop::sample::select(PIECES), 0..8).prop_map(|pieces| pieces.concat());
        prop_oneof![any, objects]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// A payload is refused exactly where the strict reader of whole documents refuses, or finds no object; and what
        /// is read is the same, whichever way it is read.
        #[test]
        fn what_is_strict_is_one_question_however_it_is_read(text in documents()) {
            let whole = json::strict(text.as_bytes()).ok().filter(Value::is_object);
            let payload = Payload::read(text.as_bytes());
            prop_assert_eq!(whole.is_some(), payload.is_ok(), "{}", text);
            let mut slowly = Payload::default();
            let read = json::strict_text(&text, PayloadSeed(&mut slowly));
            prop_assert_eq!(read.is_ok(), payload.is_ok(), "{}", text);
            if let Ok(payload) = payload {
                prop_assert_eq!(format!("{payload:?}"), format!("{slowly:?}"), "{}", text);
            }
        }

        /// What the issuer writes is read the short way, unless a scheme wrote more than texts and numbers into it.
        #[test]
        fn what_is_written_plainly_is_read_plainly(id in "[-_a-zA-Z0-9]{1,20}", name in "[b-d]", number: u64) {
            let scheme = Map::from_iter([(name, Value::from(id.as_str()))]);
            let mut written = Written::new(&scheme);
            written.set(Own::Sub, Word::Text(&id));
            written.set(Own::Exp, Word::Whole(number % 10_000_000_000));
            let text = String::from_utf8(written.json()).unwrap();
            let mut payload = Payload::default();
            prop_assert!(payload.read_plain(&text).is_some(), "{}", text);
            prop_assert_eq!(payload.text(Own::Sub), Some(id.as_str()));
        }
    }
}
