//! Boots that have ended, and a store that is accepted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which boots to show.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootHistory {
    /// Whose; the host's own if absent.
    #[serde(default)]
    pub tenant: Option<String>,
    /// At most this many, 1 to 50; 10 unless said.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// An epoch to accept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptEpoch {
    /// The epoch that the store is in, so that nobody accepts another one than they looked at.
    pub epoch: String,
}

/// A boot that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Boot {
    /// `boot_` and 8 hexadecimal digits; the tenants of one start of the host share it.
    pub boot_id: String,
    /// `host` for the host's own.
    pub tenant: String,
    /// `ready`, `stopped` or `paused`.
    pub result: String,
    pub started_at: String,
    pub ended_at: String,
    pub failed_gate_id: Option<String>,
    pub gates: Vec<Gate>,
}

/// An epoch that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochAccepted {
    /// The epoch that is known from now on.
    pub epoch: String,
    /// The tenants that it held, and that may be resumed now.
    pub may_be_resumed: Vec<String>,
}

/// A boot gate and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the boot event")]
pub struct Gate {
    pub gate_id: String,
    /// `transient`, `invariant` or `invariant_pause`.
    pub gate_class: String,
    /// `pass` or `fail`.
    pub outcome: String,
    pub attempts: u32,
    pub elapsed_ms: u64,
    pub detail: String,
}
