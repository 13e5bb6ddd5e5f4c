//! Settings that nobody may read over anybody's shoulder.

use super::{ConfigError, resolve};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// A secret in place, or where it is: `env:NAME` or `file:PATH`. Never shown but for the latter two.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The secret itself, for the key that is named in errors.
    ///
    /// # Errors
    /// When the variable or the file it is in is not there.
    pub fn resolve(&self, at: &str) -> Result<SecretString, ConfigError> {
        resolve(at, self.0.expose_secret())
    }
}

impl Secret {
    /// The file it is in, if it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.0.expose_secret().strip_prefix("file:").map(Path::new)
    }
}

/// As much of a secret's setting as may be shown.
pub(super) fn shown(text: &str) -> &str {
    if text.starts_with("env:") || text.starts_with("file:") { text } else { HIDDEN }
}

/// For a secret that is kept as text: never shown.
pub(crate) fn hidden<S: Serializer>(secret: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| HIDDEN).serialize(serializer)
}

const HIDDEN: &str = "(hidden)";

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(deserializer.deserialize_string(SecretText)?))
    }
}

/// Reads text, and quotes nothing in its complaints.
pub(super) struct SecretText;

impl Visitor<'_> for SecretText {
    type Value = SecretString;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretString, E> {
        Ok(text.into())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<SecretString, E> {
        Err(E::custom(NO_TEXT))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretString, E> {
        Err(E::custom(NO_TEXT))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretString, E> {
        Err(E::custom(NO_TEXT))
    }
}

const NO_TEXT: &str = "a secret must be text in quotes";

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(shown(self.0.expose_secret()))
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_only_where_it_is_elsewhere() {
        for (text, expected) in
            [("hunter2", "\"(hidden)\""), ("env:A", "\"env:A\""), ("file:/a", "\"file:/a\"")]
        {
            let secret: Secret = serde_json::from_value(text.into()).unwrap();
            assert_eq!(serde_json::to_string(&secret).unwrap(), expected);
            assert!(!format!("{secret:?}").contains(text));
        }
    }
}
