//! What may be asked and what is answered, as it also travels over the control socket.
//!
//! Times are RFC 3339 in UTC; hashes and digests 64 hexadecimal digits; fields that are absent are `null`.

mod boot;
mod chains;
mod control;
mod cost;
mod events;
mod health;
mod identity;
mod logs;
mod state;
mod status;
mod tenants;
mod tickets;
mod tools;

pub use boot::{AcceptEpoch, Boot, BootHistory, EpochAccepted, Gate};
pub use chains::{Checkpoint, Disk};
pub use control::{Command, CommandInForce, CommandIssued, Commands, PredictedChange, Reset, Stop, Whom};
pub use cost::{
    CostReconciled, CostState, ReconcileCost, RecordUsage, RefreshCost, UsageLine, UsageRecorded,
};
pub use events::{AppendEvent, Appended, Event, TailEvents};
pub use health::{Health, Subsignal, TenantHealth};
pub use identity::{Identities, Identity, Provider, Rollback, Swap, Swapped, Why};
pub use logs::{LogLevels, LogRecord, SetLogLevel, TailLogs};
pub use state::{NextState, State, StateChanged, StateRequest, Transition};
pub use status::{Daemon, Plugin, PluginStatus, Status, Task, TenantStatus};
pub use tenants::{Actor, AddTenant, MaybeTenant, OneTenant, Tenant};
pub use tickets::*;
pub use tools::{CallTool, ServeMcp, Tool};

use serde::{Deserialize, Serialize};

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
    /// Every tool: an array of [`Tool`]. Answered by the rim, as the other calls of `tools` and `mcp` are.
    #[serde(rename = "tools.list")]
    ToolsList(Nothing),
    /// Calls a tool through the gate: what the tool answers.
    #[serde(rename = "tools.call")]
    ToolsCall(CallTool),
    /// From here on the connection speaks MCP, one message on each line; answered with `null` before that.
    #[serde(rename = "mcp.serve")]
    McpServe(ServeMcp),
    /// Writes what waits of the audit, for who reads its files; answered with `null`. Answered by the rim.
    #[serde(rename = "audit.flush")]
    AuditFlush(Nothing),
    /// Records of the log, the oldest first: an array of [`LogRecord`]. If it is to follow: one by one, and then those that are logged
    /// from now on.
    #[serde(rename = "logs.tail")]
    LogsTail(TailLogs),
    /// How much is logged: [`LogLevels`].
    #[serde(rename = "logs.levels")]
    LogsLevels(Nothing),
    /// Changes how much is logged: [`LogLevels`].
    #[serde(rename = "logs.set_level")]
    LogsSetLevel(SetLogLevel),
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

/// What a reload did.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Reloaded {
    pub applied: Vec<String>,
    pub needs_restart: Vec<String>,
}
