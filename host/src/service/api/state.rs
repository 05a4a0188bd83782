//! The operational state of tenants, as it is asked and answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CommandInForce, Gate};

/// A pause or a resume.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateRequest {
    /// Whose; may be left out where there is exactly one.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Why; kept in the event.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A tenant's operational state.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct State {
    pub tenant: String,
    pub primary_state: String,
    pub claim_permission: String,
    pub degradation_reasons: Vec<String>,
    pub is_degraded: bool,
    pub state_entered_at: Option<String>,
    pub transition_history: Vec<Transition>,
    pub valid_next_states: Vec<NextState>,
    /// The stop command that counts, on the tenant or on the host.
    #[serde(default)]
    pub command_in_force: Option<CommandInForce>,
    /// If it did not come up: the boot gate that failed, and why.
    #[serde(default)]
    pub failed_gate: Option<Gate>,
}

/// A past transition.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct Transition {
    pub timestamp: String,
    pub from_state: String,
    pub to_state: String,
    pub trigger: String,
    pub trigger_kind: String,
}

/// A state that may follow.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct NextState {
    pub to_state: String,
    pub trigger: String,
    /// What would refuse it now, and what to do about it; left out if nothing does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
}

/// A state that was changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct StateChanged {
    pub tenant: String,
    pub from_state: String,
    pub to_state: String,
    pub trigger: String,
    /// Its events could not be written yet and wait for the store. The change stands.
    pub pending: bool,
}
