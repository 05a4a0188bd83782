//! The boot of a host: plugins, tenants, identities, entries, and every tenant out of `booting`.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::{
    parts::{Running, passed},
    plugin_directory,
};
use crate::{
    coordinator::{BootOutcome, Ending, OperationError, ShutdownReason},
    domain::{Actor, PluginName, TenantId},
    engine::transition::{GateClass, GateOutcome, GateReport},
    identity::IdentitySeed,
    plugin::{Candidate, PluginState, scan_settled},
    service::{Service, agent_name, identity_seed},
    tenants::TenantSeed,
};

/// How long a boot waits for files that were copied a moment ago. What takes longer is admitted when it is there.
const COPY_PATIENCE: Duration = Duration::from_secs(2);
/// Changes of the directory that wait while one is looked into.
const CHANGES: usize = 64;

/// Boots. What does not boot with it, but a fatal entry, is shown and left out.
pub async fn boot(running: &Running) -> BootOutcome {
    let service = &running.service;
    let (names, known) = admit_plugins(service).await;
    service.warn_of_unknown_only();
    watch(running, known);
    let seeds = seeds(service).await;
    service.take_up_states(&seeds).await;
    let identities = service.restore_identities(seeds).await;
    let began = Instant::now();
    let booted = service.coordinator.boot(service.boot_entries(&names)).await;
    let outcome = outcome(booted);
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
    let detail = format!("{} plugins admitted, {refused} files refused", names.len());
    service.note_gate(passed("plugins_admitted", began, detail));
    (names, found)
}

/// From here on what is dropped is admitted as well. What comes during the boot waits for its end.
fn watch(running: &Running, known: Vec<Candidate>) {
    let (sender, changes) = mpsc::channel(CHANGES);
    plugin_directory::start(running, known, sender, changes);
}

/// Every tenant that is served, those of the configuration included.
async fn seeds(service: &Service) -> Vec<IdentitySeed> {
    let config = service.config.load_full();
    let configured = config.tenants.keys();
    let configured = configured
        .map(|id| TenantSeed {
            id: id.clone(),
            agent_name: agent_name(&config, id),
        })
        .collect();
    match service.tenants.ensure(configured, Actor::host()).await {
        Ok(outcomes) => {
            for (tenant, outcome) in outcomes {
                if let Err(error) = outcome {
                    tracing::error!(%tenant, %error, "a tenant of the configuration is not served");
                }
            }
        }
        Err(error) => tracing::error!(%error, "the tenants of the configuration were not added"),
    }
    let served = service
        .tenants
        .list()
        .into_iter()
        .filter(|listed| listed.record.active);
    served
        .map(|listed| identity_seed(&config, &listed.record.tenant))
        .collect()
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
        BootOutcome::Running(entries) => gate(format!("{} daemons were started", entries.len())),
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
