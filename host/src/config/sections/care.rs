//! `[checkpoints]` and `[disk]`: what is looked after while the host runs.

use serde::{Deserialize, Serialize};

/// `[checkpoints]`: how often chains are signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CheckpointsSection {
    /// After so many events.
    pub every_events: u64,
    /// After so long, if there were any.
    pub every_seconds: u64,
}

impl Default for CheckpointsSection {
    fn default() -> Self {
        Self {
            every_events: 1000,
            every_seconds: 300,
        }
    }
}

/// `[disk]`: when free room is low. Zero switches one off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskSection {
    /// Less than so many MiB.
    pub warn_free_mib: u64,
    /// A smaller share than so many hundredths.
    pub warn_free_percent: u64,
}

impl Default for DiskSection {
    fn default() -> Self {
        Self {
            warn_free_mib: 1024,
            warn_free_percent: 5,
        }
    }
}
