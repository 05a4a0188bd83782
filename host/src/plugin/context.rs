//! A loaded plugin as the host services see it: who it is, what it was granted, and whom to ask.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    offers::{OfferKind, OfferSignals, Offers, OpenCalls, ResourceUpdated},
    ticket_call::TicketCall,
};
use crate::domain::{Clock, Digest, PluginName, TenantId};

/// Which code it is, as it stands in the source of every event that the plugin appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginIdentity {
    /// Its name.
    pub name: PluginName,
    /// Its version.
    pub version: String,
    /// The digest of the package, or of the bare library, that it was admitted from.
    pub digest: Digest,
}

impl PluginIdentity {
    /// `plugin@version#digest`.
    pub fn source(&self) -> String {
        format!("{}@{}#{}", self.name, self.version, self.digest)
    }
}

/// A permission of the manifest that opens a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the manifest")]
pub enum Permission {
    Events,
    State,
    Kv,
    Secrets,
    Tickets,
    Cost,
    Tools,
}

/// What the manifest asked for and the host grants.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a permission of its own")]
pub struct Grants {
    /// `events/1`.
    pub events: bool,
    /// `state/1`.
    pub state: bool,
    /// `kv/1`.
    pub kv: bool,
    /// `secrets/1`.
    pub secrets: bool,
    /// `tickets/1`.
    pub tickets: bool,
    /// `cost/1`.
    pub cost: bool,
    /// Calling tools through `tools/1`.
    pub tools: bool,
    /// The secrets that the manifest names; no other can be asked for.
    pub secret_names: Vec<String>,
}

impl Grants {
    fn has(&self, permission: Permission) -> bool {
        match permission {
            Permission::Events => self.events,
            Permission::State => self.state,
            Permission::Kv => self.kv,
            Permission::Secrets => self.secrets,
            Permission::Tickets => self.tickets,
            Permission::Cost => self.cost,
            Permission::Tools => self.tools,
        }
    }
}

/// The host services by name, each with the permission that opens it; of `tools/1` it opens only the calling of tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the services")]
pub enum Service {
    Log,
    Clock,
    Config,
    Tenants,
    Events,
    State,
    Kv,
    Secrets,
    Metrics,
    IdentityControl,
    Tickets,
    Cost,
    Tools,
    ToolCalls,
}

impl Service {
    fn permission(self) -> Option<Permission> {
        match self {
            Self::Events => Some(Permission::Events),
            Self::State => Some(Permission::State),
            Self::Kv => Some(Permission::Kv),
            Self::Secrets => Some(Permission::Secrets),
            Self::Tickets => Some(Permission::Tickets),
            Self::Cost => Some(Permission::Cost),
            Self::ToolCalls => Some(Permission::Tools),
            Self::Log
            | Self::Clock
            | Self::Config
            | Self::Tenants
            | Self::Metrics
            | Self::IdentityControl
            | Self::Tools => None,
        }
    }

    fn answers_during_register(self) -> bool {
        matches!(self, Self::Log | Self::Clock | Self::Config)
    }
}

/// Why the host refuses a plugin something. The message goes to the plugin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PortError {
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Denied(String),
    #[error("the plugin does not act for the tenant `{0}`")]
    TenantNotServed(String),
    #[error("{0}")]
    Unavailable(String),
    #[error("{0}")]
    Conflict(String),
    #[error("the secret `{0}` is not configured")]
    MissingCredential(String),
    #[error("{0}")]
    Quota(String),
}

/// What the host does for a plugin. `app` implements it. Everything was checked for form, permission and tenant before; what
/// is `async` runs on the host's runtime, the rest answers from memory.
#[async_trait]
pub trait HostPort: Send + Sync + 'static {
    /// The host's clock.
    fn clock(&self) -> &dyn Clock;
    /// When the host started, microseconds since 1970 UTC.
    fn boot_us(&self) -> i64;
    /// The most verbose level that is kept of the plugin: 0 none, 1 error … 5 trace.
    fn log_level(&self, plugin: &PluginName) -> u32;
    /// Takes a log record. Never blocks.
    fn log(&self, plugin: &PluginName, level: u32, target: &str, message: &str, fields: &Map<String, Value>);
    /// The plugin's configuration, with the tenant's overrides if one is given.
    fn config(&self, plugin: &PluginName, tenant: Option<&TenantId>) -> Map<String, Value>;
    /// Every configuration that the plugin may be given: the plain one, and that of each tenant that overrides it.
    fn configs(&self, plugin: &PluginName) -> Vec<(Option<TenantId>, Map<String, Value>)>;
    /// Where things are.
    fn host_info(&self, plugin: &PluginName) -> Value;
    /// Whom the plugin acts for, sorted, and whether it speaks for them.
    fn served(&self, plugin: &PluginName) -> Vec<(TenantId, bool)>;
    /// Whether the plugin acts for this tenant.
    fn serves(&self, plugin: &PluginName, tenant: &TenantId) -> bool;
    /// A tenant's operational state.
    fn state(&self, tenant: &TenantId) -> Result<Value, PortError>;
    /// A tenant's last transitions.
    fn state_history(&self, tenant: &TenantId) -> Result<Value, PortError>;
    /// How the host is.
    fn daemon_health(&self) -> Value;
    /// Adds to a counter, sets a gauge or adds a sample.
    fn metric(
        &self,
        plugin: &PluginName,
        kind: MetricKind,
        name: &str,
        labels: &BTreeMap<String, String>,
        value: f64,
    ) -> Result<(), PortError>;
    /// Queues a fresh look at what a provider says.
    fn announce_identity(
        &self,
        plugin: &PluginName,
        provider: &str,
        tenant: Option<TenantId>,
    ) -> Result<(), PortError>;
    /// Appends an event.
    async fn append(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        event_type: String,
        payload: Vec<u8>,
        idempotency_key: Option<String>,
    ) -> Result<Value, PortError>;
    /// Reads events.
    async fn read_events(
        &self,
        tenant: TenantId,
        after_seq: Option<u64>,
        prefix: Option<String>,
        limit: u32,
    ) -> Result<Value, PortError>;
    /// Adds or removes a degradation reason.
    async fn set_degradation(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        reason: String,
        present: bool,
        note: String,
    ) -> Result<(), PortError>;
    /// A value of the plugin's store.
    async fn kv_get(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        key: String,
    ) -> Result<Option<Vec<u8>>, PortError>;
    /// Keeps a value in the plugin's store.
    async fn kv_put(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), PortError>;
    /// Takes a value out of the plugin's store.
    async fn kv_delete(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        key: String,
    ) -> Result<bool, PortError>;
    /// The keys of the plugin's store.
    async fn kv_list(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        prefix: String,
    ) -> Result<Vec<String>, PortError>;
    /// Counts what a call of a model cost.
    async fn cost_record(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        usage: ReportedUsage,
    ) -> Result<Value, PortError>;
    /// How a tenant's money stands.
    async fn cost_state(&self, tenant: TenantId) -> Result<Value, PortError>;
    /// Whether money may be spent, and on which model.
    async fn may_spend(
        &self,
        tenant: TenantId,
        criticality: Option<String>,
        model: String,
    ) -> Result<Value, PortError>;
    /// A secret's bytes.
    async fn secret(
        &self,
        from: &PluginIdentity,
        tenant: Option<TenantId>,
        name: String,
    ) -> Result<Vec<u8>, PortError>;
    /// Something with tickets or the ledger.
    async fn tickets(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        call: TicketCall,
    ) -> Result<Value, PortError>;
    /// Calls a tool through the gate that callers pass.
    async fn call_tool(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        name: String,
        arguments: Value,
    ) -> Result<Value, PortError>;
}

/// A usage as a plugin tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the service")]
pub struct ReportedUsage {
    pub route: String,
    pub model: String,
    #[serde(default)]
    pub input_tokens: u64,
    #[serde(default)]
    pub output_tokens: u64,
    pub cost_micro_usd: i64,
    #[serde(default)]
    pub id: Option<String>,
}

/// What kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the usual ones")]
pub enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// Asynchronous calls of one plugin that are under way. A plugin that asks for more without waiting for answers would fill the
/// host's memory with what it hands over: 256 KiB each, at most.
pub(super) const CALLS_UNDER_WAY: usize = 1024;
/// Calls of one plugin's tools and their kin that are under way. Each may hold a request and an answer of 4 MiB.
pub(super) const OFFERS_UNDER_WAY: usize = 256;

const REGISTERING: u8 = 0;
const RUNNING: u8 = 1;
const RETIRED: u8 = 2;

/// Everything that a service call needs to know of its caller.
pub(super) struct PluginContext {
    pub identity: PluginIdentity,
    pub grants: Grants,
    pub port: Arc<dyn HostPort>,
    pub runtime: tokio::runtime::Handle,
    /// Tells that what the plugin offers has changed.
    pub signals: Arc<OfferSignals>,
    /// Calls of its tools that are under way.
    pub open_calls: Arc<OpenCalls>,
    /// Room for calls of what it offers.
    pub offers_under_way: Semaphore,
    offers: OnceLock<Arc<Offers>>,
    phase: AtomicU8,
    calls: Arc<Semaphore>,
}

impl PluginContext {
    pub fn new(
        identity: PluginIdentity,
        grants: Grants,
        port: Arc<dyn HostPort>,
        signals: Arc<OfferSignals>,
        runtime: tokio::runtime::Handle,
    ) -> Self {
        Self {
            identity,
            grants,
            port,
            runtime,
            signals,
            open_calls: Arc::default(),
            offers_under_way: Semaphore::new(OFFERS_UNDER_WAY),
            offers: OnceLock::new(),
            phase: AtomicU8::new(REGISTERING),
            calls: Arc::new(Semaphore::new(CALLS_UNDER_WAY)),
        }
    }

    /// Room for one more asynchronous call, given back when it is dropped.
    pub fn begin_call(&self) -> Result<OwnedSemaphorePermit, PortError> {
        self.calls.clone().try_acquire_owned().map_err(|_| {
            PortError::Quota(format!(
                "{CALLS_UNDER_WAY} calls of the plugin are under way: wait for some of their answers"
            ))
        })
    }

    /// What it offers, once that is accepted.
    pub fn offers(&self, offers: Arc<Offers>) {
        // It registers once.
        drop(self.offers.set(offers));
    }

    /// Shows or hides something that the plugin registered, and tells of it if that is a change.
    pub fn set_offered(&self, kind: &str, name: &str, is_offered: bool) -> Result<(), PortError> {
        let kind: OfferKind = kind
            .parse()
            .map_err(|error: crate::domain::UnknownWireValue| PortError::Invalid(error.to_string()))?;
        let offers = self.offers.get();
        match offers.and_then(|offers| offers.set_offered(kind, name, is_offered)) {
            Some(has_changed) => {
                if has_changed {
                    self.signals.changed(kind);
                }
                Ok(())
            }
            None => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
                let message =
                    format!("the plugin registered no {kind} `{name}` that could be shown or hidden");
                Err(PortError::Invalid(message))
            }
        }
    }

    /// A resource of the plugin's has changed.
    pub fn resource_updated(&self, uri: &str) -> Result<(), PortError> {
        let is_own = self.offers.get().is_some_and(|offers| offers.holds_resource(uri));
        if !is_own {
            let uri: String = uri.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(PortError::Invalid(format!(
                "the plugin registered no resource `{uri}`"
            )));
        }
        self.signals.updated(ResourceUpdated {
            plugin: self.identity.name.clone(),
            uri: uri.to_owned(),
        });
        Ok(())
    }

    /// What was registered is accepted: the other services answer from now on.
    pub fn accepted(&self) {
        self.phase.store(RUNNING, Ordering::Release);
    }

    /// Nothing but the log and the clock answers any more.
    pub fn retired(&self) {
        self.phase.store(RETIRED, Ordering::Release);
    }

    /// Whether the service answers now, to this plugin.
    pub fn allows(&self, service: Service) -> Result<(), PortError> {
        let name = &self.identity.name;
        if let Some(permission) = service.permission()
            && !self.grants.has(permission)
        {
            let key = format!("{permission:?}").to_lowercase();
            let message = format!("the manifest of `{name}` does not ask for `permissions.{key}`");
            return Err(PortError::Denied(message));
        }
        match self.phase.load(Ordering::Acquire) {
            RUNNING => Ok(()),
            REGISTERING if service.answers_during_register() => Ok(()),
            RETIRED if matches!(service, Service::Log | Service::Clock) => Ok(()),
            REGISTERING => Err(PortError::Unavailable(
                "this service does not answer during `register`".into(),
            )),
            _ => Err(PortError::Unavailable(format!("the plugin `{name}` has stopped"))),
        }
    }

    /// The tenant, if the plugin acts for it. One that is malformed or unknown is answered alike.
    pub fn tenant(&self, bytes: &[u8]) -> Result<TenantId, PortError> {
        let text = std::str::from_utf8(bytes).map_err(|_| not_utf8("tenant"))?;
        let refused = || PortError::TenantNotServed(text.chars().take(80).collect());
        let tenant: TenantId = text.parse().map_err(|_| refused())?;
        if self.port.serves(&self.identity.name, &tenant) {
            Ok(tenant)
        } else {
            Err(refused())
        }
    }

    /// As [`tenant`](Self::tenant), with empty bytes for "none".
    pub fn tenant_or_none(&self, bytes: &[u8]) -> Result<Option<TenantId>, PortError> {
        if bytes.is_empty() {
            Ok(None)
        } else {
            self.tenant(bytes).map(Some)
        }
    }
}

pub(super) fn not_utf8(what: &str) -> PortError {
    PortError::Invalid(format!("the {what} is not UTF-8"))
}
