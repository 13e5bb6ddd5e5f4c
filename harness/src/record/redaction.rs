//! Puts what a value is in the place of the value, after looking whether it is that.
//!
//! A value that was sent is named by what it was sent as. A token, a time or an id is named by its shape, and only where it
//! has that shape: `"expires": "soon"` stays as it is, so that a change of shape is seen. What is left is shown, with
//! registered secrets hidden.

use super::shape;
use super::transcript::{Body, Message};
use crate::client::WireError;
use crate::exchange::{Exchange, cut};
use crate::redact::Secrets;
use countersign_spec::{Field, Operation, Place, Role, Scheme};
use serde_json::{Map, Value};
use std::time::Duration;

/// How much less than its documented lifetime a token may say that it lasts without being shown so: time passes.
const SLACK: u64 = 60;
/// Texts of this length and above are also found inside others.
const FINDABLE: usize = 6;
/// More characters of a body that is no JSON are not kept.
const LONGEST_TEXT: usize = 4_000;
/// Headers that belong to the connection, to the moment, or to the length of what is redacted.
const PASSING: [&str; 4] = ["connection", "content-length", "date", "keep-alive"];
/// Parts of names of headers whose values are measured or counted down.
const MEASURED: [&str; 6] = ["-time", "duration", "rate-limit", "ratelimit", "retry-after", "timing"];

/// Parts of names of members and headers whose values are not shown even if they have no known shape.
const SECRET_NAMES: [&str; 6] = ["apikey", "api_key", "password", "secret", "session", "token"];
/// Shorter values are words, such as `Bearer`.
const SHORTEST_SECRET: usize = 8;

/// What is known when a step is redacted.
#[derive(Debug)]
pub struct Redactor<'a> {
    /// Values that were sent or given before, with what they are.
    pub known: &'a [(String, &'static str)],
    /// What must not be shown.
    pub secrets: &'a Secrets,
    /// The target's time, since 1970.
    pub now: Duration,
    /// The scheme, for its lifetimes.
    pub scheme: &'a Scheme,
    /// Headers that the profile adds to every request.
    pub added: &'a [(String, String)],
}

impl Redactor<'_> {
    /// A request of this operation.
    #[must_use]
    pub fn request(&self, operation: &Operation, exchange: &Exchange) -> Message {
        let request = &exchange.request;
        let fields = &operation.request.fields;
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| {
            let at = Place::Query(name.to_owned());
            format!("{name}={}", self.sent(fields, &at, &percent_decoded(value)))
        });
        let query = pairs.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        let headers =
            request.headers.iter().filter(|(name, _)| !self.added.iter().any(|(added, _)| added == name));
        let mut headers: Vec<(String, String)> = headers
            .map(|(name, value)| (name.clone(), self.sent(fields, &Place::Header(name.clone()), value)))
            .collect();
        headers.sort();
        let bytes = request.body.bytes();
        let body = match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) => Body::Json(self.sent_json(fields, "", &value)),
            Err(_) => self.text_body(&bytes, |line| {
                // A form is shown like the query that it is.
                let pairs = line.split('&').map(|pair| pair.split_once('='));
                let pairs: Option<Vec<(&str, &str)>> = pairs.collect();
                pairs.map_or_else(
                    || self.literal(line),
                    |pairs| {
                        let pairs = pairs.into_iter().map(|(name, value)| {
                            let at = Place::Body(format!("/{name}"));
                            format!("{name}={}", self.sent(fields, &at, &percent_decoded(value)))
                        });
                        pairs.collect::<Vec<_>>().join("&")
                    },
                )
            }),
        };
        Message { first: format!("{} {}{mark}{query}", request.method, self.literal(path)), headers, body }
    }

    /// What came back. `accepted` says whether the members are those of a success.
    #[must_use]
    pub fn answer(&self, operation: &Operation, exchange: &Exchange, accepted: bool) -> Message {
        let response = match &exchange.outcome {
            Ok(response) => response,
            Err(error) => {
                let why = match error {
                    WireError::Closed(_) => "the connection was closed",
                    WireError::Connect { .. } => "no connection",
                    WireError::Protocol(_) => "what came is no HTTP",
                    WireError::Timeout(_) => "not in time",
                    WireError::Unsendable(_) => "the request cannot be sent",
                };
                return Message { first: format!("no answer: {why}"), headers: Vec::new(), body: Body::None };
            }
        };
        let headers = response.headers.iter().filter(|(name, _)| !PASSING.contains(&name.as_str()));
        let mut headers: Vec<(String, String)> =
            headers.map(|(name, value)| (name.clone(), self.header(name, value))).collect();
        headers.sort();
        let fields = if accepted { operation.success.fields.as_slice() } else { &[] };
        let body = match &exchange.json {
            Some(value) => Body::Json(self.json(fields, "", value)),
            None => self.text_body(&response.body, |line| self.literal(line)),
        };
        Message { first: format!("HTTP {}", response.status), headers, body }
    }

    /// A text that was sent at this place.
    fn sent(&self, fields: &[Field], at: &Place, text: &str) -> String {
        let role = fields.iter().find(|field| field.at == *at).map(|field| field.role);
        let label = self.name(text).or_else(|| match role {
            // What the profile keeps for the operator may be a key.
            Some(Role::Constant) if self.is_the_profiles(fields, at, text) => Some("from the profile"),
            Some(Role::Password) => Some("secret"),
            Some(Role::Signature) => Some("signature"),
            Some(Role::SignedText) => Some("signed text"),
            _ => None,
        });
        label.map_or_else(|| self.text(text), |label| format!("<{label}>"))
    }

    /// Whether a constant is none of the document's.
    fn is_the_profiles(&self, fields: &[Field], at: &Place, text: &str) -> bool {
        let documented = fields.iter().find(|field| field.at == *at).and_then(|field| field.value.as_ref());
        documented.and_then(Value::as_str).is_some_and(|value| value != text && !value.contains('{'))
    }

    fn sent_json(&self, fields: &[Field], at: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => self.sent(fields, &Place::Body(at.to_owned()), text).into(),
            other => {
                self.inside(other, |name, member| self.sent_json(fields, &format!("{at}/{name}"), member))
            }
        }
    }

    fn json(&self, fields: &[Field], at: &str, value: &Value) -> Value {
        let role = || {
            fields
                .iter()
                .find(|field| matches!(&field.at, Place::Body(known) if known == at))
                .map(|field| field.role)
        };
        match value {
            Value::String(text) => self.answered(at.rsplit('/').next().unwrap_or_default(), text).into(),
            Value::Number(number) => {
                let tokens = &self.scheme.tokens;
                let token = match role() {
                    Some(Role::ExpiresIn) => tokens.access.as_ref(),
                    Some(Role::RefreshExpiresIn) => tokens.refresh.as_ref(),
                    _ => None,
                };
                let lasts = token.filter(|token| {
                    let least = token.lifetime.saturating_sub(SLACK);
                    number.as_u64().is_some_and(|seconds| (least..=token.lifetime).contains(&seconds))
                });
                match lasts {
                    Some(token) => format!("<seconds, about {}>", token.lifetime).into(),
                    None => self.inside(value, |_, _| Value::Null),
                }
            }
            other => self.inside(other, |name, member| self.json(fields, &format!("{at}/{name}"), member)),
        }
    }

    /// Everything but texts: numbers by their shape, members in order of their names.
    fn inside(&self, value: &Value, each: impl Fn(&str, &Value) -> Value) -> Value {
        match value {
            Value::Array(items) => {
                items.iter().enumerate().map(|(index, item)| each(&index.to_string(), item)).collect()
            }
            Value::Object(members) => {
                let mut members: Vec<(&String, &Value)> = members.iter().collect();
                members.sort_by_key(|(name, _)| *name);
                let members =
                    members.into_iter().map(|(name, member)| (self.member(name), each(name, member)));
                Value::Object(members.collect::<Map<_, _>>())
            }
            Value::Number(number) => {
                match number.as_f64().and_then(|number| shape::of_number(number, self.now)) {
                    Some(shape) => format!("<{shape}>").into(),
                    None => value.clone(),
                }
            }
            other => other.clone(),
        }
    }

    /// A plain word is shown even if somebody has it for a password; a text that an echo has made a name is not.
    fn member(&self, name: &str) -> String {
        let plain = name.len() <= 32 && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if plain { name.to_owned() } else { self.literal(name) }
    }

    fn header(&self, name: &str, value: &str) -> String {
        if name == "set-cookie" {
            let parts = value.split(';').enumerate().map(|(index, part)| match part.trim().split_once('=') {
                Some((name, _)) if index == 0 => format!("{name}=<value>"),
                Some((name, value)) => format!("{name}={}", self.text(value)),
                None => part.trim().to_owned(),
            });
            return parts.collect::<Vec<_>>().join("; ");
        }
        if name == "age" || MEASURED.iter().any(|part| name.contains(part)) {
            let number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            return if number { "<number>" } else { "<measured>" }.to_owned();
        }
        self.answered(name, value)
    }

    /// A text that came under this name. What is called a secret is none of a reader's business, even undocumented.
    fn answered(&self, name: &str, text: &str) -> String {
        let name = name.to_ascii_lowercase();
        let shown = self.text(text);
        let is_bare = shown == text && text.len() >= SHORTEST_SECRET && !text.contains(char::is_whitespace);
        if is_bare && SECRET_NAMES.iter().any(|part| name.contains(part)) {
            return format!("<{} hidden characters>", text.chars().count());
        }
        shown
    }

    /// A text by what it is, or as it is.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        if let Some(label) = self.name(text) {
            return format!("<{label}>");
        }
        match shape::of_text(text, self.now) {
            Some(shape) => format!("<{}>", self.secrets.hide(&shape)),
            // A text must not pass itself off as a shape.
            None if text.starts_with('<') && text.ends_with('>') => {
                format!("<literally {}>", self.literal(text))
            }
            None => self.literal(text),
        }
    }

    fn name(&self, text: &str) -> Option<&'static str> {
        self.known.iter().find(|(known, _)| known == text).map(|(_, label)| *label)
    }

    /// The text itself, without what is known or secret inside it.
    fn literal(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for (known, label) in self.known.iter().filter(|(known, _)| known.len() >= FINDABLE) {
            shown = shown.replace(known, &format!("<{label}>"));
        }
        let shown = self.secrets.hide(&shown);
        shown
            .chars()
            .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
            .collect()
    }

    fn text_body(&self, bytes: &[u8], show: impl Fn(&str) -> String) -> Body {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.trim().is_empty() => Body::None,
            Ok(text) => {
                // Secrets first: one that holds a line's end, or that is cut, is no longer recognised.
                let hidden = self.secrets.hide(text);
                let lines: Vec<String> = hidden.trim_end().lines().map(show).collect();
                Body::Text(cut(&lines.join("\n"), LONGEST_TEXT))
            }
            Err(_) => Body::Text(format!("<{} bytes that are no text>", bytes.len())),
        }
    }
}

/// Undoes percent-encoding; what is none stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let byte = (*first == b'%')
            .then(|| after.get(..2).and_then(|pair| data_encoding::HEXUPPER_PERMISSIVE.decode(pair).ok()))
            .flatten();
        match byte {
            Some(byte) => {
                bytes.extend(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_spec::Spec;
    use serde_json::json;

    const NOW: Duration = Duration::from_secs(1_767_366_245);

    fn check(text: &str, expected: &str) {
        let mut secrets = Secrets::default();
        secrets.add("open sesame", "$PASSWORD");
        let known = [("alice-of-ethgas".to_owned(), "identifier"), ("0xab".to_owned(), "address")];
        let scheme = Spec::embedded().scheme("ethgas").unwrap();
        let redactor = Redactor { known: &known, secrets: &secrets, now: NOW, scheme, added: &[] };
        assert_eq!(redactor.text(text), expected, "{text}");
    }

    #[test]
    fn what_was_sent_is_named_also_inside_a_text() {
        check("alice-of-ethgas", "<identifier>");
        check("0xab", "<address>");
        check("no alice-of-ethgas here, 0xab", "no <identifier> here, 0xab");
        check("you said open sesame\u{7}", "you said $PASSWORD\\u{7}");
    }

    #[test]
    fn a_shape_is_asserted_before_it_replaces() {
        check("c8ab6c5e-6f4c-4d3e-9b33-1c2a5f9e0d11", "<uuid>");
        check("c8ab6c5e-6f4c-4d3e-9b33-1c2a5f9e0d1", "<opaque, 35 characters>");
        check("0123456789abcdef0123456789abcdef", "<hex 32>");
        check("0x0123456789ABCDEF", "<0x hex 16, upper case>");
        check("0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcde");
        check("1234567890123456", "1234567890123456");
        check("2026-01-02T03:04:05Z", "<RFC 3339>");
        check("2026-01-02T03:04:05.123+01:00", "<RFC 3339, with offset>");
        check("1970-01-02T03:04:05Z", "1970-01-02T03:04:05Z");
        check("Fri, 02 Jan 2026 03:04:05 GMT", "<HTTP date>");
        check("Fri, 02-Jan-2026 03:04:05 GMT", "<HTTP date>");
        check("1767366245", "<unix seconds, as text>");
        check("1767366245000", "<unix milliseconds, as text>");
        check("4600000000", "4600000000");
        check("dGhpcyBpcyBub3QgYSB0b2tlbg", "<opaque, 26 characters>");
        check("InvalidCredentialsException2", "InvalidCredentialsException2");
        check("ERR_INVALID_TOKEN_V2_OF_2", "ERR_INVALID_TOKEN_V2_OF_2");
        check("Token is invalid or expired", "Token is invalid or expired");
        check("<uuid>", "<literally <uuid>>");
    }

    #[test]
    fn a_jwt_is_named_by_algorithm_and_claims() {
        let header = json!({"alg": "HS256", "typ": "JWT"});
        let claims = json!({"sub": "7", "exp": 1_767_366_245, "roles": []});
        let token = crate::jwt::sign_hs256(header.as_object().unwrap(), claims.as_object().unwrap(), b"key");
        check(&token, "<jwt HS256 header: typ; claims: exp number, roles array, sub string>");
        let parts = shape::jwt_parts(&format!("<{}>", shape::of_text(&token, NOW).unwrap())).unwrap();
        let parts: Vec<String> = parts.iter().map(|(name, said)| format!("{name}={said}")).collect();
        assert_eq!(
            parts,
            ["alg=HS256", "claim exp=number", "claim roles=array", "claim sub=string", "header typ=there"]
        );
        assert_eq!(shape::jwt_parts("<hex 32>"), None);
        check(&token.replacen('.', "", 1).replacen('.', "", 1)[..12], "eyJhbGciOiJI");
    }

    #[test]
    fn a_shape_of_a_number_is_still_a_number() {
        let secrets = Secrets::default();
        let scheme = Spec::embedded().scheme("ethgas").unwrap();
        let redactor = Redactor { known: &[], secrets: &secrets, now: NOW, scheme, added: &[] };
        let fields = &scheme.operation("login").unwrap().success.fields;
        let body =
            json!({"data": {"expiresIn": 3599, "at": 1_767_366_245, "n": [1, 1_767_366_245.5]}, "z": 3599});
        let shown = redactor.json(fields, "", &body);
        let expected = json!({"data": {"expiresIn": "<seconds, about 3600>", "at": "<unix seconds>", "n": [1, "<unix seconds, with fraction>"]}, "z": 3599});
        assert_eq!(shown, expected);
        for pointer in ["/data/expiresIn", "/data/at", "/data/n/1", "/z"] {
            assert_eq!(shape::kind(shown.pointer(pointer).unwrap()), "number", "{pointer}");
        }
        assert_eq!(shape::kind(&json!("<unix seconds, as text>")), "string");
        let hidden = redactor.json(
            fields,
            "",
            &json!({"sessionKey": "not-so-long", "token_type": "Bearer", "secret": null}),
        );
        assert_eq!(
            hidden,
            json!({"sessionKey": "<11 hidden characters>", "token_type": "Bearer", "secret": null})
        );
        let other = redactor.json(fields, "", &json!({"data": {"expiresIn": 7200}}));
        assert_eq!(other, json!({"data": {"expiresIn": 7200}}));
    }

    #[test]
    fn percent_encoding_is_undone() {
        for (text, plain) in [("a%20b%2B", "a b+"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%C3%BC", "ü")] {
            assert_eq!(percent_decoded(text), plain);
        }
    }
}
