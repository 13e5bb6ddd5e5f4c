//! The JSON body of an answer: written once, where a tree of values would be dozens of pieces of memory with each answer.

use crate::json;
use bytes::Bytes;
use serde_json::Value;
use std::fmt;

/// A JSON body, ready to be sent. Made from a [`Value`], or from [`Members`].
///
/// ```
/// use countersign_server::scheme::{Body, Members};
/// use serde_json::json;
///
/// let written = Body::from(Members::new().whole("code", 0).text("msg", "ok"));
/// assert_eq!(written.bytes(), Body::from(json!({ "code": 0, "msg": "ok" })).bytes());
/// ```
#[derive(Clone)]
pub struct Body(Bytes);

impl Body {
    /// Its text.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// Not its text: whoever logs it would log a key to an account.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("bytes", &self.0.len()).finish_non_exhaustive()
    }
}

impl From<Value> for Body {
    fn from(value: Value) -> Self {
        Self(Bytes::from(json::written(&value)))
    }
}

impl From<Members> for Body {
    fn from(members: Members) -> Self {
        Self(Bytes::from(members.end()))
    }
}

/// The members of a JSON object, written one after another; each name may be given once.
pub struct Members(Vec<u8>);

impl Members {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        let mut text = Vec::with_capacity(json::USUAL);
        text.push(b'{');
        Self(text)
    }

    /// One that is a text.
    #[must_use]
    pub fn text(mut self, name: &str, text: &str) -> Self {
        self.begin(name);
        json::write_text(&mut self.0, text);
        self
    }

    /// One that is a whole number.
    #[must_use]
    pub fn whole(self, name: &str, number: u64) -> Self {
        self.value(name, &Value::from(number))
    }

    /// One that is true or false.
    #[must_use]
    pub fn flag(self, name: &str, is: bool) -> Self {
        self.value(name, &Value::from(is))
    }

    /// One of any kind.
    #[must_use]
    pub fn value(mut self, name: &str, value: &Value) -> Self {
        self.begin(name);
        json::write(&mut self.0, value);
        self
    }

    /// One that is an object, whose members are added to the empty ones that are handed over.
    #[must_use]
    pub fn object(mut self, name: &str, members: impl FnOnce(Self) -> Self) -> Self {
        self.begin(name);
        // Behind what is there already: nothing is copied.
        self.0.push(b'{');
        let mut inner = members(self);
        inner.0.push(b'}');
        inner
    }

    fn begin(&mut self, name: &str) {
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        json::write_text(&mut self.0, name);
        self.0.push(b':');
    }

    fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

impl Default for Members {
    fn default() -> Self {
        Self::new()
    }
}

/// Not their text, as with [`Body`].
impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("bytes", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_written_as_a_tree_of_them_is() {
        let written = Members::new()
            .whole("a", u64::MAX)
            .text("b\"", "{\n")
            .object("c", |inner| inner.flag("d", true).object("e", |empty| empty).text("f", "{"))
            .value("g", &json!([null, { "h": -1.5 }]));
        let tree = json!({ "a": u64::MAX, "b\"": "{\n", "c": { "d": true, "e": {}, "f": "{" }, "g": [null, { "h": -1.5 }] });
        assert_eq!(std::str::from_utf8(Body::from(written).bytes()).unwrap(), tree.to_string());
        assert_eq!(Body::from(Members::new()).bytes(), b"{}");
    }

    #[test]
    fn what_is_logged_is_not_the_text() {
        let members = Members::new().text("token", "canary");
        assert!(!format!("{members:?}").contains("canary"));
        assert!(!format!("{:?}", Body::from(members)).contains("canary"));
    }
}
