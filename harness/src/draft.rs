//! A request before it is written: members by place, which checks change as they need.

use crate::client::{WireBody, WireRequest};
use bytes::Bytes;
use countersign_spec::{Encoding, Place};
use serde_json::{Map, Value};
use std::time::Duration;

/// A request in parts.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Name of the operation.
    pub operation: String,
    /// Method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query parameters in order.
    pub query: Vec<(String, String)>,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// Members of the body, where one is sent.
    pub body: Option<Value>,
    /// How the body is written.
    pub writing: Writing,
}

/// How a body is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writing {
    /// These bytes, whatever the members are.
    Bytes(Vec<u8>),
    /// As the encoding wants, in one piece.
    Plain(Encoding),
    /// As JSON in pieces of so many bytes, chunked, with a pause between them.
    Pieces(usize, Duration),
}

impl Draft {
    /// An empty request.
    #[must_use]
    pub fn new(operation: &str, method: &str, path: &str) -> Self {
        Self {
            operation: operation.to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            writing: Writing::Plain(Encoding::Json),
        }
    }

    /// Sets a member, parameter or header, replacing what stood there.
    pub fn set(&mut self, place: &Place, value: Value) {
        match place {
            Place::Body(pointer) => {
                let body = self.body.get_or_insert_with(|| Value::Object(Map::new()));
                set_pointer(body, pointer, value);
            }
            Place::Query(name) => {
                self.query.retain(|(known, _)| known != name);
                self.query.push((name.clone(), plain_text(&value)));
            }
            Place::Header(name) => self.set_header(name, &plain_text(&value)),
        }
    }

    /// Takes a member, parameter or header out.
    pub fn remove(&mut self, place: &Place) {
        match place {
            Place::Body(pointer) => {
                let (parent, name) = pointer.rsplit_once('/').unwrap_or(("", pointer));
                if let Some(Value::Object(members)) =
                    self.body.as_mut().and_then(|body| body.pointer_mut(parent))
                {
                    members.remove(name);
                }
            }
            Place::Query(name) => self.query.retain(|(known, _)| known != name),
            Place::Header(name) => self.headers.retain(|(known, _)| known != name),
        }
    }

    /// The member, parameter or header as text, numbers in decimal.
    #[must_use]
    pub fn text(&self, place: &Place) -> Option<String> {
        match place {
            Place::Body(pointer) => self.body.as_ref()?.pointer(pointer).map(plain_text),
            Place::Query(name) => {
                self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }
            Place::Header(name) => {
                self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }
        }
    }

    /// The member of the body as it stands.
    #[must_use]
    pub fn value(&self, place: &Place) -> Option<&Value> {
        match place {
            Place::Body(pointer) => self.body.as_ref()?.pointer(pointer),
            Place::Query(_) | Place::Header(_) => None,
        }
    }

    /// Sets a header.
    pub fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Sets `Authorization: Bearer`.
    pub fn authorize(&mut self, token: &str) {
        self.set_header("authorization", &format!("Bearer {token}"));
    }

    /// Writes it for the wire. `Content-Type` is the encoding's unless a header says otherwise.
    #[must_use]
    pub fn write(&self, extra: Vec<(String, String)>) -> WireRequest {
        let mut path = self.path.clone();
        for (index, (name, value)) in self.query.iter().enumerate() {
            path.push(if index == 0 { '?' } else { '&' });
            path.push_str(&percent(name));
            path.push('=');
            path.push_str(&percent(value));
        }
        let (body, media) = self.written_body();
        let mut headers = self.headers.clone();
        if let Some(media) = media
            && !headers.iter().any(|(name, _)| name == "content-type")
        {
            headers.push(("content-type".to_owned(), media.to_owned()));
        }
        if !headers.iter().any(|(name, _)| name == "accept") {
            headers.push(("accept".to_owned(), "application/json".to_owned()));
        }
        // An empty value stands for a header that must not be sent at all.
        headers.retain(|(name, value)| {
            !["content-type", "accept"].contains(&name.as_str()) || !value.is_empty()
        });
        headers.extend(extra);
        WireRequest { method: self.method.clone(), path, headers, body }
    }

    fn written_body(&self) -> (WireBody, Option<&'static str>) {
        let json = || self.body.as_ref().map(|body| body.to_string().into_bytes());
        match &self.writing {
            Writing::Bytes(bytes) => (WireBody::Whole(bytes.clone().into()), Some("application/json")),
            Writing::Plain(Encoding::Form) => match &self.body {
                Some(Value::Object(members)) => {
                    let pairs = members.iter();
                    let pairs = pairs
                        .map(|(name, value)| format!("{}={}", percent(name), percent(&plain_text(value))));
                    let text = pairs.collect::<Vec<_>>().join("&");
                    (WireBody::Whole(text.into()), Some("application/x-www-form-urlencoded"))
                }
                _ => (WireBody::None, None),
            },
            Writing::Plain(Encoding::Json) => match json() {
                Some(bytes) => (WireBody::Whole(bytes.into()), Some("application/json")),
                None => (WireBody::None, None),
            },
            Writing::Pieces(size, pause) => match json() {
                Some(bytes) => {
                    let pieces = bytes.chunks((*size).max(1)).map(Bytes::copy_from_slice).collect();
                    (WireBody::Pieces(pieces, *pause), Some("application/json"))
                }
                None => (WireBody::None, None),
            },
        }
    }
}

/// Sets a value at a pointer, making objects on the way.
pub fn set_pointer(body: &mut Value, pointer: &str, value: Value) {
    let mut at = body;
    let mut names = pointer.trim_start_matches('/').split('/').peekable();
    while let Some(name) = names.next() {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(members) = at else { return };
        if names.peek().is_none() {
            members.insert(name.to_owned(), value);
            return;
        }
        at = members.entry(name.to_owned()).or_insert(Value::Null);
    }
}

/// A text without quotes, everything else as JSON.
#[must_use]
pub fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Percent-encodes all but the unreserved characters of RFC 3986 section 2.3.
#[must_use]
pub fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_set_and_removed_by_place() {
        let mut draft = Draft::new("login", "POST", "/login");
        draft.set(&Place::Body("/a/b".into()), json!(1));
        draft.set(&Place::Query("q".into()), json!("x y+"));
        draft.set(&Place::Header("h".into()), json!(7));
        assert_eq!(draft.text(&Place::Body("/a/b".into())).unwrap(), "1");
        let wire = draft.write(Vec::new());
        assert_eq!(wire.path, "/login?q=x%20y%2B");
        assert_eq!(wire.body.bytes(), r#"{"a":{"b":1}}"#);
        draft.remove(&Place::Body("/a/b".into()));
        assert_eq!(draft.body, Some(json!({"a": {}})));
    }

    #[test]
    fn forms_and_pieces_carry_the_same_members() {
        let mut draft = Draft::new("login", "POST", "/login");
        draft.set(&Place::Body("/p".into()), json!("a&b"));
        draft.writing = Writing::Plain(Encoding::Form);
        assert_eq!(draft.write(Vec::new()).body.bytes(), "p=a%26b");
        draft.writing = Writing::Pieces(3, Duration::ZERO);
        assert_eq!(draft.write(Vec::new()).body.bytes(), r#"{"p":"a&b"}"#);
    }
}
