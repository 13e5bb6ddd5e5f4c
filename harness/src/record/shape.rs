//! What a value looks like: a token, an id, a time, something drawn by chance. Each is looked at before it is named.

use crate::jwt::Jwt;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// A time is one if it lies this near; a fixed number that looks like one is not hidden.
const NEAR: Duration = Duration::from_secs(5 * 366 * 24 * 3600);

/// The shape of a text, at this time since 1970.
#[must_use]
pub fn of_text(text: &str, now: Duration) -> Option<String> {
    jwt(text)
        .or_else(|| is_uuid(text).then(|| "uuid".to_owned()))
        .or_else(|| hex(text))
        .or_else(|| date(text, now))
        .or_else(|| {
            let digits = text.len() >= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = digits.then(|| text.parse().ok()).flatten()?;
            of_number(number, now).map(|shape| format!("{shape}, as text"))
        })
        .or_else(|| is_opaque(text).then(|| format!("opaque, {} characters", text.len())))
}

/// The shape of a number, at this time since 1970.
#[must_use]
pub fn of_number(number: f64, now: Duration) -> Option<&'static str> {
    let near = |number: f64| (number - now.as_secs_f64()).abs() < NEAR.as_secs_f64();
    match (near(number), near(number / 1000.0), number.fract() == 0.0) {
        (true, _, true) => Some("unix seconds"),
        (true, _, false) => Some("unix seconds, with fraction"),
        (_, true, _) => Some("unix milliseconds"),
        _ => None,
    }
}

/// What kind of JSON a redacted value was: a shape stands as a text also where it was a number.
#[must_use]
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(text) if is_number(text) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_number(shape: &str) -> bool {
    matches!(
        shape,
        "<unix seconds>" | "<unix seconds, with fraction>" | "<unix milliseconds>" | "<varies, number>"
    ) || shape.starts_with("<seconds, about ")
}

fn date(text: &str, now: Duration) -> Option<String> {
    let (time, shape) = if text.get(10..11) == Some("T") {
        let offset = if text.ends_with(['Z', 'z']) { "RFC 3339" } else { "RFC 3339, with offset" };
        (text.parse::<jiff::Timestamp>().ok()?, offset)
    } else if text.ends_with(" GMT") {
        // Cookies are also dated with hyphens.
        let spaced = text.replace('-', " ");
        (jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(&spaced).ok()?, "HTTP date")
    } else {
        return None;
    };
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in an f64")]
    of_number(time.as_second() as f64, now).map(|_| shape.to_owned())
}

fn jwt(text: &str) -> Option<String> {
    let jwt = Jwt::read(text)?;
    let list = |members: &Map<String, Value>, typed: bool| {
        let mut names: Vec<String> = members
            .iter()
            .map(|(name, value)| if typed { format!("{name} {}", kind(value)) } else { name.clone() })
            .filter(|name| typed || name != "alg")
            .collect();
        names.sort();
        names.join(", ")
    };
    let header = match list(&jwt.header, false) {
        none if none.is_empty() => String::new(),
        names => format!(" header: {names};"),
    };
    Some(format!("jwt {}{header} claims: {}", jwt.alg(), list(&jwt.claims, true)))
}

/// What the shape of a token says, name by name: `alg`, `header kid`, `claim exp` and what is said of each. None where it is
/// the shape of something else.
#[must_use]
pub fn jwt_parts(shape: &str) -> Option<BTreeMap<String, String>> {
    let (head, claims) = shape.strip_prefix("<jwt ")?.strip_suffix('>')?.split_once(" claims: ")?;
    let (alg, header) = head.trim_end_matches(';').split_once(" header: ").unwrap_or((head, ""));
    let names = |list: &'static str, text: &str| -> Vec<(String, String)> {
        let names = text.split(", ").filter(|name| !name.is_empty());
        let names = names.map(|name| name.rsplit_once(' ').unwrap_or((name, "there")));
        names.map(|(name, kind)| (format!("{list} {name}"), kind.to_owned())).collect()
    };
    let parts = std::iter::once(("alg".to_owned(), alg.to_owned()));
    Some(parts.chain(names("header", header)).chain(names("claim", claims)).collect())
}

fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn hex(text: &str) -> Option<String> {
    let (prefix, digits) = text.strip_prefix("0x").map_or(("", text), |digits| ("0x ", digits));
    let all =
        digits.len() >= 16 && digits.len() % 2 == 0 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has = |which: fn(&u8) -> bool| digits.as_bytes().iter().any(which);
    let (lower, upper) = (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    // Sixteen decimal digits are a number.
    if !all || !(lower || upper || digits.len() >= 32) {
        return None;
    }
    let case = match (lower, upper) {
        (true, true) => ", mixed case",
        (false, true) => ", upper case",
        _ => "",
    };
    Some(format!("{prefix}hex {}{case}", digits.len()))
}

/// Whether a text looks drawn by chance: long, without a space, and back and forth between the cases and digits.
fn is_opaque(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || "+/_=-.~".contains(c);
    if text.len() < 20 || text.starts_with('/') || !text.chars().all(letters) {
        return false;
    }
    let classes = text.chars().filter(char::is_ascii_alphanumeric);
    let classes: Vec<(bool, bool)> = classes.map(|c| (c.is_ascii_digit(), c.is_ascii_uppercase())).collect();
    // Names in mixed case change once a word; chance does so at three characters in five.
    let changes = classes.iter().zip(classes.iter().skip(1)).filter(|(one, next)| one != next).count();
    changes * 3 >= classes.len()
}
