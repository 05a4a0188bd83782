//! Where health is looked for: states, tickets, accounts, plugins and their daemons, secrets, the watch over commands.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use secrecy::ExposeSecret as _;

use crate::{
    config::Config,
    control::Controls,
    coordinator::{CoordinatorHandle, EntryState, EntryStatus},
    cost::Costs,
    domain::{ClaimPermission, Clock, PluginName, PrimaryState, TenantId},
    engine::health::{Breaker, BreakerState, Claims, Credential, Credit, Watcher},
    health::{Acting, ClaimsSource, CredentialSource, CreditSource, HEARTBEAT, Pulse, Served, WatchSource},
    identity::Identities,
    membership::Membership,
    plugin::{PluginState, Registry},
    secrets::{Secrets, end_of},
    state::{HISTORY_LEN, States},
    tenants::Tenants,
    tickets::Tickets,
};

/// The tenants of the register that this host holds, and their states. Of the others the hosts tell that hold them.
pub struct ServedTenants {
    pub membership: Membership,
    pub tenants: Tenants,
    pub states: Arc<States>,
}

impl Served for ServedTenants {
    fn tenants(&self) -> Vec<TenantId> {
        let mut served = self.tenants.served();
        served.retain(|tenant| self.membership.holds(tenant));
        served
    }

    fn beside_others(&self) -> Option<String> {
        self.membership
            .is_shared()
            .then(|| self.membership.name().to_owned())
    }

    fn stopped(&self, tenant: &TenantId) -> Option<String> {
        // One that waits for its boot has no state yet: it is about to work.
        let now = self.states.current(tenant)?;
        let is_stopped = now.state.primary_state == PrimaryState::Stopped;
        let history = self.states.history(tenant, HISTORY_LEN).unwrap_or_default();
        let into = history
            .into_iter()
            .rfind(|change| change.to_state == PrimaryState::Stopped);
        is_stopped.then(|| into.map_or_else(|| "it is not known why".to_owned(), |change| change.trigger))
    }
}

/// The tickets that are held, and what the state lets be claimed.
pub struct HeldTickets {
    pub tickets: Tickets,
    pub states: Arc<States>,
}

#[async_trait]
impl ClaimsSource for HeldTickets {
    async fn claims(&self, tenant: &TenantId) -> Result<Claims, String> {
        let held = self.tickets.held(tenant).await;
        let held = held.map_err(|error| error.to_string())?;
        let leases = held.iter().filter_map(|stored| stored.ticket.claim.as_ref());
        Ok(Claims {
            held: held.len(),
            newest_at: held.iter().map(|stored| stored.ticket.updated_at).max(),
            first_lease_ends_at: leases.map(|claim| claim.lease_expires_at).min(),
            barred: self.barred(tenant),
        })
    }
}

impl HeldTickets {
    fn barred(&self, tenant: &TenantId) -> Option<String> {
        let now = self.states.current(tenant)?;
        let takes_work = matches!(
            now.state.primary_state,
            PrimaryState::Ready | PrimaryState::Active
        );
        let is_barred = takes_work && now.state.claim_permission == ClaimPermission::None;
        is_barred.then(|| {
            format!(
                "the tenant is `{}`, degraded by {}",
                now.state.primary_state,
                now.state.reasons_sorted().join(", ")
            )
        })
    }
}

#[async_trait]
impl CreditSource for Costs {
    async fn credit(&self, tenant: &TenantId) -> Result<Credit, String> {
        let state = self.state(tenant).await.map_err(|error| error.to_string())?;
        let account = state.account;
        Ok(Credit {
            spent: account.spent_to_date_usd,
            pool: state.ladder.pool,
            unknown: state.unknown.map(|why| why.to_string()),
            changed_at: account.last_recorded_at.max(account.last_reconciled_at),
        })
    }
}

/// Who acts for a tenant: the plugin that speaks for it, and those that the configuration binds to it.
pub struct ActingPlugins {
    pub config: Arc<ArcSwap<Config>>,
    pub identities: Identities,
    pub plugins: Arc<Registry>,
    pub coordinator: CoordinatorHandle,
    pub secrets: Arc<Secrets>,
}

impl ActingPlugins {
    /// Without those that the operator disabled.
    fn names(&self, tenant: &TenantId) -> Vec<PluginName> {
        let config = self.config.load();
        let speaking = self.identities.slots().speaking(tenant);
        let speaker = speaking.as_ref().and_then(|speaking| speaking.provider.as_ref());
        let speaker: Option<PluginName> = speaker.and_then(|provider| provider.plugin().parse().ok());
        let bound = config.tenant(tenant).map(|section| section.plugins.as_slice());
        let mut names: Vec<_> = speaker.into_iter().collect();
        names.extend(bound.unwrap_or_default().iter().cloned());
        names.sort_unstable();
        names.dedup();
        names.retain(|name| !is_disabled(&config, name));
        names
    }

    /// The entries of these plugins.
    fn entries(&self, names: &[PluginName]) -> Vec<EntryStatus> {
        let mut entries = self.coordinator.status().entries;
        entries.retain(|entry| names.iter().any(|name| name.as_str() == entry.id.plugin()));
        entries
    }

    fn of_plugin(&self, name: &PluginName) -> Breaker {
        let (state, detail) = match self.plugins.report(name.as_str()) {
            None => (BreakerState::Absent, "it is not loaded".to_owned()),
            Some(report) => {
                let detail = format!("it is {}{}", report.state, hint(report.cause.as_ref()));
                (of_state(report.state), detail)
            }
        };
        Breaker {
            what: name.to_string(),
            state,
            detail,
        }
    }
}

fn is_disabled(config: &Config, name: &PluginName) -> bool {
    let section = config.plugins.named.get(name);
    config.plugins.disable.contains(name) || section.is_some_and(|section| !section.enabled)
}

/// One that is degraded is so because of an entry, which says why.
const fn of_state(state: PluginState) -> BreakerState {
    match state {
        PluginState::Failed | PluginState::Wedged => BreakerState::Open,
        PluginState::Refused | PluginState::Quarantined => BreakerState::Absent,
        PluginState::Discovered
        | PluginState::Verified
        | PluginState::Probed
        | PluginState::Loaded
        | PluginState::Registered
        | PluginState::Starting
        | PluginState::Running
        | PluginState::Degraded
        | PluginState::Stopping
        | PluginState::Stopped
        | PluginState::Retired => BreakerState::Closed,
    }
}

const fn of_entry_state(state: EntryState) -> BreakerState {
    match state {
        EntryState::Failed | EntryState::Wedged => BreakerState::Open,
        EntryState::BackingOff | EntryState::Degraded => BreakerState::HalfOpen,
        EntryState::Waiting
        | EntryState::Starting
        | EntryState::Running
        | EntryState::Stopping
        | EntryState::Stopped => BreakerState::Closed,
    }
}

fn of_entry(entry: EntryStatus) -> Breaker {
    let hint = hint(entry.detail.as_ref().or(entry.last_error.as_ref()));
    Breaker {
        what: entry.id.to_string(),
        state: of_entry_state(entry.state),
        detail: format!("it is {}{hint}", entry.state),
    }
}

/// Health stands in the tenant's chain and is shown to its callers. What a plugin gives as a cause may name another tenant that it acts
/// for, so it is told where it is.
fn hint(cause: Option<&String>) -> &'static str {
    match cause {
        Some(_) => " (`kora status` says why)",
        None => "",
    }
}

impl Acting for ActingPlugins {
    /// Entries first: they know better why.
    fn breakers(&self, tenant: &TenantId) -> Vec<Breaker> {
        let names = self.names(tenant);
        let entries = self.entries(&names).into_iter().map(of_entry);
        entries
            .chain(names.iter().map(|name| self.of_plugin(name)))
            .collect()
    }

    fn pulse(&self, tenant: &TenantId) -> Option<Pulse> {
        let entries = self.entries(&self.names(tenant));
        let mut beating = entries.into_iter().filter_map(|entry| {
            let every = entry.tasks.iter().find(|task| task.name == HEARTBEAT)?.every;
            // One that was stopped on purpose is not meant to beat.
            let is_meant_to = !matches!(entry.state, EntryState::Stopped | EntryState::Stopping);
            is_meant_to.then_some((every, entry))
        });
        let (every, entry) = beating.next()?;
        let is_failing = of_entry_state(entry.state) != BreakerState::Closed;
        Some(Pulse {
            every,
            expected_since: self.coordinator.boot_at(),
            failing: is_failing.then(|| format!("`{}` is {}", entry.id, entry.state)),
        })
    }
}

#[async_trait]
impl CredentialSource for ActingPlugins {
    async fn required(&self, tenant: &TenantId) -> Result<Vec<Credential>, String> {
        let required = self.names(tenant).into_iter().flat_map(|plugin| {
            let report = self.plugins.report(plugin.as_str());
            let admitted = report.and_then(|report| report.admitted);
            let secrets = admitted.map(|admitted| admitted.manifest.secrets.clone());
            let secrets = secrets.unwrap_or_default().into_iter();
            secrets.map(move |secret| (plugin.clone(), secret.to_string()))
        });
        let required: Vec<_> = required.collect();
        if required.is_empty() {
            return Ok(Vec::new());
        }
        let (secrets, tenant) = (self.secrets.clone(), tenant.clone());
        let read = move || {
            let one = |(plugin, name): (PluginName, String)| Credential {
                what: format!("{plugin}/{name}"),
                ends_at: secrets
                    .get(&plugin, Some(&tenant), &name)
                    .map(|secret| end_of(secret.expose_secret()))
                    .map_err(|error| error.to_string()),
            };
            required.into_iter().map(one).collect()
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(|error| error.to_string())
    }
}

/// The watch over stop commands.
pub struct CommandWatch {
    pub controls: Controls,
    pub clock: Arc<dyn Clock>,
}

impl WatchSource for CommandWatch {
    fn last_look(&self) -> Option<Watcher> {
        let last = self.controls.last_round()?;
        Some(Watcher {
            looked_at: last.at,
            age: self.clock.monotonic().saturating_sub(last.monotonic),
            could_read: last.could_read,
        })
    }
}

/// As `[health]` of the configuration says.
pub const fn probe_every(config: &crate::config::HealthSection) -> Duration {
    Duration::from_secs(config.probe_interval_seconds)
}
