//! The host at a glance.

use super::{
    daemon::{daemons, gates, not_started},
    table::{Table, fields},
    text::{NOTHING, bytes, list, one_line, or_nothing, span},
};
use crate::service::api::{Disk, PluginStatus, Status, TenantStatus};

/// Everything that `kora status` knows.
pub(in crate::cli) fn status(status: &Status) -> String {
    let head = format!(
        "kora {} is {} (process {}, for {})\n",
        one_line(&status.version),
        one_line(&status.state),
        status.pid,
        span(status.uptime_seconds)
    );
    let facts = fields([
        ("home", status.home.clone()),
        ("http", or_nothing(status.http.as_deref())),
        ("webhooks", or_nothing(status.webhooks.as_deref())),
        ("session", status.daemon_session_id.clone()),
        ("started", status.boot_at.clone()),
        ("stops because", or_nothing(status.shutdown_reason.as_deref())),
        ("store", store(status)),
        ("disk", disk(status.disk.as_ref())),
        ("not signed", list(&status.checkpoint_faults)),
        ("events that wait", status.spooled_events.to_string()),
        ("errors, 5 minutes", status.recent_error_count_5min.to_string()),
    ]);
    [
        head,
        facts,
        tenants(&status.tenants) + &kept_back(&status.tenants),
        plugins(&status.plugins),
        daemons(&status.daemons),
        gates(&status.gates),
    ]
    .join("\n")
}

fn store(status: &Status) -> String {
    let place = match status.store_place.as_str() {
        "" => String::new(), // a daemon of an earlier release
        place => format!("{place}, "),
    };
    match &status.store_cause {
        Some(cause) => format!("{place}{}: {cause}", status.store),
        None => format!("{place}{}", status.store),
    }
}

fn disk(disk: Option<&Disk>) -> String {
    let Some(disk) = disk else {
        return NOTHING.to_owned();
    };
    let room = format!("{} of {} free", bytes(disk.free_bytes), bytes(disk.total_bytes));
    let low = disk.is_low.then(|| "nearly full".to_owned());
    let store = disk
        .store_bytes
        .map(|size| format!("the store takes {}", bytes(size)));
    let growth = disk
        .growth_bytes_per_day
        .map(|growth| format!("{} more a day", bytes(growth)));
    let said: Vec<_> = [low, Some(room), store, growth].into_iter().flatten().collect();
    said.join(", ")
}

fn tenants(tenants: &[TenantStatus]) -> String {
    Table::new([
        "TENANT",
        "STATE",
        "HEALTH",
        "MAY CLAIM",
        "DEGRADED BY",
        "AGENT",
        "IDENTITY",
        "GENERATION",
    ])
    .rows(tenants, |tenant| {
        [
            tenant.tenant.clone(),
            state(tenant),
            or_nothing(tenant.health.as_deref()),
            tenant.claim_permission.clone(),
            list(&tenant.degradation_reasons),
            or_nothing(tenant.agent_name.as_deref()),
            or_nothing(tenant.provider.as_deref()),
            tenant
                .generation
                .map(|number| number.to_string())
                .unwrap_or_default(),
        ]
    })
    .to_text("there are no tenants: add one with `kora tenants add TENANT`")
}

/// With the other host that runs it, if one does.
fn state(tenant: &TenantStatus) -> String {
    match &tenant.held_by {
        Some(host) => format!("{} on {host}", tenant.primary_state),
        None => tenant.primary_state.clone(),
    }
}

/// Why those tenants that did not come up did not.
fn kept_back(tenants: &[TenantStatus]) -> String {
    let lines = tenants
        .iter()
        .map(|tenant| not_started(&tenant.tenant, tenant.failed_gate.as_ref()));
    lines.collect()
}

fn plugins(plugins: &[PluginStatus]) -> String {
    Table::new(["PLUGIN", "VERSION", "STATE", "CAUSE"])
        .rows(plugins, |plugin| {
            [
                or_nothing(plugin.name.as_deref()),
                or_nothing(plugin.version.as_deref()),
                plugin.state.clone(),
                or_nothing(plugin.cause.as_deref()),
            ]
        })
        .to_text("there are no plugins: install one with `kora plugins install FILE`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::api::{Daemon, Gate, Task};

    #[test]
    fn the_host_is_shown_with_all_that_runs_in_it() {
        let host = Status {
            version: "0.1.0".to_owned(),
            pid: 4711,
            state: "running".to_owned(),
            daemon_session_id: "c0ffee".to_owned(),
            boot_at: "2026-11-20T10:00:00Z".to_owned(),
            uptime_seconds: 7_500,
            shutdown_reason: None,
            home: "/home/kora".to_owned(),
            store: "unavailable".to_owned(),
            store_cause: Some("disk full".to_owned()),
            http: Some("127.0.0.1:9119".to_owned()),
            webhooks: Some("127.0.0.1:9118".to_owned()),
            store_place: "`/srv/kora/data/kora.db`".to_owned(),
            spooled_events: 3,
            recent_error_count_5min: 1,
            disk: Some(Disk {
                free_bytes: 900 << 20,
                total_bytes: 100 << 30,
                is_low: true,
                store_bytes: Some(3 << 29),
                growth_bytes_per_day: Some(30 << 20),
            }),
            checkpoint_faults: vec![],
            gates: vec![Gate {
                gate_id: "store".to_owned(),
                gate_class: "transient".to_owned(),
                outcome: "pass".to_owned(),
                attempts: 1,
                elapsed_ms: 12,
                detail: String::new(),
            }],
            tenants: vec![TenantStatus {
                tenant: "acme".to_owned(),
                primary_state: "ready".to_owned(),
                claim_permission: "normal".to_owned(),
                degradation_reasons: vec![],
                agent_name: Some("Kora".to_owned()),
                provider: Some("kora/kora".to_owned()),
                generation: Some(1),
                failed_gate: None,
                health: Some("healthy".to_owned()),
                held_by: None,
            }],
            plugins: vec![PluginStatus {
                name: Some("kora".to_owned()),
                version: Some("0.1.0".to_owned()),
                state: "running".to_owned(),
                cause: None,
            }],
            daemons: vec![Daemon {
                plugin: "kora".to_owned(),
                name: "heartbeat".to_owned(),
                state: "running".to_owned(),
                cause: None,
                restarts: 0,
                fatal_on_startup_failure: false,
                shutdown_timeout_seconds: 5.0,
                tasks: vec![Task {
                    name: "kora.daemon.alive".to_owned(),
                    every_seconds: 30.0,
                    runs: 250,
                    failures: 1,
                    skipped: 0,
                }],
            }],
        };
        insta::assert_snapshot!(status(&host), @r"
        kora 0.1.0 is running (process 4711, for 2 h 5 min)

        home               /home/kora
        http               127.0.0.1:9119
        webhooks           127.0.0.1:9118
        session            c0ffee
        started            2026-11-20T10:00:00Z
        stops because      -
        store              `/srv/kora/data/kora.db`, unavailable: disk full
        disk               nearly full, 900.0 MiB of 100.0 GiB free, the store takes 1.5 GiB, 30.0 MiB more a day
        not signed         -
        events that wait   3
        errors, 5 minutes  1

        TENANT  STATE  HEALTH   MAY CLAIM  DEGRADED BY  AGENT  IDENTITY   GENERATION
        acme    ready  healthy  normal     -            Kora   kora/kora  1

        PLUGIN  VERSION  STATE    CAUSE
        kora    0.1.0    running  -

        DAEMON          STATE    RESTARTS  TASK               EVERY  RUNS  FAILED  SKIPPED  CAUSE
        kora/heartbeat  running  0         kora.daemon.alive  30 s   250   1       0        -

        GATE   CLASS      OUTCOME  ATTEMPTS  TOOK   DETAIL
        store  transient  pass     1         12 ms  -
        ");
    }
}
