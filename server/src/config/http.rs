//! Limits on connections and bodies.

use crate::http::serve::ConnectionLimits;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `[http]`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Bytes a body may have.
    pub body_limit: usize,
    /// Seconds a body may take to arrive.
    pub body_seconds: u64,
    /// Seconds a request's head may take to arrive.
    pub head_seconds: u64,
    /// Connections open at once.
    pub connections: usize,
    /// Connections open at once from one source that is no proxy of ours; 0 is any number.
    pub connections_per_source: usize,
    /// Seconds a TLS handshake may take.
    pub handshake_seconds: u64,
    /// Seconds the other end may take nothing of an answer.
    pub write_seconds: u64,
    /// Seconds requests in progress are given when the server stops.
    pub grace_seconds: u64,
}

impl HttpConfig {
    /// How connections are treated.
    #[must_use]
    pub fn connection_limits(&self) -> ConnectionLimits {
        ConnectionLimits {
            connections: self.connections,
            per_source: Some(self.connections_per_source).filter(|bound| *bound > 0),
            handshake_time: Duration::from_secs(self.handshake_seconds),
            head_time: Duration::from_secs(self.head_seconds),
            write_time: Duration::from_secs(self.write_seconds),
            grace: Duration::from_secs(self.grace_seconds),
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            body_limit: 64 * 1024,
            body_seconds: 10,
            head_seconds: 30,
            connections: 8_192,
            connections_per_source: 256,
            handshake_seconds: 10,
            write_seconds: 30,
            grace_seconds: 10,
        }
    }
}
