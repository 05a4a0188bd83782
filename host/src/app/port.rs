//! What plugins may ask of this host: the port behind the host services.
//!
//! Parts that are made after the first plugin is loaded are filled in once; until then a plugin is answered that they are not
//! there yet.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use super::{
    announcements::{Announcement, Announcements},
    port_cost,
    ticketing::answer_plugin,
    wire,
};
use crate::{
    config::Config,
    coordinator::CoordinatorHandle,
    cost::Costs,
    domain::{Clock, DegradationReason, PluginName, ProviderId, TenantId},
    engine::cost::ModelSteps,
    events::{AppendRequest, EventLog, Writer},
    identity::Identities,
    plugin::{HostPort, MetricKind, PluginIdentity, PortError, ReportedUsage, TicketCall, ToolGate},
    secrets::{SecretError, Secrets},
    state::{HISTORY_LEN, States},
    store::{Batch, Change, EventFilter, KvScope, Order, Store},
    telemetry::{LoggingHandle, Metrics},
    tenants::Tenants,
    tickets::Tickets,
};

/// What all keys and values of one plugin for one tenant may take: enough for counters and cursors, too little for a
/// database.
const KV_QUOTA_BYTES: u64 = 16 << 20;
fn no_state(tenant: &TenantId) -> PortError {
    PortError::Unavailable(format!("the tenant `{tenant}` has no operational state yet"))
}

/// Behind the host services.
pub struct Port {
    pub clock: Arc<dyn Clock>,
    pub config: Arc<ArcSwap<Config>>,
    pub logging: LoggingHandle,
    pub metrics: Arc<Metrics>,
    pub secrets: Arc<Secrets>,
    pub store: Arc<dyn Store>,
    pub log: Arc<EventLog>,
    pub states: Arc<States>,
    pub costs: Costs,
    pub tenants: OnceLock<Tenants>,
    pub identities: OnceLock<Identities>,
    pub tickets: OnceLock<Tickets>,
    /// The gate before all tools.
    pub tools: OnceLock<Arc<dyn ToolGate>>,
    pub coordinator: CoordinatorHandle,
    pub announcements: Arc<Announcements>,
}

impl Port {
    fn writer(from: &PluginIdentity) -> Result<Writer, PortError> {
        let version = from
            .version
            .parse()
            .map_err(|_| PortError::Failed("the version is not semantic".into()))?;
        Ok(Writer::plugin(&from.name, &version, from.digest))
    }

    fn scope(from: &PluginIdentity, tenant: TenantId) -> KvScope {
        KvScope {
            plugin: from.name.to_string(),
            tenant,
        }
    }

    fn speaks(&self, plugin: &PluginName, tenant: &TenantId) -> bool {
        let speaking = self
            .identities
            .get()
            .and_then(|identities| identities.slots().speaking(tenant));
        speaking.is_some_and(|speaking| {
            speaking
                .provider
                .as_ref()
                .is_some_and(|p| p.plugin() == plugin.as_str())
        })
    }

    fn is_bound(&self, plugin: &PluginName, tenant: &TenantId) -> bool {
        self.config
            .load()
            .tenant(tenant)
            .is_some_and(|section| section.plugins.contains(plugin))
    }
}

#[async_trait]
impl HostPort for Port {
    fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    fn boot_us(&self) -> i64 {
        self.coordinator.boot_at().as_micros()
    }

    fn log_level(&self, plugin: &PluginName) -> u32 {
        self.logging.max_level(plugin.as_str())
    }

    fn log(&self, plugin: &PluginName, level: u32, target: &str, message: &str, fields: &Map<String, Value>) {
        self.logging
            .emit_plugin(plugin.as_str(), level, target, message, fields);
    }

    fn config(&self, plugin: &PluginName, tenant: Option<&TenantId>) -> Map<String, Value> {
        self.config.load().plugin_config(plugin, tenant)
    }

    fn configs(&self, plugin: &PluginName) -> Vec<(Option<TenantId>, Map<String, Value>)> {
        self.config.load().plugin_configs(plugin)
    }

    fn host_info(&self, plugin: &PluginName) -> Value {
        let config = self.config.load();
        let home = config.home();
        let data_dir: PathBuf = home.data().join("plugins").join(plugin.as_str());
        json!({
            "plugin": plugin,
            "version": env!("CARGO_PKG_VERSION"),
            "cache_dir": home.cache(),
            "data_dir": data_dir,
        })
    }

    fn served(&self, plugin: &PluginName) -> Vec<(TenantId, bool)> {
        let Some(tenants) = self.tenants.get() else {
            return Vec::new();
        };
        let served = tenants.served().into_iter();
        served
            .filter(|tenant| self.serves(plugin, tenant))
            .map(|tenant| (tenant.clone(), self.speaks(plugin, &tenant)))
            .collect()
    }

    fn serves(&self, plugin: &PluginName, tenant: &TenantId) -> bool {
        let known = self
            .tenants
            .get()
            .is_some_and(|tenants| tenants.is_served(tenant));
        known && (self.speaks(plugin, tenant) || self.is_bound(plugin, tenant))
    }

    fn state(&self, tenant: &TenantId) -> Result<Value, PortError> {
        let now = self.states.current(tenant).ok_or_else(|| no_state(tenant))?;
        Ok(json!({
            "primary_state": now.state.primary_state,
            "claim_permission": now.state.claim_permission,
            "degradation_reasons": now.state.reasons_sorted(),
            "entered_at_us": now.entered_at.as_micros(),
        }))
    }

    fn state_history(&self, tenant: &TenantId) -> Result<Value, PortError> {
        let history = self
            .states
            .history(tenant, HISTORY_LEN)
            .ok_or_else(|| no_state(tenant))?;
        serde_json::to_value(history).map_err(|error| PortError::Failed(error.to_string()))
    }

    fn daemon_health(&self) -> Value {
        let status = self.coordinator.status();
        let daemons = status.entries.iter().map(|entry| {
            json!({"plugin": entry.id.plugin(), "name": entry.id.name(), "state": entry.state.as_str()})
        });
        json!({
            "daemon_session_id": status.daemon_session_id,
            "boot_at_us": status.boot_at.as_micros(),
            "uptime_seconds": status.uptime.as_secs(),
            "daemons": daemons.collect::<Vec<_>>(),
            "recent_error_count_5min": self.logging.recent_errors(),
        })
    }

    fn metric(
        &self,
        plugin: &PluginName,
        kind: MetricKind,
        name: &str,
        labels: &BTreeMap<String, String>,
        value: f64,
    ) -> Result<(), PortError> {
        let plugins = &self.metrics.plugins;
        let recorded = match kind {
            MetricKind::Counter => plugins.add(plugin.as_str(), name, labels, value),
            MetricKind::Gauge => plugins.set(plugin.as_str(), name, labels, value),
            MetricKind::Histogram => plugins.observe(plugin.as_str(), name, labels, value),
        };
        recorded.map_err(|error| PortError::Invalid(error.to_string()))
    }

    fn announce_identity(
        &self,
        plugin: &PluginName,
        provider: &str,
        tenant: Option<TenantId>,
    ) -> Result<(), PortError> {
        let provider = ProviderId::new(plugin, provider).map_err(|e| PortError::Invalid(e.to_string()))?;
        self.announcements
            .push(Announcement { provider, tenant })
            .map_err(|error| PortError::Quota(error.to_string()))
    }

    async fn append(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        event_type: String,
        payload: Vec<u8>,
        idempotency_key: Option<String>,
    ) -> Result<Value, PortError> {
        let event_type = event_type
            .parse()
            .map_err(|e: crate::domain::InvalidEventType| PortError::Invalid(e.to_string()))?;
        let mut request = AppendRequest::new(tenant, event_type, payload, Self::writer(from)?);
        request.idempotency_key = idempotency_key;
        let receipt = self.log.append(request).await.map_err(wire::append_error)?;
        Ok(json!({"event_id": receipt.event_id, "seq": receipt.seq, "pending": receipt.pending}))
    }

    async fn read_events(
        &self,
        tenant: TenantId,
        after_seq: Option<u64>,
        prefix: Option<String>,
        limit: u32,
    ) -> Result<Value, PortError> {
        let order = if after_seq.is_some() {
            Order::OldestFirst
        } else {
            Order::NewestFirst
        };
        let filter = EventFilter {
            after_seq,
            prefixes: prefix.into_iter().collect(),
            limit,
            order,
            ..EventFilter::default()
        };
        let events = self.log.page(&tenant, filter).await.map_err(wire::read_error)?;
        Ok(events.iter().map(wire::event).collect())
    }

    async fn set_degradation(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        reason: String,
        present: bool,
        note: String,
    ) -> Result<(), PortError> {
        let reason: DegradationReason = reason
            .parse()
            .map_err(|e: crate::domain::UnknownWireValue| PortError::Invalid(e.to_string()))?;
        let writer = Self::writer(from)?;
        let changed = self
            .states
            .set_degradation(&tenant, reason, present, &note, &writer)
            .await;
        changed
            .map(drop)
            .map_err(|error| PortError::Conflict(error.to_string()))
    }

    async fn kv_get(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        key: String,
    ) -> Result<Option<Vec<u8>>, PortError> {
        let scope = Self::scope(from, tenant);
        self.store
            .kv_get(&scope, &key)
            .await
            .map_err(|e| PortError::Unavailable(e.to_string()))
    }

    async fn kv_put(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        key: String,
        value: Vec<u8>,
    ) -> Result<(), PortError> {
        let scope = Self::scope(from, tenant);
        let change = Change::KvPut {
            scope,
            key,
            value,
            quota: KV_QUOTA_BYTES,
        };
        let batch = Batch {
            changes: vec![change],
            ..Batch::default()
        };
        self.store
            .commit(batch)
            .await
            .map(drop)
            .map_err(wire::commit_error)
    }

    async fn kv_delete(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        key: String,
    ) -> Result<bool, PortError> {
        let scope = Self::scope(from, tenant);
        let there = self.store.kv_get(&scope, &key).await;
        let there = there
            .map_err(|e| PortError::Unavailable(e.to_string()))?
            .is_some();
        let batch = Batch {
            changes: vec![Change::KvDelete { scope, key }],
            ..Batch::default()
        };
        self.store.commit(batch).await.map_err(wire::commit_error)?;
        Ok(there)
    }

    async fn kv_list(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        prefix: String,
    ) -> Result<Vec<String>, PortError> {
        let scope = Self::scope(from, tenant);
        let (keys, _) = self
            .store
            .kv_list(&scope, &prefix)
            .await
            .map_err(|e| PortError::Unavailable(e.to_string()))?;
        Ok(keys)
    }

    async fn cost_record(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        usage: ReportedUsage,
    ) -> Result<Value, PortError> {
        let recorded = self.costs.record(&tenant, port_cost::usage(from, usage)).await;
        recorded.map(port_cost::recorded).map_err(port_cost::error)
    }

    async fn cost_state(&self, tenant: TenantId) -> Result<Value, PortError> {
        let state = self.costs.state(&tenant).await;
        state.map(port_cost::state).map_err(port_cost::error)
    }

    async fn may_spend(
        &self,
        tenant: TenantId,
        criticality: Option<String>,
        model: String,
    ) -> Result<Value, PortError> {
        let criticality = port_cost::criticality(criticality)?;
        let decision = self.costs.may_spend(&tenant, criticality).await;
        let steps = ModelSteps::new(self.config.load().cost.models.clone());
        Ok(port_cost::decided(&decision, &steps, &model))
    }

    async fn secret(
        &self,
        from: &PluginIdentity,
        tenant: Option<TenantId>,
        name: String,
    ) -> Result<Vec<u8>, PortError> {
        let (secrets, plugin) = (self.secrets.clone(), from.name.clone());
        let read = tokio::task::spawn_blocking(move || {
            let secret = secrets.get(&plugin, tenant.as_ref(), &name)?;
            Ok(secret.expose_secret().to_vec())
        });
        match read.await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(SecretError::NotConfigured { name, .. })) => Err(PortError::MissingCredential(name)),
            Ok(Err(error)) => Err(PortError::Failed(error.to_string())),
            Err(_) => Err(PortError::Failed("reading the secret failed".to_owned())),
        }
    }

    async fn tickets(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        call: TicketCall,
    ) -> Result<Value, PortError> {
        let not_yet = || PortError::Unavailable("the host has no tickets yet".to_owned());
        let tickets = self.tickets.get().ok_or_else(not_yet)?;
        answer_plugin(tickets, from, tenant, call).await
    }

    async fn call_tool(
        &self,
        from: &PluginIdentity,
        tenant: TenantId,
        name: String,
        arguments: Value,
    ) -> Result<Value, PortError> {
        let not_yet = || PortError::Unavailable("the host has no tools yet".to_owned());
        let gate = self.tools.get().ok_or_else(not_yet)?;
        gate.call(from, tenant, &name, arguments).await
    }
}
