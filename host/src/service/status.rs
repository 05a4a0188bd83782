//! How the host is, at one moment.

use super::{Principal, Service, api};
use crate::{
    coordinator::EntryStatus,
    disk::DiskReport,
    domain::{OperationalState, TenantId},
    engine::{disk::Limits, health::Health},
    store::StoreHealth,
};

const MIB: u64 = 1024 * 1024;
/// What [`Service::state_of_host`] says of a host that neither boots nor stops.
const RUNNING: &str = "running";

impl Service {
    /// How the host is.
    pub async fn status(&self) -> api::Status {
        let health = self.health_words().await;
        let coordinator = self.coordinator.status();
        let (store, store_cause) = match self.store.health() {
            StoreHealth::Available => ("available", None),
            StoreHealth::Unavailable { cause } => ("unavailable", Some(cause)),
            StoreHealth::Closed => ("closed", None),
        };
        let served = self
            .tenants
            .list()
            .into_iter()
            .filter(|listed| listed.record.active);
        api::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            state: self.state_of_host(coordinator.state).to_owned(),
            daemon_session_id: coordinator.daemon_session_id,
            boot_at: coordinator.boot_at.to_rfc3339_seconds(),
            uptime_seconds: coordinator.uptime.as_secs(),
            shutdown_reason: coordinator.shutdown_reason.map(|reason| reason.to_string()),
            home: self.config.load().home().root().display().to_string(),
            http: self.http.get().map(ToString::to_string),
            webhooks: self.webhooks.get().map(ToString::to_string),
            store: store.to_owned(),
            store_cause,
            store_place: self.store_place.clone(),
            spooled_events: u64::try_from(self.log.waiting_entries()).unwrap_or(u64::MAX),
            recent_error_count_5min: self.logging.recent_errors(),
            disk: self
                .disk
                .now(self.disk_limits())
                .await
                .map(|report| disk(&report)),
            checkpoint_faults: self.checkpoints.faults(),
            gates: self.gates(),
            tenants: served
                .map(|listed| listed.record.tenant)
                .map(|tenant| self.tenant_status(&tenant, health.get(&tenant).copied()))
                .collect(),
            plugins: self
                .plugins
                .reports()
                .into_iter()
                .map(|report| api::PluginStatus {
                    name: report.admitted.as_ref().map(|a| a.manifest.name.to_string()),
                    version: report.admitted.as_ref().map(|a| a.manifest.version.to_string()),
                    state: report.state.to_string(),
                    cause: report.cause,
                })
                .collect(),
            daemons: coordinator.entries.into_iter().map(daemon).collect(),
        }
    }

    /// Why the host ends, if it does: to who may know of its affairs in the words of the reason, to others what sort of one it is.
    pub fn shutdown_reason(&self, by: &Principal) -> Option<String> {
        let reason = self.coordinator.shutdown_reason()?;
        Some(match by.sees_all() {
            true => reason.to_string(),
            false => reason.sort(),
        })
    }

    /// From when room is low.
    pub fn disk_limits(&self) -> Limits {
        let config = self.config.load();
        Limits {
            free_bytes: config.disk.warn_free_mib.saturating_mul(MIB),
            free_percent: config.disk.warn_free_percent,
        }
    }

    /// Notes where callers reach the host.
    pub fn note_http(&self, address: std::net::SocketAddr) {
        // There is one surface in the life of a host.
        let _ = self.http.set(address);
    }

    /// Notes where webhooks reach the host.
    pub fn note_webhooks(&self, address: std::net::SocketAddr) {
        // Likewise.
        let _ = self.webhooks.set(address);
    }

    /// Whether the host can be worked with.
    ///
    /// # Errors
    /// Why not: `booting`, `shutting_down`, or what is the matter with the store.
    pub fn readiness(&self) -> Result<(), String> {
        let state = self.state_of_host(self.coordinator.status().state);
        if state != RUNNING {
            return Err(state.to_owned());
        }
        match self.store.health() {
            StoreHealth::Available => Ok(()),
            StoreHealth::Unavailable { .. } => Err("store_unavailable".to_owned()),
            StoreHealth::Closed => Err("store_closed".to_owned()),
        }
    }

    /// Whether the boot is over and the host does not stop yet: every plugin that is to be up had its turn.
    pub fn is_running(&self) -> bool {
        self.state_of_host(self.coordinator.status().state) == RUNNING
    }

    fn tenant_status(&self, tenant: &TenantId, health: Option<Health>) -> api::TenantStatus {
        let speaking = self.identities.slots().speaking(tenant);
        let shown = self.shown_state(tenant);
        api::TenantStatus {
            tenant: tenant.to_string(),
            primary_state: shown.primary_state,
            claim_permission: shown.claim_permission,
            degradation_reasons: shown.degradation_reasons,
            held_by: shown.held_by,
            agent_name: speaking.as_ref().map(|s| s.snapshot.agent_name.clone()),
            provider: speaking
                .as_ref()
                .and_then(|s| s.provider.as_ref())
                .map(ToString::to_string),
            generation: speaking.as_ref().map(|s| s.generation),
            failed_gate: self.failed_gate(tenant),
            health: health.map(|health| health.to_string()),
        }
    }

    /// The state that a tenant has here; of one that another host holds, what its chain told last.
    fn shown_state(&self, tenant: &TenantId) -> ShownState {
        if let Some(now) = self.states.current(tenant) {
            return ShownState::of(&now.state, None);
        }
        let Some(holder) = self.membership.holder(tenant) else {
            return ShownState::of(&OperationalState::booting(), None);
        };
        match self.told_elsewhere(tenant) {
            Some(told) => {
                let state = OperationalState {
                    primary_state: told.to_primary_state,
                    claim_permission: told.claim_permission,
                    degradation_reasons: told.degradation_reasons,
                };
                ShownState::of(&state, Some(holder))
            }
            None => ShownState {
                primary_state: UNKNOWN.to_owned(),
                claim_permission: UNKNOWN.to_owned(),
                degradation_reasons: Vec::new(),
                held_by: Some(holder),
            },
        }
    }
}

/// The state of another host's tenant until its chain was read.
const UNKNOWN: &str = "unknown";

/// A tenant's state, in words, and the other host where it has it.
struct ShownState {
    primary_state: String,
    claim_permission: String,
    degradation_reasons: Vec<String>,
    held_by: Option<String>,
}

impl ShownState {
    fn of(state: &OperationalState, held_by: Option<String>) -> Self {
        let reasons = state.reasons_sorted().into_iter();
        Self {
            primary_state: state.primary_state.to_string(),
            claim_permission: state.claim_permission.to_string(),
            degradation_reasons: reasons.map(str::to_owned).collect(),
            held_by,
        }
    }
}

fn disk(report: &DiskReport) -> api::Disk {
    api::Disk {
        free_bytes: report.space.free_bytes,
        total_bytes: report.space.total_bytes,
        is_low: report.is_low,
        store_bytes: report.store_bytes,
        growth_bytes_per_day: report.growth_bytes_per_day,
    }
}

fn daemon(entry: EntryStatus) -> api::Daemon {
    let task = |task: crate::coordinator::TaskStatus| api::Task {
        name: task.name,
        every_seconds: task.every.as_secs_f64(),
        runs: task.ticks,
        failures: task.failures,
        skipped: task.skipped,
    };
    api::Daemon {
        plugin: entry.id.plugin().to_owned(),
        name: entry.id.name().to_owned(),
        state: entry.state.to_string(),
        cause: entry.detail.or(entry.last_error),
        restarts: u64::from(entry.restarts),
        fatal_on_startup_failure: entry.fatal_on_startup_failure,
        shutdown_timeout_seconds: entry.shutdown_timeout.as_secs_f64(),
        tasks: entry.tasks.into_iter().map(task).collect(),
    }
}
