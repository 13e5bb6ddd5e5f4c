//! What a password hash costs and how many are made at once.

use crate::password::Cost;
use serde::{Deserialize, Serialize};

/// `[password]`
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordConfig {
    /// KiB of memory for one hash.
    pub memory_kib: Option<u32>,
    /// Passes over it.
    pub passes: Option<u32>,
    /// Lanes.
    pub lanes: Option<u32>,
    /// Hashes at once; one less than there are processors if absent, so that other answers need not wait for a hash.
    pub threads: Option<usize>,
    /// Callers that may wait for a hash; the next is told to come back later.
    pub queue: usize,
}

impl Default for PasswordConfig {
    fn default() -> Self {
        Self { memory_kib: None, passes: None, lanes: None, threads: None, queue: 64 }
    }
}

impl PasswordConfig {
    /// The cost of a hash, where this says nothing as the default given.
    #[must_use]
    pub fn cost(&self, default: Cost) -> Cost {
        Cost {
            memory_kib: self.memory_kib.unwrap_or(default.memory_kib),
            passes: self.passes.unwrap_or(default.passes),
            lanes: self.lanes.unwrap_or(default.lanes),
        }
    }
}
