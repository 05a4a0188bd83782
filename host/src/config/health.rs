//! `[health]`: how often the health of the host is told.

use serde::{Deserialize, Serialize};

/// `[health]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthSection {
    /// The time between two probes.
    pub probe_interval_seconds: u64,
}

impl Default for HealthSection {
    fn default() -> Self {
        Self {
            probe_interval_seconds: 300,
        }
    }
}
