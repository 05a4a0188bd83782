//! How the host is, and what runs in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Disk, Gate};

/// How the host is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Status {
    pub version: String,
    pub pid: u32,
    /// `booting`, `running` or `shutting_down`.
    pub state: String,
    pub daemon_session_id: String,
    pub boot_at: String,
    pub uptime_seconds: u64,
    pub shutdown_reason: Option<String>,
    pub home: String,
    /// Where MCP and the HTTP interface are; absent where they are switched off.
    #[serde(default)]
    pub http: Option<String>,
    /// Where webhooks for plugins are taken; absent where that is switched off.
    #[serde(default)]
    pub webhooks: Option<String>,
    /// `available`, `unavailable` or `closed`.
    pub store: String,
    pub store_cause: Option<String>,
    /// Where it is: a file, or a database without the password for it.
    #[serde(default)]
    pub store_place: String,
    /// Events that wait because they could not be written.
    pub spooled_events: u64,
    pub recent_error_count_5min: u64,
    /// Absent until it was measured, or where it cannot be.
    #[serde(default)]
    pub disk: Option<Disk>,
    /// Why chains are not signed any more; empty if all are.
    #[serde(default)]
    pub checkpoint_faults: Vec<String>,
    pub gates: Vec<Gate>,
    pub tenants: Vec<TenantStatus>,
    pub plugins: Vec<PluginStatus>,
    pub daemons: Vec<Daemon>,
}

/// A tenant at a glance.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct TenantStatus {
    pub tenant: String,
    /// `unknown` of a tenant of another host whose chain was not read yet.
    pub primary_state: String,
    pub claim_permission: String,
    pub degradation_reasons: Vec<String>,
    /// The other host on the store that runs it, whose state it is; absent where it is this one's.
    #[serde(default)]
    pub held_by: Option<String>,
    /// The agent's name.
    pub agent_name: Option<String>,
    pub provider: Option<String>,
    pub generation: Option<u64>,
    /// If it did not come up: the boot gate that failed, and why.
    #[serde(default)]
    pub failed_gate: Option<Gate>,
    /// `healthy`, `degraded`, `stopped` or `outage`; absent if nobody could look yet.
    #[serde(default)]
    pub health: Option<String>,
}

/// A plugin at a glance.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PluginStatus {
    pub name: Option<String>,
    pub version: Option<String>,
    pub state: String,
    /// Why it is in that state, in one line.
    pub cause: Option<String>,
}

/// A plugin, or a file that is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the manifest")]
pub struct Plugin {
    pub name: Option<String>,
    pub version: Option<String>,
    pub state: String,
    /// Why it is in that state, in one line.
    pub cause: Option<String>,
    /// `update waiting`, `file gone`, or a version that lost against a higher one.
    pub note: Option<String>,
    pub path: String,
    /// `library`, `folder` or `package`.
    pub form: Option<String>,
    /// Of the package file, or of the bare library: it stands in the source of the plugin's events.
    pub digest: Option<String>,
    pub library_digest: Option<String>,
    pub description: Option<String>,
    pub license: Option<String>,
    pub target: Option<String>,
    pub glibc_floor: Option<String>,
    pub identity_providers: Vec<String>,
    pub daemons: Vec<String>,
    pub listeners: Vec<String>,
    pub tools: Vec<String>,
    pub prompts: Vec<String>,
    pub resources: Vec<String>,
    pub webhooks: Vec<String>,
    /// Those of its tools and the like that panicked, and are out of use until the host starts again.
    pub poisoned: Vec<String>,
    /// Provided by the manifest and not registered.
    pub absent: Vec<String>,
    pub extensions: Vec<String>,
    pub permissions: Vec<String>,
    pub event_types: Vec<String>,
    pub secrets: Vec<String>,
    pub warnings: Vec<String>,
}

impl Plugin {
    /// Leaves out what it offers, hears and needs, as for whoever is of no tenant that it acts for.
    pub fn hide_offers(&mut self) {
        let lists = [
            &mut self.tools,
            &mut self.prompts,
            &mut self.resources,
            &mut self.webhooks,
            &mut self.poisoned,
            &mut self.absent,
            &mut self.listeners,
            &mut self.event_types,
            &mut self.secrets,
        ];
        lists.into_iter().for_each(Vec::clear);
    }
}

/// A daemon entry.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Daemon {
    pub plugin: String,
    pub name: String,
    pub state: String,
    pub cause: Option<String>,
    pub restarts: u64,
    pub fatal_on_startup_failure: bool,
    pub shutdown_timeout_seconds: f64,
    pub tasks: Vec<Task>,
}

/// A periodic task.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Task {
    pub name: String,
    pub every_seconds: f64,
    pub runs: u64,
    pub failures: u64,
    pub skipped: u64,
}
