//! The boot of a host: plugins, tenants, identities, entries, and every tenant out of `booting`.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{
    parts::{Running, counted, passed},
    plugin_directory, upkeep,
};
use crate::{
    coordinator::{BootOutcome, Ending, OperationError, ShutdownReason},
    domain::{Actor, PluginName, TenantId},
    engine::transition::{GateClass, GateOutcome, GateReport},
    plugin::{Candidate, PluginState, scan_settled},
    service::{PluginTurn, Service},
};

/// How long a boot waits for files that were copied a moment ago. What takes longer is admitted when it is there.
const COPY_PATIENCE: Duration = Duration::from_secs(2);
/// Changes of the directory that wait while one is looked into.
const CHANGES: usize = 64;

/// Boots. What does not boot with it, but a fatal entry, is shown and left out. Whoever would change plugins or tenants meanwhile
/// waits for its end.
pub async fn boot(running: &Running, turn: PluginTurn<'_>) -> BootOutcome {
    let service = &running.service;
    let _tenants = service.tenant_turn().await;
    let admitted = tokio::select! {
        admitted = admit_plugins(service) => admitted,
        // A plugin may take its time to load: whoever stops the host does not wait for it.
        ending = service.coordinator.stopped() => return BootOutcome::Stopped(ending),
    };
    let (names, known) = admitted;
    if let Err(unknown) = service.check_only() {
        let reason = ShutdownReason::Configuration(unknown.to_string());
        service.coordinator.request_shutdown(reason);
        return BootOutcome::Stopped(service.coordinator.stopped().await);
    }
    watch(running, known);
    service.controls.begin().await;
    service.ensure_configured_tenants(Actor::host()).await;
    let seeds = service.served_seeds();
    service.take_up_states(&seeds).await;
    upkeep::watch_commands(service, &running.stop_upkeep);
    let identities = service.restore_identities(seeds).await;
    let began = Instant::now();
    let entries = service.boot_entries(&turn, &names);
    let outcome = outcome(service.coordinator.boot(entries).await);
    names
        .iter()
        .for_each(|name| service.refresh_plugin(name.as_str()));
    service.note_gate(entries_gate(&outcome, began));
    finish(service, identities).await;
    service.note_booted();
    outcome
}

async fn admit_plugins(service: &Service) -> (Vec<PluginName>, Vec<Candidate>) {
    let began = Instant::now();
    let gate = service.gate();
    let found = match scan_settled(gate.directory(), COPY_PATIENCE).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(directory = %gate.directory().display(), %error, "the plugin directory cannot be read");
            Vec::new()
        }
    };
    let paths = found.iter().map(|candidate| candidate.path.clone()).collect();
    let names = service.plugins.discover(paths, gate).await;
    let refused = service
        .plugins
        .reports()
        .iter()
        .filter(|r| r.state == PluginState::Refused)
        .count();
    let (admitted, refused) = (counted(names.len(), "plugin"), counted(refused, "file"));
    let detail = format!("{admitted} admitted, {refused} refused");
    service.note_gate(passed("plugins_admitted", began, detail));
    (names, found)
}

/// From here on what is dropped is admitted as well. What comes during the boot waits for its end.
fn watch(running: &Running, known: Vec<Candidate>) {
    let (sender, changes) = mpsc::channel(CHANGES);
    plugin_directory::start(running, known, sender, changes);
}

fn outcome(booted: Result<BootOutcome, OperationError>) -> BootOutcome {
    match booted {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(%error, "the daemons cannot be run");
            BootOutcome::Stopped(Ending {
                reason: ShutdownReason::Configuration(error.to_string()),
                while_booting: true,
            })
        }
    }
}

fn entries_gate(outcome: &BootOutcome, began: Instant) -> GateReport {
    let gate = |detail: String| passed("fatal_daemons_up", began, detail);
    match outcome {
        BootOutcome::Running(entries) => gate(format!("started {}", counted(entries.len(), "daemon"))),
        BootOutcome::Stopped(ending) => GateReport {
            outcome: GateOutcome::Fail,
            gate_class: match ending.reason {
                ShutdownReason::StartupFailure { .. } => GateClass::Invariant,
                _ => GateClass::Transient,
            },
            ..gate(ending.reason.to_string())
        },
    }
}

/// Every tenant leaves `booting`, as the host's gates and its own say.
async fn finish(service: &Service, identities: Vec<(TenantId, GateReport)>) {
    let host_gates = service.gate_reports();
    for (tenant, own) in identities {
        let mut gates = host_gates.clone();
        gates.push(own);
        service.finish_boot(&tenant, gates).await;
    }
}
