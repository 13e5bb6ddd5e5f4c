//! What tells a departure apart from every other one of the same check, in words that stay the same from run to run.
//!
//! A fingerprint says what was done, which operation answered, with which status and code, and what the check itself found
//! wrong. Everything that chance, the clock or the target makes up is masked; members of an answer that the finding is not
//! about are left out, so that a second fault in the same answer is a second fingerprint and does not change the first.
//!
//! A rule that every exchange is held to can be broken in several ways in one run. Then the fingerprint lists them all.

use crate::client::WireError;
use crate::exchange::Exchange;
use crate::finding::Finding;
use countersign_spec::Scheme;
use serde_json::Value;
use std::collections::BTreeSet;

/// Characters of what was done, and of what was found, that a fingerprint keeps.
const LONGEST: usize = 160;

/// The fingerprint of a finding, such as `logged in with another password => login HTTP 200, code 200`.
#[must_use]
pub fn of(finding: &Finding, scheme: &Scheme) -> String {
    let did = mask(&finding.secrets.hide(&finding.did));
    let mut text = format!("{} =>", cut(&did));
    if let Some(exchange) = finding.exchanges.last() {
        text.push(' ');
        text.push_str(&answered(exchange, scheme));
    }
    let own = own_words(&finding.secrets.hide(&finding.got));
    if !own.is_empty() {
        text.push_str("; ");
        text.push_str(cut(&own).trim_end());
    }
    text
}

/// The fingerprint of one exchange that broke a rule for all of them, whatever it was sent for.
#[must_use]
pub fn of_exchange(exchange: &Exchange, got: &str, scheme: &Scheme) -> String {
    let own = own_words(got);
    let answered = answered(exchange, scheme);
    if own.is_empty() { answered } else { format!("{answered}; {}", cut(&own).trim_end()) }
}

/// What stands between the ways that one fingerprint lists.
const BETWEEN: &str = " | ";

/// Several ways to break a rule as one fingerprint.
#[must_use]
pub fn all(ways: &BTreeSet<String>) -> String {
    ways.iter().map(String::as_str).collect::<Vec<_>>().join(BETWEEN)
}

/// The ways that one fingerprint lists.
pub fn ways(fingerprint: &str) -> impl Iterator<Item = &str> {
    fingerprint.split(BETWEEN).filter(|way| !way.is_empty())
}

/// Whether every way of one fingerprint is among those of another.
#[must_use]
pub fn is_within(one: &str, other: &str) -> bool {
    one.split(BETWEEN).all(|way| other.split(BETWEEN).any(|known| known == way))
}

/// Operation, status and code of an answer, or the kind of silence.
fn answered(exchange: &Exchange, scheme: &Scheme) -> String {
    let operation = mask(&exchange.operation);
    match &exchange.outcome {
        Ok(response) => {
            let codes = scheme.envelope.code.iter().filter_map(|at| exchange.json.as_ref()?.pointer(at));
            let code = codes.filter_map(Value::as_i64).next();
            let code = code.map(|code| format!(", code {code}")).unwrap_or_default();
            format!("{operation} HTTP {}{code}", response.status)
        }
        Err(error) => {
            let kind = match error {
                WireError::Connect { .. } => "no connection",
                WireError::Timeout(_) => "no answer in time",
                WireError::Unsendable(_) => "not sent",
                _ => "no whole answer",
            };
            format!("{operation} {kind}")
        }
    }
}

/// What a check says of its own: all before an answer is quoted, nothing where it only quotes one.
fn own_words(got: &str) -> String {
    let line = got.lines().next().unwrap_or_default();
    let end = quoted_answer(line).unwrap_or(line.len());
    mask(line[..end].trim_end_matches([' ', ';', ':', ',']).trim_end_matches(" in"))
}

/// Where `HTTP 200 {…}` begins, in contrast to a status that is only spoken of.
fn quoted_answer(line: &str) -> Option<usize> {
    line.match_indices("HTTP ")
        .map(|(at, _)| at)
        .find(|at| {
            let after = &line[at + 5..];
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            digits == 3
                && after[3..].starts_with(' ')
                && (*at == 0 || line[..*at].ends_with(": ") || line[..*at].ends_with("; "))
        })
        // A line that is nothing but a status is that answer, too.
        .or_else(|| (line.starts_with("HTTP ") && line.len() == 8).then_some(0))
}

/// The text without what chance made of it: quoted and JSON texts, numbers but statuses, and what looks random.
fn mask(text: &str) -> String {
    let text = without_value(text);
    let mut masked = String::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '"' => {
                masked.push_str("\"…\"");
                1 + rest[1..].find('"').map_or(rest.len() - 1, |end| end + 1)
            }
            '{' | '[' => {
                masked.push('…');
                rest.len()
            }
            c if c.is_alphanumeric() || c == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let word = &rest[..end];
                let status = masked.ends_with("HTTP ") && end == 3;
                masked.push_str(if status || !is_random(word) { word } else { "#" });
                end
            }
            c => {
                // A bar is what stands between ways.
                if !c.is_control() && c != '|' {
                    masked.push(c);
                }
                c.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    masked
}

/// The text before `: VALUE`, where a JSON value, whole or cut, is all that follows.
fn without_value(text: &str) -> String {
    for (at, _) in text.match_indices(": ") {
        let value = text[at + 2..].trim();
        let cut_off = value.starts_with('"') || value.starts_with('[') || value.starts_with('{');
        if cut_off || serde_json::from_str::<Value>(value).is_ok() {
            return text[..at].to_owned();
        }
    }
    text.to_owned()
}

/// Whether a word is a number or looks drawn by chance. Names of algorithms have digits, too.
fn is_random(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    if !word.is_ascii() || word.len() > 40 || digits == word.len() {
        return true;
    }
    if digits == 0 || word == "ed25519" {
        return false;
    }
    let hex = word.strip_prefix("0x").unwrap_or(word).bytes().all(|byte| byte.is_ascii_hexdigit());
    (hex && word.len() >= 4) || word.len() >= 16
}

fn cut(text: &str) -> &str {
    text.char_indices().nth(LONGEST).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{WireBody, WireRequest, WireResponse};
    use countersign_spec::Spec;
    use std::sync::Arc;
    use std::time::Duration;

    fn finding(did: &str, got: &str, status: u16, body: &str) -> Finding {
        let request = WireRequest {
            method: "POST".into(),
            path: "/api/v1/user/login".into(),
            headers: Vec::new(),
            body: WireBody::None,
        };
        let response = WireResponse {
            status,
            headers: Vec::new(),
            body: body.to_owned().into(),
            elapsed: Duration::ZERO,
        };
        let exchange = Exchange::new("login", String::new(), request, Ok(response));
        Finding {
            did: did.into(),
            got: got.into(),
            exchanges: vec![Arc::new(exchange)],
            ..Finding::default()
        }
    }

    fn print(did: &str, got: &str, status: u16, body: &str) -> String {
        of(&finding(did, got, status, body), Spec::embedded().scheme("ethgas").unwrap())
    }

    #[test]
    fn what_chance_makes_does_not_show() {
        let check = |one: (&str, &str), other: (&str, &str)| {
            let print = |(did, got): (&str, &str)| print(did, got, 200, r#"{"code":200}"#);
            assert_eq!(print(one), print(other));
        };
        check(
            ("asked login with too-long at /username: \"abc", "HTTP 200 {\"code\":200,\"a\":\"x\"}"),
            ("asked login with too-long at /username: 17", "HTTP 200 {\"code\":200,\"a\":\"y\"}"),
        );
        check(
            ("logged nobody-a81f90 in", "`exp` is 1767366245, passed"),
            ("logged nobody-b0c1d2 in", "`exp` is 9, passed"),
        );
    }

    #[test]
    fn what_departed_does_show() {
        let one = print("asked login", "no such member; HTTP 200 {}", 200, r#"{"code":200}"#);
        assert_eq!(one, "asked login => login HTTP 200, code 200; no such member");
        let others = [
            print("asked login", "no such member; HTTP 201 {}", 201, r#"{"code":200}"#),
            print("asked login", "no such member; HTTP 200 {}", 200, r#"{"code":0}"#),
            print("asked login", "3 is not of type string; HTTP 200 {}", 200, r#"{"code":200}"#),
            print("asked login with HS256", "no such member; HTTP 200 {}", 200, r#"{"code":200}"#),
        ];
        for (index, other) in others.iter().enumerate() {
            assert_ne!(one, *other);
            assert!(!others[..index].contains(other), "{other}");
        }
    }

    #[test]
    fn members_that_the_finding_is_not_about_do_not_count() {
        let got = "no such member; HTTP 200 {\"code\":200}";
        let one = print("asked login", got, 200, r#"{"code":200,"data":{"refreshToken":"x"}}"#);
        assert_eq!(one, print("asked login", got, 200, r#"{"code":200,"data":{}}"#));
    }

    #[test]
    fn ways_are_compared_as_a_set() {
        let ways = |list: &[&str]| all(&list.iter().map(|way| (*way).to_owned()).collect());
        assert!(is_within(&ways(&["b"]), &ways(&["a", "b"])));
        assert!(is_within(&ways(&["b", "a"]), &ways(&["a", "b"])));
        assert!(!is_within(&ways(&["a", "c"]), &ways(&["a", "b"])));
    }

    #[test]
    fn statuses_that_are_spoken_of_stay() {
        let print = print("asked twice", "one answer of HTTP 200 and 3 of HTTP 404", 200, "{}");
        assert!(print.ends_with("one answer of HTTP 200 and # of HTTP 404"), "{print}");
    }
}
