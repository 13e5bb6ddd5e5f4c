//! Where it is written down who did what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `[audit]`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// File that events are appended to, one JSON object a line; `-` is standard output. Opened again on SIGHUP.
    pub file: Option<PathBuf>,
    /// Events that may wait to be written, and KiB of them; those beyond are lost, and counted.
    pub queue: usize,
    /// Whether everything is refused with 503 while events cannot be written, so that nothing goes untold. Otherwise the
    /// server goes on, and says in its log and its figures that they cannot.
    pub required: bool,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { file: None, queue: 8_192, required: false }
    }
}
