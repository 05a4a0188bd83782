//! Who speaks for which tenant, as it is asked and answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An identity to swap in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Swap {
    /// Whose.
    pub tenant: String,
    /// `plugin/provider`, or `provider` where only one plugin has it.
    pub provider: String,
    /// Refused unless this generation speaks now.
    #[serde(default)]
    pub expect_generation: Option<u64>,
    /// Why; kept in the event.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A generation to go back to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Whose.
    pub tenant: String,
    /// Which; without it, the one before.
    #[serde(default)]
    pub generation: Option<u64>,
    /// Why; kept in the event.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Who speaks for which tenant, and who could.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Identities {
    pub tenants: Vec<Identity>,
    pub providers: Vec<Provider>,
}

/// Somebody who could speak.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Provider {
    pub provider: String,
    pub plugin_version: String,
    pub plugin_digest: String,
}

/// Who speaks for a tenant.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Identity {
    pub tenant: String,
    pub generation: u64,
    /// `plugin/provider`; absent for the fallback prompt.
    pub provider: Option<String>,
    pub agent_name: String,
    pub agent_version: String,
    pub snapshot_hash: String,
    pub plugin_version: Option<String>,
    pub plugin_digest: Option<String>,
    /// What the configuration names, where that is another; the store's binding is what counts.
    pub drift: Option<String>,
    /// The provider is not there now; the last snapshot goes on speaking.
    pub provider_missing: bool,
    /// What went wrong when its provider was last asked; or, if nobody speaks, why.
    pub fault: Option<String>,
    /// The provider says something else by now, but an operator rolled back from just that.
    pub held_by_rollback: bool,
    /// The texts; only when one tenant is asked for.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    pub snapshot: Option<Value>,
}

/// An identity that was swapped or rolled back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Swapped {
    pub tenant: String,
    pub generation: u64,
    pub from: Option<String>,
    pub to: Option<String>,
    pub from_hash: Option<String>,
    pub to_hash: String,
    pub agent_name: String,
    pub event_id: String,
    pub seq: u64,
}

/// The proof of who speaks: tenant → generation → snapshot hash → plugin digest → event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Why {
    pub tenant: String,
    pub generation: u64,
    pub agent_name: String,
    pub provider: Option<String>,
    pub snapshot_hash: String,
    pub plugin_version: Option<String>,
    pub plugin_digest: Option<String>,
    pub event_id: String,
    pub event_type: Option<String>,
    pub seq: Option<u64>,
    pub occurred_at: Option<String>,
    pub event_hash: Option<String>,
    /// Every link was checked and holds.
    pub proved: bool,
    /// The first link that does not.
    pub broken: Option<String>,
}
