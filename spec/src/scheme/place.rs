//! Where a field stands in a message and what it is.

use serde::{Deserialize, Deserializer};

/// A member, query parameter or header, and what it is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Where it stands.
    pub at: Place,
    /// What it is.
    pub role: Role,
    /// A fixed value for role `constant`, or a template over other roles (`{did_type}:{did_value}` names members).
    #[serde(default)]
    pub value: Option<serde_json::Value>,
    /// Unit of a number, where it has one.
    #[serde(default)]
    pub unit: Option<Unit>,
    /// Whether a request without it is as good (for headers and query parameters; a body's schema says it itself).
    #[serde(default)]
    pub optional: bool,
}

/// Units of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Milliseconds since 1970.
    Milliseconds,
    /// A date and time by RFC 3339.
    Rfc3339,
    /// Seconds, since 1970 or of length.
    Seconds,
}

/// A place in a message: a JSON pointer into the body (`/data/token`), `query:name` or `header:name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// JSON pointer into the body.
    Body(String),
    /// Header, lower case.
    Header(String),
    /// Query parameter.
    Query(String),
}

impl Place {
    /// Reads the written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix("header:") {
            return (!name.is_empty() && name == name.to_ascii_lowercase())
                .then(|| Self::Header(name.to_owned()));
        }
        if let Some(name) = text.strip_prefix("query:") {
            return (!name.is_empty()).then(|| Self::Query(name.to_owned()));
        }
        text.starts_with('/').then(|| Self::Body(text.to_owned()))
    }

    /// The last name: the member, parameter or header.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Body(pointer) => pointer.rsplit('/').next().unwrap_or_default(),
            Self::Header(name) | Self::Query(name) => name,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Body(pointer) => f.write_str(pointer),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
        }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is no place: write a JSON pointer such as /data/token, query:name or header:name (lower case)"
            ))
        })
    }
}

/// What a field is. Checks ask for roles and never for names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The token that authorises requests.
    AccessToken,
    /// Wallet address.
    Address,
    /// What must be signed or sent back once.
    Challenge,
    /// The envelope's result code.
    Code,
    /// A value the document fixes.
    Constant,
    /// The envelope's payload.
    Data,
    /// When a token ends.
    ExpiresAt,
    /// How long a token lasts.
    ExpiresIn,
    /// Names the account.
    Identifier,
    /// The envelope's text for people.
    Message,
    /// A value bound into the signed text by computation.
    Nonce,
    /// Free text about the account that nothing depends on.
    Note,
    /// The shared secret.
    Password,
    /// A key registered at login.
    PublicKey,
    /// Where the caller must go next.
    Redirect,
    /// How long a refresh token lasts.
    RefreshExpiresIn,
    /// The token that is exchanged for a new one.
    RefreshToken,
    /// A signature, hex with 0x for wallets, base64 for ed25519.
    Signature,
    /// The text that was signed.
    SignedText,
    /// When the request was made.
    Timestamp,
    /// Whether the presented token is good.
    Valid,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_written_alike() {
        for text in ["/data/token", "header:didkey", "query:userid"] {
            assert_eq!(Place::parse(text).unwrap().to_string(), text);
        }
        for text in ["data", "", "header:", "header:DidKey"] {
            assert!(Place::parse(text).is_none(), "{text}");
        }
        assert_eq!(Place::parse("/data/token").unwrap().name(), "token");
    }
}
