//! JSON read strictly: one document, no member twice, no depth to speak of. And written, without a look at every byte.
//!
//! RFC 8259 leaves duplicate names to the reader, and readers differ; whoever checks one and acts on another is fooled.

use crate::scan::is_plain;
use serde::Serialize;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Levels of objects and arrays a document may have. Login bodies have one or two.
pub(crate) const DEPTH: usize = 16;

/// Reads one document and nothing after it but white space.
///
/// # Errors
/// What is wrong, without quoting the document: syntax, encoding, a byte order mark, a member given twice, trailing
/// bytes, a number out of range, too much depth.
pub(crate) fn strict(bytes: &[u8]) -> Result<Value, JsonError> {
    strict_text(utf8(bytes)?, Level(DEPTH))
}

/// The text that these bytes are.
///
/// # Errors
/// They are no UTF-8.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, JsonError> {
    std::str::from_utf8(bytes).map_err(|error| JsonError::not_utf8(&bytes[..error.valid_up_to()]))
}

/// Reads one document and nothing after it but white space, as what the seed makes of it. What is below must be read with
/// [`Level`]s, or be as strict. Takes text, so that all of it is known to be UTF-8: serde_json would look at each piece.
///
/// # Errors
/// As [`strict`].
pub(crate) fn strict_text<'de, S>(text: &'de str, seed: S) -> Result<S::Value, JsonError>
where
    S: DeserializeSeed<'de>,
{
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer).map_err(JsonError::from)?;
    deserializer.end().map_err(JsonError::from)?;
    Ok(value)
}

/// Bytes that most answers and claims fit in.
pub(crate) const USUAL: usize = 768;

/// A value as serde_json writes it.
pub(crate) fn written(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL);
    write(&mut out, value);
    out
}

/// Writes a value, as serde_json does.
pub(crate) fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                write(out, item);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (number, (name, value)) in members.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                write_text(out, name);
                out.push(b':');
                write(out, value);
            }
            out.push(b'}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => by_serde(out, value),
    }
}

/// Writes a text. Most have nothing to escape, tokens among them, which are long: whether that is so is found without a
/// branch for each byte, so for many at once, where serde_json looks at each.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    if !is_plain(text.as_bytes()) {
        return by_serde(out, text);
    }
    // Room is asked for once.
    out.reserve(text.len() + 2);
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// Texts, numbers and words, of which serde_json can write each to memory.
pub(crate) fn by_serde(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let length = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        // If it could not, half of it would be worse than nothing.
        out.truncate(length);
        out.extend_from_slice(b"null");
    }
}

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line} column {column}")]
pub(crate) struct JsonError {
    what: &'static str,
    line: usize,
    column: usize,
}

impl JsonError {
    /// What comes after these bytes is no UTF-8.
    fn not_utf8(before: &[u8]) -> Self {
        let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        Self { what: "no UTF-8", line: lines + 1, column: line.len() + 1 }
    }
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Data if error.to_string().starts_with(TWICE) => TWICE,
            serde_json::error::Category::Data => TOO_DEEP,
            serde_json::error::Category::Eof => "the document ends early",
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "no JSON",
        };
        Self { what, line: error.line(), column: error.column() }
    }
}

/// What is said of a member that is given twice.
pub(crate) const TWICE: &str = "a member is given twice";
const TOO_DEEP: &str = "too much depth";

/// Levels that are left. Reads a value that has no more.
#[derive(Clone, Copy)]
pub(crate) struct Level(usize);

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Level {
    /// For a member of the document.
    pub(crate) const MEMBER: Self = Self(DEPTH - 1);

    fn below<E: de::Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom(TOO_DEEP))
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(below)?;
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(bytes: &[u8]) -> &'static str {
        strict(bytes).expect_err("must be refused").what
    }

    #[test]
    fn good_documents_are_read_as_serde_json_reads_them() {
        for text in
            ["{}", " {\"a\":[1,-2,3.5,true,null,\"\\u00e9\"]} \n", "\"x\"", "{\"a\":{\"b\":{\"a\":1}}}"]
        {
            assert_eq!(
                strict(text.as_bytes()).unwrap(),
                serde_json::from_str::<Value>(text).unwrap(),
                "{text}"
            );
        }
    }

    #[test]
    fn members_given_twice_are_refused_at_any_level_and_however_written() {
        for text in ["{\"a\":1,\"a\":2}", "{\"x\":{\"a\":1,\"a\":1}}", "[{\"a\":1,\"\\u0061\":2}]"] {
            assert_eq!(refused(text.as_bytes()), TWICE, "{text}");
        }
    }

    #[test]
    fn what_is_no_single_document_is_refused() {
        let bad: [&[u8]; 14] = [
            b"",
            b"{",
            b"{} {}",
            b"{}x",
            b"\xef\xbb\xbf{}",
            b"\xff\xfe{\0}\0",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":\"\xc0\x80\"}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":NaN}",
            b"{\"a\":1e999}",
            b"{\"a\":1,}",
            b"{/**/}",
            b"{'a':1}",
        ];
        for bytes in bad {
            assert!(strict(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(strict(nested(DEPTH).as_bytes()).is_ok());
        assert_eq!(refused(nested(DEPTH + 1).as_bytes()), TOO_DEEP);
        assert!(strict("[".repeat(60_000).as_bytes()).is_err());
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = || prop_oneof!["[ -~]{0,80}", ".{0,8}", any::<String>()];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text(), inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_serde_json_writes(value in value()) {
            let mut out = Vec::new();
            write(&mut out, &value);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
