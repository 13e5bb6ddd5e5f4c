//! TLS that ends in this server.

use crate::http::tls::{Tls, TlsError};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[tls]`. Without it connections are in the clear, which is for loopback and for behind a proxy.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file of the certificate and those that lead to its root.
    pub cert: PathBuf,
    /// PEM file of the certificate's key.
    pub key: PathBuf,
    /// Seconds between two looks whether the files have changed; SIGHUP has them read at once.
    #[serde(default = "often")]
    pub watch_seconds: u64,
}

impl TlsConfig {
    /// Reads the pair.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn load(&self) -> Result<Tls, TlsError> {
        Tls::load(&self.cert, &self.key)
    }
}

const fn often() -> u64 {
    30
}
