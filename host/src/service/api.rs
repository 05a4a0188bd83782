//! What may be asked and what is answered, as it also travels over the control socket.
//!
//! Times are RFC 3339 in UTC; hashes and digests 64 hexadecimal digits; fields that are absent are `null`.

mod boot;
mod chains;
mod control;
mod health;
mod tickets;

pub use chains::{Checkpoint, Disk};
pub use health::{Health, Subsignal, TenantHealth};
pub use tickets::*;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use boot::{AcceptEpoch, Boot, BootHistory, EpochAccepted};
pub use control::{Command, CommandInForce, CommandIssued, Commands, PredictedChange, Reset, Stop, Whom};
mod cost;

pub use cost::{
    CostReconciled, CostState, ReconcileCost, RecordUsage, RefreshCost, UsageLine, UsageRecorded,
};

/// A use case with its input; each says what it answers. Unknown methods and parameters are refused where it is read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "method", content = "params", deny_unknown_fields)]
pub enum Call {
    /// The host at a glance: [`Status`].
    #[serde(rename = "status")]
    Status(Nothing),
    /// How healthy a tenant, or the host, is: [`Health`].
    #[serde(rename = "health")]
    Health(MaybeTenant),
    /// Every plugin and every file that is none: an array of [`Plugin`].
    #[serde(rename = "plugins.list")]
    PluginsList(Nothing),
    /// Lets a plugin be loaded, and loads it if it is there. Written into `kora.toml`: [`Plugin`].
    #[serde(rename = "plugins.enable")]
    PluginsEnable(PluginName),
    /// Stops a plugin and keeps it from being loaded. Written into `kora.toml`: [`Plugin`].
    #[serde(rename = "plugins.disable")]
    PluginsDisable(PluginName),
    /// Stops and starts a plugin's daemons: [`Plugin`].
    #[serde(rename = "plugins.restart")]
    PluginsRestart(PluginName),
    /// Every tenant: an array of [`Tenant`].
    #[serde(rename = "tenants.list")]
    TenantsList(Nothing),
    /// Adds a tenant: [`Tenant`].
    #[serde(rename = "tenants.add")]
    TenantsAdd(AddTenant),
    /// Serves a tenant no longer: [`Tenant`].
    #[serde(rename = "tenants.disable")]
    TenantsDisable(OneTenant),
    /// Serves a tenant again: [`Tenant`].
    #[serde(rename = "tenants.enable")]
    TenantsEnable(OneTenant),
    /// Who speaks for which tenant, and who could: [`Identities`].
    #[serde(rename = "identity.list")]
    IdentityList(Nothing),
    /// Who speaks for one tenant, with the texts: [`Identity`].
    #[serde(rename = "identity.show")]
    IdentityShow(OneTenant),
    /// Lets another provider speak: [`Swapped`].
    #[serde(rename = "identity.swap")]
    IdentitySwap(Swap),
    /// Lets an earlier generation speak again: [`Swapped`].
    #[serde(rename = "identity.rollback")]
    IdentityRollback(Rollback),
    /// The proof of who speaks: [`Why`].
    #[serde(rename = "identity.why")]
    IdentityWhy(OneTenant),
    /// The operational state: [`State`].
    #[serde(rename = "state.show")]
    StateShow(MaybeTenant),
    /// Pauses a tenant: [`StateChanged`].
    #[serde(rename = "state.pause")]
    StatePause(StateRequest),
    /// Resumes a tenant: [`StateChanged`].
    #[serde(rename = "state.resume")]
    StateResume(StateRequest),
    /// The newest boots of the host or of a tenant: an array of [`Boot`], newest first.
    #[serde(rename = "boot.history")]
    BootHistory(BootHistory),
    /// Accepts the epoch of a store that is not the one that was known: [`EpochAccepted`].
    #[serde(rename = "boot.accept_epoch")]
    BootAcceptEpoch(AcceptEpoch),
    /// Gives a stop command: [`CommandIssued`].
    #[serde(rename = "state.stop")]
    StateStop(Stop),
    /// Lifts the stop commands on a tenant or on the host: [`CommandIssued`].
    #[serde(rename = "state.reset")]
    StateReset(Reset),
    /// The stop commands on a tenant or on the host: [`Commands`].
    #[serde(rename = "state.commands")]
    StateCommands(Whom),
    /// How a tenant's money stands: [`CostState`].
    #[serde(rename = "cost.show")]
    CostShow(MaybeTenant),
    /// Counts what a call of a model cost: [`UsageRecorded`].
    #[serde(rename = "cost.record")]
    CostRecord(RecordUsage),
    /// Compares what was counted with the provider's figure: [`CostReconciled`].
    #[serde(rename = "cost.reconcile")]
    CostReconcile(ReconcileCost),
    /// Notes that credit was granted for a new billing period: [`CostState`].
    #[serde(rename = "cost.refresh")]
    CostRefresh(RefreshCost),
    /// Appends an event: [`Appended`].
    #[serde(rename = "events.append")]
    EventsAppend(AppendEvent),
    /// Events: an array of [`Event`]. If it is to follow: one by one, oldest first, and then those that are appended from now on.
    #[serde(rename = "events.tail")]
    EventsTail(TailEvents),
    /// Signs where a chain ends now, or where all do without a tenant: an array of [`Checkpoint`].
    #[serde(rename = "events.checkpoint")]
    EventsCheckpoint(MaybeTenant),
    /// Makes a ticket: [`Ticket`].
    #[serde(rename = "tickets.create")]
    TicketsCreate(CreateTicket),
    /// Tickets, the newest first: an array of [`Ticket`] without their bodies.
    #[serde(rename = "tickets.list")]
    TicketsList(ListTickets),
    /// One ticket, whole: [`Ticket`].
    #[serde(rename = "tickets.show")]
    TicketsShow(OneTicket),
    /// Claims a ticket: [`ClaimAnswer`].
    #[serde(rename = "tickets.claim")]
    TicketsClaim(ClaimTicket),
    /// Makes a claim last longer: [`Ticket`].
    #[serde(rename = "tickets.refresh")]
    TicketsRefresh(RefreshTicket),
    /// Gives a ticket back: [`Ticket`].
    #[serde(rename = "tickets.release")]
    TicketsRelease(ReleaseTicket),
    /// Says how an attempt ended: [`Ticket`].
    #[serde(rename = "tickets.resolve")]
    TicketsResolve(ResolveTicket),
    /// Opens a ticket again: [`Ticket`].
    #[serde(rename = "tickets.reopen")]
    TicketsReopen(OneTicket),
    /// Says whose a ticket is to do: [`Ticket`].
    #[serde(rename = "tickets.assign")]
    TicketsAssign(AssignTicket),
    /// Rows of the operation ledger, the newest first: an array of [`Operation`].
    #[serde(rename = "operations.list")]
    OperationsList(ListOperations),
    /// The effective configuration: an array of [`ShownValue`](crate::config::ShownValue), sorted by key.
    #[serde(rename = "config.show")]
    ConfigShow(Nothing),
    /// Applies what has changed in `kora.toml`: [`Reloaded`].
    #[serde(rename = "config.reload")]
    ConfigReload(Nothing),
}

/// No input.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A plugin by name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginName {
    /// Its name.
    pub name: String,
}

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

/// An event to append. Only types that the configuration declares under `[events] types`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppendEvent {
    /// Whose chain; may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The type.
    pub event_type: String,
    /// The text of a JSON object, kept as it is but for white space.
    pub payload: String,
    /// Appending the same key twice is appending once.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Refused unless the chain ends here now.
    #[serde(default)]
    pub expected_seq: Option<u64>,
}

/// Which events to show, and whether to go on showing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailEvents {
    /// Whose chain (`host` for the host's own); may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Only types that are this or begin with it and a dot.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Only after this sequence number, oldest first; without it, the newest.
    #[serde(default)]
    pub after_seq: Option<u64>,
    /// At most this many, 1 to 1000; 50 unless said.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Go on with those that are appended from now on.
    #[serde(default)]
    pub follow: bool,
}

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

/// A boot gate and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// A tenant at a glance.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct TenantStatus {
    pub tenant: String,
    pub primary_state: String,
    pub claim_permission: String,
    pub degradation_reasons: Vec<String>,
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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PluginStatus {
    pub name: Option<String>,
    pub version: Option<String>,
    pub state: String,
    /// Why it is in that state, in one line.
    pub cause: Option<String>,
}

/// A plugin, or a file that is none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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

/// A daemon entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Task {
    pub name: String,
    pub every_seconds: f64,
    pub runs: u64,
    pub failures: u64,
    pub skipped: u64,
}

/// A tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
}

/// Somebody who acts in a tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Actor {
    pub actor_id: String,
    pub kind: String,
    pub name: String,
    pub active: bool,
    pub canonical: bool,
}

/// Who speaks for which tenant, and who could.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Identities {
    pub tenants: Vec<Identity>,
    pub providers: Vec<Provider>,
}

/// Somebody who could speak.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Provider {
    pub provider: String,
    pub plugin_version: String,
    pub plugin_digest: String,
}

/// Who speaks for a tenant.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct NextState {
    pub to_state: String,
    pub trigger: String,
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

/// An event that was appended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Appended {
    pub event_id: String,
    pub seq: Option<u64>,
    pub pending: bool,
    pub this_hash: Option<String>,
}

/// An event, with the fields of an export.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the record")]
pub struct Event {
    pub tenant: String,
    pub seq: u64,
    pub event_id: String,
    pub event_type: String,
    pub occurred_at_us: i64,
    pub actor_kind: Option<String>,
    pub actor_id: Option<String>,
    pub source: String,
    pub identity_generation: Option<u64>,
    pub idempotency_key: Option<String>,
    pub payload: String,
    pub prev_hash: Option<String>,
    pub this_hash: String,
}

/// What a reload did.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Reloaded {
    pub applied: Vec<String>,
    pub needs_restart: Vec<String>,
}
