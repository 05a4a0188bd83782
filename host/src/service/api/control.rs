//! What may be asked of stop commands and what is answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stop command to give.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// On which tenant; may be left out where there is exactly one.
    #[serde(default)]
    pub tenant: Option<String>,
    /// On the host, and so on every tenant.
    #[serde(default)]
    pub host: bool,
    /// How far it goes, 1 to 5.
    pub level: u8,
    /// Why; kept in the events.
    #[serde(default)]
    pub reason: Option<String>,
    /// When it ends by itself.
    #[serde(default)]
    pub expires_in_seconds: Option<u64>,
    /// Only say what would be.
    #[serde(default)]
    pub dry_run: bool,
    /// The `daemon_session_id` of the running host: needed on the host and from level 4 on.
    #[serde(default)]
    pub confirm: Option<String>,
}

/// Stop commands to lift.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// On which tenant; may be left out where there is exactly one.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Those on the host; those on tenants stay.
    #[serde(default)]
    pub host: bool,
    /// Why; kept in the events.
    #[serde(default)]
    pub reason: Option<String>,
}

/// A tenant or the host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whom {
    /// The tenant; may be left out where there is exactly one.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The host.
    #[serde(default)]
    pub host: bool,
}

/// A stop command in force, as far as it stops anybody.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the events")]
pub struct CommandInForce {
    /// Absent if it cannot be read; it counts as level 2 then.
    pub command_id: Option<String>,
    /// A tenant, or `host`.
    pub on: String,
    pub level: u8,
    pub kind: String,
    pub action: String,
}

/// What came of a stop command, or would.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct CommandIssued {
    /// Absent on a dry run.
    pub command_id: Option<String>,
    pub sequence: Option<u64>,
    /// A tenant, or `host`.
    pub on: String,
    pub level: u8,
    pub kind: String,
    pub action: String,
    pub lifecycle_state: String,
    pub superseded_command_ids: Vec<String>,
    pub requested_at: String,
    pub expires_at: Option<String>,
    pub predicted_state_changes: Vec<PredictedChange>,
    /// The host exits.
    pub ends_host: bool,
    pub dry_run: bool,
}

/// What a stop command does to the state of a tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PredictedChange {
    pub tenant: String,
    pub from_state: String,
    pub to_state: String,
}

/// The stop commands on a tenant or on the host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Commands {
    /// In force, the one that counts first; for a tenant also those on the host.
    pub active: Vec<Command>,
    /// Carried out, the newest first; at most ten.
    pub recently_enforced: Vec<Command>,
    /// All, the newest first; at most thirty.
    pub history: Vec<Command>,
}

/// A stop command.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct Command {
    /// Absent if it cannot be read, as are the other fields that are only read from it.
    pub command_id: Option<String>,
    /// A tenant, or `host`.
    pub on: String,
    pub sequence: Option<u64>,
    pub level: u8,
    pub kind: String,
    pub lifecycle_state: String,
    pub reason: Option<String>,
    pub issuer_kind: Option<String>,
    pub issuer_id: Option<String>,
    pub created_at: Option<String>,
    pub expires_at: Option<String>,
    pub acknowledged_at: Option<String>,
    pub enforced_at: Option<String>,
    pub escalated_from: Option<String>,
    pub superseded_by: Option<String>,
    pub failure: Option<String>,
}
