//! The host, its plugins, its tenants and who speaks for them: of all this, what the caller may know.

use schemars::JsonSchema;
use serde::Serialize;

use super::{About, Asked, endpoint::Endpoint, tenant::Nothing};
use crate::{
    access::Principal,
    service::{Problem, api},
};

/// `GET /api/status`.
pub(super) struct Status;
/// `GET /api/plugins`.
pub(super) struct Plugins;
/// `GET /api/identities`.
pub(super) struct Identities;
/// `GET /api/tenants`.
pub(super) struct Tenants;

/// What a caller that is bound to tenants hears of the other hosts of the store.
const ANOTHER_HOST: &str = "another host of this store";

/// How the host is.
#[derive(Serialize, JsonSchema)]
pub(super) struct HostStatus {
    version: String,
    /// `booting`, `running` or `shutting_down`.
    state: String,
    daemon_session_id: String,
    boot_at: String,
    uptime_seconds: u64,
    /// In its own words to a caller of all tenants, to others what sort of reason it is.
    shutdown_reason: Option<String>,
    /// `available`, `unavailable` or `closed`.
    store: String,
    /// Those that the caller may know of.
    tenants: Vec<api::TenantStatus>,
    /// Causes are shown to a caller of all tenants.
    plugins: Vec<api::PluginStatus>,
    /// Causes are shown to a caller of all tenants.
    daemons: Vec<api::Daemon>,
    /// The host's own affairs; only for a caller of all tenants.
    host: Option<HostAffairs>,
}

/// The host's own affairs.
#[derive(Serialize, JsonSchema)]
struct HostAffairs {
    pid: u32,
    home: String,
    http: Option<String>,
    store_cause: Option<String>,
    /// A file, or a database without the password for it.
    store_place: String,
    /// Events that wait because they could not be written.
    spooled_events: u64,
    recent_error_count_5min: u64,
    /// Absent until it was measured, or where it cannot be.
    disk: Option<api::Disk>,
    /// Why chains are not signed any more; empty if all are.
    checkpoint_faults: Vec<String>,
    gates: Vec<api::Gate>,
}

impl Endpoint for Status {
    const PATH: &'static str = "/api/status";
    const SUMMARY: &'static str = "Status";
    const DESCRIPTION: &'static str = "The host at a glance, with the tenants that the caller may know of.";
    const ABOUT: About = About::Host;
    type Query = Nothing;
    type Answer = HostStatus;

    async fn answer(asked: Asked<'_>, _: Nothing) -> Result<HostStatus, Problem> {
        let status = asked.service.status().await;
        let by = asked.by;
        let mut shown = HostStatus {
            version: status.version,
            state: status.state,
            daemon_session_id: status.daemon_session_id,
            boot_at: status.boot_at,
            uptime_seconds: status.uptime_seconds,
            shutdown_reason: asked.service.shutdown_reason(by),
            store: status.store,
            tenants: seen(by, status.tenants, |tenant| &tenant.tenant),
            plugins: status.plugins,
            daemons: status.daemons,
            host: None,
        };
        if by.sees_all() {
            shown.host = Some(HostAffairs {
                pid: status.pid,
                home: status.home,
                http: status.http,
                store_cause: status.store_cause,
                store_place: status.store_place,
                spooled_events: status.spooled_events,
                recent_error_count_5min: status.recent_error_count_5min,
                disk: status.disk,
                checkpoint_faults: status.checkpoint_faults,
                gates: status.gates,
            });
        } else {
            another_host(shown.tenants.iter_mut().map(|tenant| &mut tenant.held_by));
            // A cause is a text of anybody's: it may name a tenant.
            shown.plugins.iter_mut().for_each(|plugin| plugin.cause = None);
            shown.daemons.iter_mut().for_each(|daemon| daemon.cause = None);
        }
        Ok(shown)
    }
}

/// Plugins.
#[derive(Serialize, JsonSchema)]
pub(super) struct PluginList {
    plugins: Vec<api::Plugin>,
}

impl Endpoint for Plugins {
    const PATH: &'static str = "/api/plugins";
    const SUMMARY: &'static str = "Plugins";
    const DESCRIPTION: &'static str = "Every plugin with its state and the digest of its code, and every file that did not become one. \
         Paths, causes and warnings are shown to a caller of all tenants; what a plugin offers, hears and needs to callers of tenants that it \
         acts for.";
    const ABOUT: About = About::Host;
    type Query = Nothing;
    type Answer = PluginList;

    async fn answer(asked: Asked<'_>, _: Nothing) -> Result<PluginList, Problem> {
        let mut plugins = asked.service.plugins().await;
        if !asked.by.sees_all() {
            let is_shown = asked.service.shown_to(asked.by);
            for plugin in &mut plugins {
                plugin.cause = None;
                plugin.warnings.clear();
                plugin.path.clear();
                if !plugin.name.as_deref().is_some_and(&is_shown) {
                    plugin.hide_offers();
                }
            }
        }
        Ok(PluginList { plugins })
    }
}

/// Who speaks for whom.
#[derive(Serialize, JsonSchema)]
pub(super) struct IdentityList {
    /// Of the tenants that the caller may know of.
    tenants: Vec<api::Identity>,
    /// Who could speak.
    providers: Vec<api::Provider>,
}

impl Endpoint for Identities {
    const PATH: &'static str = "/api/identities";
    const SUMMARY: &'static str = "Identities";
    const DESCRIPTION: &'static str =
        "Who speaks for each tenant that the caller may know of, and who could.";
    const ABOUT: About = About::Host;
    type Query = Nothing;
    type Answer = IdentityList;

    async fn answer(asked: Asked<'_>, _: Nothing) -> Result<IdentityList, Problem> {
        let identities = asked.service.identities();
        Ok(IdentityList {
            tenants: seen(asked.by, identities.tenants, |identity| &identity.tenant),
            providers: identities.providers,
        })
    }
}

/// Tenants.
#[derive(Serialize, JsonSchema)]
pub(super) struct TenantList {
    tenants: Vec<api::Tenant>,
}

impl Endpoint for Tenants {
    const PATH: &'static str = "/api/tenants";
    const SUMMARY: &'static str = "Tenants";
    const DESCRIPTION: &'static str = "The tenants that the caller may know of, with who acts in each.";
    const ABOUT: About = About::Host;
    type Query = Nothing;
    type Answer = TenantList;

    async fn answer(asked: Asked<'_>, _: Nothing) -> Result<TenantList, Problem> {
        let mut tenants = seen(asked.by, asked.service.tenants(), |tenant| &tenant.tenant);
        if !asked.by.sees_all() {
            another_host(tenants.iter_mut().map(|tenant| &mut tenant.held_by));
        }
        Ok(TenantList { tenants })
    }
}

/// Of these, which other host it is goes: its name says where it runs.
fn another_host<'a>(holders: impl Iterator<Item = &'a mut Option<String>>) {
    for holder in holders.flatten() {
        ANOTHER_HOST.clone_into(holder);
    }
}

/// What is of a tenant that the caller may know of.
fn seen<T>(by: &Principal, mut all: Vec<T>, tenant: impl Fn(&T) -> &str) -> Vec<T> {
    all.retain(|one| tenant(one).parse().is_ok_and(|tenant| by.sees(&tenant)));
    all
}
