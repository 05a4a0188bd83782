//! The use cases: the one API that the rims call. What they take and answer is plain data; who asks is set by the rim.

pub mod api;
mod boot;
mod changes;
mod checkpoints;
mod config;
mod control;
mod cost;
mod dispatch;
mod elsewhere;
mod entries;
mod event_stream;
mod events;
mod health;
mod holding;
mod identity;
mod logs;
mod next_states;
mod plugin_settings;
mod plugins;
mod problem;
mod state;
mod status;
mod store_place;
mod tenancy;
mod tenant_boots;
mod tenants;
mod tickets;
pub mod tools;
mod waiting;
mod webhooks;

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use arc_swap::ArcSwap;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    checkpoints::Checkpoints,
    config::{Config, ConfigProblems},
    control::Controls,
    coordinator::{CoordinatorHandle, HostState},
    cost::Costs,
    disk::DiskWatch,
    domain::{Clock, TenantId},
    engine::transition::GateReport,
    events::{EventLog, Writer},
    gates::{EpochHold, History, KnownEpoch},
    health::Health,
    identity::Identities,
    membership::Membership,
    plugin::{Platform, Registry},
    secrets::Secrets,
    state::States,
    store::Store,
    telemetry::{LoggingHandle, Metrics},
    tickets::Tickets,
};

pub use crate::access::Principal;
pub use changes::{Change, Changes, STATE_CHANGED};
pub use event_stream::{EventStream, Places};
pub use events::EventsBefore;
pub use plugin_settings::plugin_setting_problems;
pub use plugins::{PluginTurn, plugin_policy};
pub use problem::{Problem, ProblemKind};
pub use state::TakenAway;
pub use store_place::{other_store_place, store_place};
pub use tenant_boots::{Begun, show as show_waiting};
pub use tenants::{agent_name, identity_seed};
pub use waiting::TENANTS_AT_ONCE;
pub use webhooks::{IncomingWebhook, WebhookOutcome, WebhookReply};

use tenant_boots::TenantBoots;
use waiting::Waiting;

/// Where the configuration comes from. Both read files: not for a worker of the runtime.
pub trait ConfigSource: Send + Sync + 'static {
    /// Reads and judges the whole.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn read(&self) -> Result<Config, ConfigProblems>;

    /// Writes down whether a plugin is to be loaded; everything else stays as it is.
    ///
    /// # Errors
    /// Why the file was not changed.
    fn set_plugin_enabled(&self, plugin: &crate::domain::PluginName, enabled: bool) -> Result<(), String>;
}

/// The host's own account of what it does, as far as the use cases add to it.
pub trait AccountsPort: Send + Sync + 'static {
    /// The configuration was read again for this one.
    fn reloaded(&self, by: Writer, reloaded: &api::Reloaded);
}

/// Everything that the use cases work with. `app` makes it.
pub struct Parts {
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// Where it comes from.
    pub config_source: Arc<dyn ConfigSource>,
    /// Only these entries run, as `name` or `plugin/name`; empty: all that the configuration chooses.
    pub only: Vec<String>,
    /// What this machine can load.
    pub platform: Platform,
    /// What is durable.
    pub store: Arc<dyn Store>,
    /// The chains.
    pub log: Arc<EventLog>,
    /// The operational states.
    pub states: Arc<States>,
    /// The stop commands.
    pub controls: Controls,
    /// The hosts on the store, and who of them holds which tenant.
    pub membership: Membership,
    /// The tenants.
    pub tenants: crate::tenants::Tenants,
    /// Who speaks for them.
    pub identities: Identities,
    /// The tickets and the ledger.
    pub tickets: Tickets,
    /// What they spent.
    pub costs: Costs,
    /// How healthy they are.
    pub health: Health,
    /// The plugins.
    pub plugins: Arc<Registry>,
    /// The daemon entries.
    pub coordinator: CoordinatorHandle,
    /// The log.
    pub logging: LoggingHandle,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Who signs the chains.
    pub checkpoints: Arc<Checkpoints>,
    /// The room that is left.
    pub disk: Arc<DiskWatch>,
    /// The secrets.
    pub secrets: Arc<Secrets>,
    /// The host's own chain.
    pub accounts: Arc<dyn AccountsPort>,
    /// Tasks that end with the host.
    pub tasks: TaskTracker,
    /// Names this boot in boot events: `boot_` and 8 hexadecimal digits.
    pub boot_id: String,
    /// Where the store is, for people.
    pub store_place: String,
    /// The machine's clocks.
    pub clock: Arc<dyn Clock>,
    /// The boots so far.
    pub history: History,
    /// Whether an epoch that was not accepted holds the tenants.
    pub epoch_hold: EpochHold,
    /// Where this home remembers the epoch that it knows.
    pub known_epoch: KnownEpoch,
}

/// The use cases.
pub struct Service {
    parts: Parts,
    /// What was asked for is done here, whichever runtime asked.
    runtime: tokio::runtime::Handle,
    gates: Mutex<Vec<GateReport>>,
    booted: std::sync::atomic::AtomicBool,
    plugin_changes: tokio::sync::Mutex<()>,
    tenant_changes: tokio::sync::Mutex<()>,
    waits_for_restart: Mutex<Vec<String>>,
    /// Tenants that boot once the host has.
    pub waiting: Waiting,
    /// Of each tenant that did not come up, the gate that kept it down, as it went last.
    failed_gates: Mutex<BTreeMap<TenantId, GateReport>>,
    elsewhere: elsewhere::Elsewhere,
    /// Cancelled when streams to callers are to end.
    surface_closing: CancellationToken,
    /// Where callers reach the host.
    http: std::sync::OnceLock<std::net::SocketAddr>,
    /// Where webhooks reach it.
    webhooks: std::sync::OnceLock<std::net::SocketAddr>,
}

impl std::ops::Deref for Service {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Service {
    /// Over these parts, on the runtime within which this is called.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            runtime: tokio::runtime::Handle::current(),
            gates: Mutex::default(),
            booted: false.into(),
            plugin_changes: tokio::sync::Mutex::default(),
            tenant_changes: tokio::sync::Mutex::default(),
            waits_for_restart: Mutex::default(),
            waiting: Waiting::default(),
            failed_gates: Mutex::default(),
            elsewhere: elsewhere::Elsewhere::default(),
            surface_closing: CancellationToken::new(),
            http: std::sync::OnceLock::new(),
            webhooks: std::sync::OnceLock::new(),
        }
    }

    /// Carries out what was asked for, to its end although whoever asked goes away. What never has to wait is done at once where it was
    /// asked for, and needs no task, which would cost as much; whatever it starts is the host's in any case.
    ///
    /// # Errors
    /// If it panicked after it had waited, or the host ended meanwhile. A panic before that is the caller's.
    pub async fn run_to_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        let mut work = Box::pin(work);
        let begun = poll_fn(|context| {
            let _within = self.runtime.enter();
            Poll::Ready(work.as_mut().poll(context))
        });
        match begun.await {
            Poll::Ready(done) => Ok(done),
            Poll::Pending => self.tasks.spawn_on(work, &self.runtime).await,
        }
    }

    /// Carries it out as a task of the host's, where a panic ends nothing else.
    ///
    /// # Errors
    /// If it panicked, or the host ended meanwhile.
    pub async fn run_apart<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, tokio::task::JoinError> {
        self.tasks.spawn_on(work, &self.runtime).await
    }

    /// Notes how a boot gate of the host went.
    pub fn note_gate(&self, gate: GateReport) {
        self.gates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(gate);
    }

    /// The boot gates of the host so far.
    pub fn gate_reports(&self) -> Vec<GateReport> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes which gate keeps a tenant down, or that none does.
    fn note_failed_gate(&self, tenant: &TenantId, failed: Option<&GateReport>) {
        let mut gates = self.failed_gates.lock().unwrap_or_else(PoisonError::into_inner);
        match failed {
            Some(gate) => gates.insert(tenant.clone(), gate.clone()),
            None => gates.remove(tenant),
        };
    }

    /// The gate that keeps a tenant down, if one does.
    fn failed_gate(&self, tenant: &TenantId) -> Option<api::Gate> {
        let gates = self.failed_gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.get(tenant).cloned().map(api::Gate::from)
    }

    /// Says that the first tenants have left `booting`: the host is `running` from here on.
    pub fn note_booted(&self) {
        self.booted.store(true, std::sync::atomic::Ordering::Release);
    }

    /// The coordinator runs before the tenants have booted; the host does not.
    fn state_of_host(&self, coordinator: HostState) -> &'static str {
        match coordinator {
            HostState::Running if !self.booted.load(std::sync::atomic::Ordering::Acquire) => {
                HostState::Booting.as_str()
            }
            state => state.as_str(),
        }
    }

    fn gates(&self) -> Vec<api::Gate> {
        self.gate_reports().into_iter().map(api::Gate::from).collect()
    }
}

impl From<GateReport> for api::Gate {
    fn from(gate: GateReport) -> Self {
        Self {
            gate_id: gate.gate_id,
            gate_class: gate.gate_class.to_string(),
            outcome: gate.outcome.to_string(),
            attempts: gate.attempts,
            elapsed_ms: gate.elapsed_ms,
            detail: gate.detail,
        }
    }
}
