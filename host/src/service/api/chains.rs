//! What is told of the chains as a whole: what was signed of them, and the room that they have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The room that is left, and what the store takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Disk {
    pub free_bytes: u64,
    pub total_bytes: u64,
    /// Less is free than `[disk]` wants.
    pub is_low: bool,
    /// The database and its write-ahead log.
    pub store_bytes: Option<u64>,
    /// The store's bytes by the days since the first event in the host's chain; absent in the first hour.
    pub growth_bytes_per_day: Option<u64>,
}

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Checkpoint {
    pub tenant: String,
    pub seq: u64,
    pub head: String,
    pub signed_at: String,
    /// The signed note: what third parties verify.
    pub note: String,
}
