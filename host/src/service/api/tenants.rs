//! Tenants, as they are asked for and answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Gate;

/// A tenant by id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneTenant {
    /// Its id.
    pub tenant: String,
}

/// A tenant by id; may be left out where there is exactly one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaybeTenant {
    /// Its id.
    #[serde(default)]
    pub tenant: Option<String>,
}

/// A tenant to add.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddTenant {
    /// Its id.
    pub tenant: String,
    /// Which provider is to speak for it; without it, the default identity, else the fallback prompt.
    #[serde(default)]
    pub identity: Option<String>,
}

/// A tenant.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Tenant {
    pub tenant: String,
    pub active: bool,
    /// `configuration` or `command`.
    pub origin: String,
    pub created_at: String,
    pub actors: Vec<Actor>,
    pub primary_state: Option<String>,
    pub agent_name: Option<String>,
    pub provider: Option<String>,
    pub generation: Option<u64>,
    /// If it did not come up: the boot gate that failed, and why.
    #[serde(default)]
    pub failed_gate: Option<Gate>,
    /// If another host on the same store holds it: that host.
    #[serde(default)]
    pub held_by: Option<String>,
}

/// Somebody who acts in a tenant.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Actor {
    pub actor_id: String,
    pub kind: String,
    pub name: String,
    pub active: bool,
    pub canonical: bool,
}
