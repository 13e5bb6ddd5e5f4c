//! Which pages of other origins may call from a browser.

use crate::http::cors::{Cors, CorsError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `[cors]`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins whose pages may call, such as `https://app.example`; `*` is any, without credentials.
    pub origins: Vec<String>,
    /// Headers they may send beside `Authorization` and `Content-Type`.
    pub headers: Vec<String>,
    /// Whether browsers may send cookies along.
    pub credentials: bool,
    /// Seconds a browser remembers what it may.
    pub max_age_seconds: u64,
}

impl Default for CorsConfig {
    fn default() -> Self {
        Self { origins: Vec::new(), headers: Vec::new(), credentials: false, max_age_seconds: 600 }
    }
}

impl CorsConfig {
    /// The allow-list this asks for.
    ///
    /// # Errors
    /// As [`Cors::new`].
    pub fn cors(&self) -> Result<Cors, CorsError> {
        let max_age = Duration::from_secs(self.max_age_seconds);
        Cors::new(&self.origins, &self.headers, self.credentials, max_age)
    }
}
