//! The listener for operators.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// `[admin]`
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Address of `/healthz`, `/readyz` and `/metrics`; without it there is no such listener.
    pub listen: Option<SocketAddr>,
    /// Whether that may be an address that others reach. Nobody is asked who they are there.
    pub allow_remote: bool,
    /// Seconds in which a stopping server still serves while `/readyz` already says 503, for balancers to notice.
    pub drain_seconds: u64,
}

impl AdminConfig {
    /// The address to listen on.
    ///
    /// # Errors
    /// When others could reach it and nobody said that they may.
    pub fn address(&self) -> Result<Option<SocketAddr>, String> {
        match self.listen {
            Some(address) if !address.ip().is_loopback() && !self.allow_remote => Err(format!(
                "admin.listen is refused on {address}: whoever reaches it can read metrics and is not asked who he is. Listen on 127.0.0.1, or set admin.allow_remote = true where a network of yours keeps others out"
            )),
            address => Ok(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_taken_without_a_word() {
        let address = |text: &str| toml::from_str::<AdminConfig>(text).unwrap().address();
        assert_eq!(address(""), Ok(None));
        assert!(address("listen = \"127.0.0.1:9\"").unwrap().is_some());
        assert!(address("listen = \"[::1]:9\"").unwrap().is_some());
        assert!(address("listen = \"0.0.0.0:9\"").unwrap_err().contains("allow_remote = true"));
        assert!(address("listen = \"0.0.0.0:9\"\nallow_remote = true").unwrap().is_some());
    }
}
