//! The host, as an author sees it.

use std::{
    path::PathBuf,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use kora_plugin_abi::{
    self as abi, AbiFuture, AbiResult, OwnedBytes, abi_stable::StableAbi, clock1, config1, events1,
    identity_control1, kv1, metrics1, secrets1, state1, tenants1,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Config, ErrorKind, PluginError, Result, export};

macro_rules! table {
    ($name:ident, $module:ident, $table:ident) => {
        fn $name(self) -> Result<(&'static $module::$table, u64)> {
            static TABLE: OnceLock<&'static $module::$table> = OnceLock::new();
            fetch(&TABLE, $module::ID)
        }
    };
}

mod cost;
mod tickets;
mod tools;

pub use cost::{CostState, Criticality, SpendingDecision, Usage, UsageRecorded};
pub use tickets::{
    ClaimAnswer, Operation, RetryReason, Ticket, TicketClaim, TicketEnding, TicketProgress, TicketQuery,
    TicketResolution,
};
pub use tools::OfferKind;

/// The services of the host. It can be copied freely, kept, and used from any thread.
///
/// Each method fails with [`ErrorKind::Denied`] if the manifest does not ask for the permission that it needs, with
/// [`ErrorKind::TenantNotServed`] for a tenant that the plugin does not act for, and with [`ErrorKind::Unavailable`] outside a
/// host and, but for [`config`](Self::config) and the clock, during `register`. The futures may be dropped at any time; an
/// event whose append was dropped may have been appended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host {
    _private: (),
}

/// A tenant that the plugin acts for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ServedTenant {
    /// Its id.
    pub tenant: String,
    /// Whether the tenant's identity comes from this plugin.
    pub speaks: bool,
}

/// Where things are.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct HostInfo {
    /// The plugin's name.
    pub plugin: String,
    /// The host's version.
    pub version: String,
    /// The host's cache directory.
    pub cache_dir: PathBuf,
    /// A directory of the plugin's own. It may have to be made.
    pub data_dir: PathBuf,
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Appended {
    /// UUIDv7, hyphenated.
    pub event_id: String,
    /// Its place in the chain; absent while `pending`.
    pub seq: Option<u64>,
    /// It waits in the host's spool because the store is away.
    pub pending: bool,
}

/// Which events to read.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EventQuery {
    /// Those after this place in the chain, in order; without it, the newest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_seq: Option<u64>,
    /// Only types that are this or begin with it and a dot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How many at most: 1–200, 50 unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A tenant's operational state.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct OperationalState {
    /// `booting`, `ready`, `active`, `paused` or `stopped`.
    pub primary_state: String,
    /// `none`, `critical_only` or `normal`.
    pub claim_permission: String,
    /// Why it is degraded, sorted; empty if it is not.
    pub degradation_reasons: Vec<String>,
    /// When the primary state began, microseconds since 1970 UTC; absent if not known.
    #[serde(default)]
    pub entered_at_us: Option<i64>,
}

/// A past transition.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Transition {
    /// When: RFC 3339, UTC, whole seconds.
    pub timestamp: String,
    /// Before.
    pub from_state: String,
    /// After.
    pub to_state: String,
    /// The words given with it.
    pub trigger: String,
}

/// Why a tenant is degraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum DegradationReason {
    Cost,
    Auth,
    Dispatch,
    Substrate,
    Migration,
    Operator,
    TokenExpiring,
    RetryCeiling,
}

impl DegradationReason {
    fn wire(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Auth => "auth",
            Self::Dispatch => "dispatch",
            Self::Substrate => "substrate",
            Self::Migration => "migration",
            Self::Operator => "operator",
            Self::TokenExpiring => "token_expiring",
            Self::RetryCeiling => "retry_ceiling",
        }
    }
}

/// How the host itself is.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct DaemonHealth {
    /// Names this run of the host.
    pub daemon_session_id: String,
    /// When it started, microseconds since 1970 UTC.
    pub boot_at_us: i64,
    /// Seconds since then.
    pub uptime_seconds: u64,
    /// Every daemon entry.
    pub daemons: Vec<DaemonStatus>,
    /// Errors logged in the last five minutes.
    pub recent_error_count_5min: u64,
}

/// One daemon entry.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct DaemonStatus {
    /// Its plugin.
    pub plugin: String,
    /// Its name.
    pub name: String,
    /// For example `running`, `degraded`, `failed`.
    pub state: String,
}

impl Host {
    table!(clock_table, clock1, Clock);
    table!(config_table, config1, Config);
    table!(tenants_table, tenants1, Tenants);
    table!(events_table, events1, Events);
    table!(state_table, state1, State);
    table!(kv_table, kv1, Kv);
    table!(secrets_table, secrets1, Secrets);
    table!(metrics_table, metrics1, Metrics);
    table!(identity_control_table, identity_control1, IdentityControl);

    pub(crate) const fn new() -> Self {
        Self { _private: () }
    }

    /// The host's wall clock; the system's own outside a host.
    pub fn now(&self) -> SystemTime {
        let Ok((table, handle)) = self.clock_table() else {
            return SystemTime::now();
        };
        let now_us = (table.now_us)(handle);
        SystemTime::UNIX_EPOCH + Duration::from_micros(now_us.max(0).unsigned_abs())
    }

    /// The plugin's configuration: `tenant`'s, or the plain one if `tenant` is empty.
    ///
    /// # Errors
    /// See [`Host`].
    pub fn config(&self, tenant: &str) -> Result<Config> {
        let (table, handle) = self.config_table()?;
        Config::from_json(&answer((table.get)(handle, tenant.as_bytes().into()))?)
    }

    /// Where things are.
    ///
    /// # Errors
    /// See [`Host`].
    pub fn info(&self) -> Result<HostInfo> {
        let (table, handle) = self.config_table()?;
        parse(answer((table.host)(handle)))
    }

    /// Whom the plugin acts for, sorted by id.
    ///
    /// # Errors
    /// See [`Host`].
    pub fn tenants(&self) -> Result<Vec<ServedTenant>> {
        let (table, handle) = self.tenants_table()?;
        parse(answer((table.served)(handle)))
    }

    /// Appends an event of one of the types that the manifest declares. Permission `events`.
    ///
    /// # Errors
    /// See [`Host`]; [`ErrorKind::Invalid`] if the payload is no JSON object or larger than 64 KiB.
    pub async fn append_event(
        &self,
        tenant: &str,
        event_type: &str,
        payload: &(impl Serialize + ?Sized + Sync),
    ) -> Result<Appended> {
        self.append_event_once(tenant, event_type, payload, "").await
    }

    /// As [`append_event`](Self::append_event), but at most once for each key: the second time, the first answer comes
    /// back.
    ///
    /// # Errors
    /// See [`append_event`](Self::append_event).
    pub async fn append_event_once(
        &self,
        tenant: &str,
        event_type: &str,
        payload: &(impl Serialize + ?Sized + Sync),
        idempotency_key: &str,
    ) -> Result<Appended> {
        let call = {
            let (table, handle) = self.events_table()?;
            let payload = serde_json::to_vec(payload)?;
            (table.append)(
                handle,
                tenant.as_bytes().into(),
                event_type.as_bytes().into(),
                payload.as_slice().into(),
                idempotency_key.as_bytes().into(),
            )
        };
        parse(answer(call.await))
    }

    /// Reads events of a tenant. Permission `events`.
    ///
    /// # Errors
    /// See [`Host`].
    pub async fn read_events(&self, tenant: &str, query: &EventQuery) -> Result<Vec<crate::Event>> {
        let call = {
            let (table, handle) = self.events_table()?;
            let query = serde_json::to_vec(query)?;
            (table.read)(handle, tenant.as_bytes().into(), query.as_slice().into())
        };
        parse(answer(call.await))
    }

    /// A tenant's operational state. Permission `state`.
    ///
    /// # Errors
    /// See [`Host`].
    pub fn state(&self, tenant: &str) -> Result<OperationalState> {
        let (table, handle) = self.state_table()?;
        parse(answer((table.get)(handle, tenant.as_bytes().into())))
    }

    /// A tenant's last transitions, oldest first. Permission `state`.
    ///
    /// # Errors
    /// See [`Host`].
    pub fn state_history(&self, tenant: &str) -> Result<Vec<Transition>> {
        let (table, handle) = self.state_table()?;
        parse(answer((table.history)(handle, tenant.as_bytes().into())))
    }

    /// Adds or removes one reason for being degraded. Permission `state`.
    ///
    /// # Errors
    /// See [`Host`]; [`ErrorKind::Conflict`] if the tenant is stopped.
    pub async fn set_degradation(
        &self,
        tenant: &str,
        reason: DegradationReason,
        present: bool,
        note: &str,
    ) -> Result {
        let call = {
            let (table, handle) = self.state_table()?;
            let reason = reason.wire().as_bytes().into();
            (table.set_degradation)(
                handle,
                tenant.as_bytes().into(),
                reason,
                present,
                note.as_bytes().into(),
            )
        };
        answer(call.await)
    }

    /// How the host itself is. Permission `state`.
    ///
    /// # Errors
    /// See [`Host`].
    pub fn daemon_health(&self) -> Result<DaemonHealth> {
        let (table, handle) = self.state_table()?;
        parse(answer((table.daemon_health)(handle)))
    }

    /// A value of the plugin's durable store. Permission `kv`.
    ///
    /// # Errors
    /// See [`Host`].
    pub async fn kv_get(&self, tenant: &str, key: &str) -> Result<Option<Vec<u8>>> {
        let call = {
            let (table, handle) = self.kv_table()?;
            (table.get)(handle, tenant.as_bytes().into(), key.as_bytes().into())
        };
        Ok(answer(call.await)?.into_option().map(OwnedBytes::into_vec))
    }

    /// Keeps a value in the plugin's durable store. Permission `kv`.
    ///
    /// # Errors
    /// See [`Host`]; [`ErrorKind::Quota`] if the plugin's share for that tenant is used up.
    pub async fn kv_put(&self, tenant: &str, key: &str, value: &[u8]) -> Result {
        let call = {
            let (table, handle) = self.kv_table()?;
            (table.put)(
                handle,
                tenant.as_bytes().into(),
                key.as_bytes().into(),
                value.into(),
            )
        };
        answer(call.await)
    }

    /// Takes a value out of the plugin's durable store; true if there was one. Permission `kv`.
    ///
    /// # Errors
    /// See [`Host`].
    pub async fn kv_delete(&self, tenant: &str, key: &str) -> Result<bool> {
        let call = {
            let (table, handle) = self.kv_table()?;
            (table.delete)(handle, tenant.as_bytes().into(), key.as_bytes().into())
        };
        answer(call.await)
    }

    /// The keys of the plugin's durable store that begin with `prefix`, sorted. Permission `kv`.
    ///
    /// # Errors
    /// See [`Host`].
    pub async fn kv_list(&self, tenant: &str, prefix: &str) -> Result<Vec<String>> {
        let call = {
            let (table, handle) = self.kv_table()?;
            (table.list)(handle, tenant.as_bytes().into(), prefix.as_bytes().into())
        };
        parse(answer(call.await))
    }

    /// A secret, read anew each time, so that a rotation needs no restart; an empty `tenant` asks for the plugin's own.
    /// Permission `secrets`.
    ///
    /// # Errors
    /// See [`Host`]; [`ErrorKind::MissingCredential`] if it is not configured.
    pub async fn secret(&self, tenant: &str, name: &str) -> Result<Vec<u8>> {
        let call = {
            let (table, handle) = self.secrets_table()?;
            (table.get)(handle, tenant.as_bytes().into(), name.as_bytes().into())
        };
        answer(call.await).map(OwnedBytes::into_vec)
    }

    /// Adds to a counter of the plugin's.
    ///
    /// # Errors
    /// See [`Host`]; [`ErrorKind::Invalid`] for a bad name.
    pub fn count(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result {
        let (table, handle) = self.metrics_table()?;
        answer((table.add)(
            handle,
            name.as_bytes().into(),
            labels_json(labels).as_slice().into(),
            value,
        ))
    }

    /// Sets a gauge of the plugin's.
    ///
    /// # Errors
    /// See [`count`](Self::count).
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result {
        let (table, handle) = self.metrics_table()?;
        answer((table.set)(
            handle,
            name.as_bytes().into(),
            labels_json(labels).as_slice().into(),
            value,
        ))
    }

    /// Adds a sample to a histogram of the plugin's.
    ///
    /// # Errors
    /// See [`count`](Self::count).
    pub fn observe(&self, name: &str, labels: &[(&str, &str)], value: f64) -> Result {
        let (table, handle) = self.metrics_table()?;
        answer((table.observe)(
            handle,
            name.as_bytes().into(),
            labels_json(labels).as_slice().into(),
            value,
        ))
    }

    /// Says that an identity provider of this plugin would answer otherwise now, for one tenant or, if `tenant` is empty,
    /// for all it speaks for. The host asks it again and commits what differs.
    ///
    /// # Errors
    /// See [`Host`].
    pub fn announce_identity(&self, provider: &str, tenant: &str) -> Result {
        let (table, handle) = self.identity_control_table()?;
        answer((table.announce)(
            handle,
            provider.as_bytes().into(),
            tenant.as_bytes().into(),
        ))
    }

    /// Runs code that blocks or computes for long beside the plugin's thread.
    ///
    /// # Errors
    /// If it panicked, or outside the plugin's runtime.
    pub async fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let runtime = export::runtime().map_err(PluginError::from_abi)?;
        Ok(runtime.spawn_blocking(work).await?)
    }

    /// When the host started. Only hosts of a later release have it.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] on an older host.
    #[cfg(feature = "next")]
    pub fn boot_time(&self) -> Result<SystemTime> {
        static TABLE: OnceLock<&'static abi::clock2::Clock> = OnceLock::new();
        let (table, handle) = fetch(&TABLE, abi::clock2::ID)?;
        Ok(SystemTime::UNIX_EPOCH + Duration::from_micros((table.boot_us)(handle).max(0).unsigned_abs()))
    }
}

/// A service's table, once the host gives it. A refusal is not kept: more is given after `register`.
fn fetch<T: StableAbi>(kept: &'static OnceLock<&'static T>, id: &str) -> Result<(&'static T, u64)> {
    let Some(host) = export::host_ref() else {
        return Err(PluginError::of_kind(
            ErrorKind::Unavailable,
            "no host has loaded this plugin",
        ));
    };
    if let Some(table) = kept.get() {
        return Ok((table, host.handle));
    }
    // SAFETY: the host's tables are statics of the process's own executable, made with `Extension::of`.
    let found = unsafe { abi::query::<T>((host.get_service)(host.handle, id.as_bytes().into())) };
    match found {
        Some(Ok(table)) => Ok((kept.get_or_init(|| table), host.handle)),
        Some(Err(mismatch)) => Err(PluginError::of_kind(
            ErrorKind::Unavailable,
            format!("the host's `{id}` has another layout: {mismatch}"),
        )),
        None if !export::has_registered() => Err(PluginError::of_kind(
            ErrorKind::Unavailable,
            format!("the host does not give `{id}` before `register` has returned"),
        )),
        None => Err(PluginError::of_kind(
            ErrorKind::Denied,
            format!("the host does not give `{id}`: is the permission in the manifest?"),
        )),
    }
}

fn answer<T>(result: AbiResult<T>) -> Result<T> {
    result.into_result().map_err(PluginError::from_abi)
}

fn parse<T: DeserializeOwned>(bytes: Result<OwnedBytes>) -> Result<T> {
    Ok(serde_json::from_slice(&bytes?)?)
}

fn labels_json(labels: &[(&str, &str)]) -> Vec<u8> {
    let map = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect();
    Value::Object(map).to_string().into_bytes()
}

/// Keeps the compiler honest: what services answer can be awaited on any thread.
const _: fn() = || {
    fn sendable<T: Send>() {}
    sendable::<AbiFuture<OwnedBytes>>();
};
