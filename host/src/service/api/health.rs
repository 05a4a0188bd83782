//! Health, as it is answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How healthy a tenant, or the host, is. Words: `healthy`, `degraded`, `stopped`, `outage`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct Health {
    /// Whose; absent: the host's, with all its tenants.
    pub tenant: Option<String>,
    /// The worse of the two groups.
    pub overall_status: String,
    pub control_plane_status: String,
    pub worker_status: String,
    /// Why it is stopped, if it is.
    pub stopped_reason: Option<String>,
    pub subsignals: Vec<Subsignal>,
    /// Each tenant of the host; only where the host was asked for.
    pub tenants: Vec<TenantHealth>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct Subsignal {
    pub name: String,
    /// `fresh`, `stale`, `missing` or `degraded`.
    pub status: String,
    pub last_update_at: Option<String>,
    pub detail: String,
}

/// How healthy a tenant is, in a word.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct TenantHealth {
    pub tenant: String,
    pub overall_status: String,
}
