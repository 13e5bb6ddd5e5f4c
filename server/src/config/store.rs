//! Where state is kept.

use super::secret::{self, SecretText};
use super::{ConfigError, Secret, resolve};
#[cfg(any(feature = "postgres", feature = "redis"))]
use crate::store::{StoreTls, StoreTlsError};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

/// `[store]`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Which store.
    pub kind: Option<StoreKind>,
    /// Where the embedded store keeps its file.
    pub data_dir: Option<PathBuf>,
    /// Where Redis or PostgreSQL is and how to log in, as `env:NAME`, `file:PATH` or in place.
    pub url: Option<StoreUrl>,
    /// PEM file with the authorities that vouch for Redis or PostgreSQL; without it those the system believes do. TLS is
    /// spoken where the address asks for it, `rediss://` or `sslmode=require`, and always verified.
    pub ca: Option<PathBuf>,
    /// PEM file with a certificate of this server's own, for a Redis or PostgreSQL that asks for one.
    pub client_cert: Option<PathBuf>,
    /// PEM file of that certificate's key.
    pub client_key: Option<PathBuf>,
    /// What every key in Redis begins with. Deployments that share a Redis need different ones; in PostgreSQL each has a
    /// database or a schema of its own.
    pub prefix: String,
    /// Connections to PostgreSQL at most.
    pub connections: usize,
    /// Seconds Redis or PostgreSQL may take for an answer; after that a request is refused with 503.
    pub answer_seconds: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            kind: None,
            data_dir: None,
            url: None,
            ca: None,
            client_cert: None,
            client_key: None,
            prefix: "countersign".into(),
            connections: 16,
            answer_seconds: 2,
        }
    }
}

#[cfg(any(feature = "postgres", feature = "redis"))]
impl StoreConfig {
    /// Reads the files for TLS.
    ///
    /// # Errors
    /// As [`StoreTls::load`].
    pub fn tls(&self) -> Result<StoreTls, StoreTlsError> {
        StoreTls::load(self.ca.as_deref(), self.client_cert.as_deref(), self.client_key.as_deref())
    }
}

/// Which store.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// One file; survives a crash.
    Embedded,
    /// Nothing outlives the process.
    Memory,
    /// A PostgreSQL that replicas share; see --store-url.
    Postgres,
    /// A Redis that replicas share; see --store-url.
    Redis,
}

/// An address that may have a password in it, and so is never shown.
#[derive(Debug, Clone)]
pub struct StoreUrl(SecretString);

impl StoreUrl {
    /// The address itself, wherever it is kept.
    ///
    /// # Errors
    /// When the variable or the file it is in is not there.
    pub fn resolve(&self) -> Result<SecretString, ConfigError> {
        resolve("store.url", self.0.expose_secret())
    }

    /// What was given, which may be the address itself.
    pub(crate) fn as_given(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret::shown(self.0.expose_secret()))
    }
}

impl schemars::JsonSchema for StoreUrl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Secret::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Secret::json_schema(generator)
    }
}

impl FromStr for StoreUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.into()))
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(deserializer.deserialize_string(SecretText)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_not_shown() {
        let config: StoreConfig = toml::from_str("kind = \"redis\"\nurl = \"redis://:hidden@x\"").unwrap();
        assert_eq!(config.url.as_ref().unwrap().resolve().unwrap().expose_secret(), "redis://:hidden@x");
        let shown = format!("{config:?}");
        assert!(!shown.contains("hidden") && shown.contains("Redis"), "{shown}");
    }
}
