//! The boot of a host: its gates in order, then the first tenants; the others boot while it runs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    callers_gate::callers,
    host_gates::{HostGates, secrets},
    hosts,
    parts::{Running, counted},
    plugin_directory, upkeep,
};
use crate::{
    coordinator::{BootOutcome, CoordinatorHandle, Ending, NewEntry, OperationError, ShutdownReason},
    domain::{Actor, PluginName, TenantId},
    engine::gates::{FATAL_DAEMONS_UP, PLUGINS_ADMITTED, verdict},
    gates::{Fault, Gate, epoch, store_rights},
    identity::IdentitySeed,
    plugin::{Candidate, PluginState, scan_settled},
    service::{PluginTurn, Service, TENANTS_AT_ONCE},
    tenants::TenantSeed,
};

/// How long a boot waits for files that were copied a moment ago. What takes longer is admitted when it is there.
const COPY_PATIENCE: Duration = Duration::from_secs(2);
/// Changes of the directory that wait while one is looked into.
const CHANGES: usize = 64;

/// Boots. What does not boot with it, but a fatal entry and a gate of the host, is shown and left out. Whoever would change plugins or
/// tenants meanwhile waits for its end.
pub async fn boot(running: &Running, turn: PluginTurn<'_>) -> BootOutcome {
    let service = &running.service;
    let _tenants = service.tenant_turn().await;
    let Some(run) = running.take_run() else {
        return failed(service, "a host boots once".to_owned()).await;
    };
    hosts::join(running).await;
    let mut gates = HostGates::go_on(running, run);
    let names = tokio::select! {
        names = before_entries(&mut gates, running) => names,
        // A plugin may take its time to load, and a gate to be tried again: whoever stops the host waits for neither.
        ending = service.coordinator.stopped() => return BootOutcome::Stopped(ending),
    };
    if let Err(NotBooted::Configuration(unknown)) = names {
        return failed(service, unknown).await;
    }
    let names = names.ok();
    service.controls.begin().await;
    let tenants = Tenants::seated(service).await;
    let round = service.identities.round();
    // Before the entries: they ask whom they serve, which is who speaks for whom. Without entries nobody is to speak.
    let begun = service
        .begin_boots(tenants.first.clone(), names.as_ref().map(|_| &round))
        .await;
    upkeep::watch_commands(service, &running.stop_upkeep);
    let outcome = match names {
        Some(names) => start_entries(&mut gates, service, &turn, &names).await,
        None => stop_for_gate(service).await,
    };
    service.finish_boots(begun, &service.gate_reports()).await;
    service.note_booted();
    upkeep::watch_health(service, &running.stop_watching);
    service.note_host_boot();
    if matches!(outcome, BootOutcome::Running(_)) {
        boot_the_others(running, tenants);
    }
    outcome
}

/// Why the entries are not started.
enum NotBooted {
    /// A gate failed.
    Gate,
    /// What is to run is not there.
    Configuration(String),
}

/// The gates before anything of a plugin runs for good; answers the plugins that were admitted.
async fn before_entries(gates: &mut HostGates<'_>, running: &Running) -> Result<Vec<PluginName>, NotBooted> {
    let service = &running.service;
    let (store, hold) = (&service.store, service.epoch_hold.clone());
    let known = gates.pass(epoch(store, service.known_epoch.clone(), hold)).await;
    service.tell_mismatch().await;
    let admitted = Arc::default();
    if !known
        || !gates.pass(store_rights(store)).await
        || !gates.pass(plugins_admitted(service, &admitted)).await
    {
        return Err(NotBooted::Gate);
    }
    let Admitted { names, found } =
        std::mem::take(&mut *admitted.lock().unwrap_or_else(PoisonError::into_inner));
    if let Err(unknown) = service.check_only() {
        return Err(NotBooted::Configuration(unknown.to_string()));
    }
    watch(running, found);
    if gates.pass(callers(service)).await && gates.pass(secrets(service)).await {
        Ok(names)
    } else {
        Err(NotBooted::Gate)
    }
}

#[derive(Default)]
struct Admitted {
    names: Vec<PluginName>,
    found: Vec<Candidate>,
}

/// What lies in the plugin directory is judged. A refused file does not end a boot.
fn plugins_admitted(service: &Arc<Service>, admitted: &Arc<Mutex<Admitted>>) -> Gate {
    let (service, admitted) = (service.clone(), admitted.clone());
    Gate::new(PLUGINS_ADMITTED, move || {
        let (service, admitted) = (service.clone(), admitted.clone());
        async move {
            let found = admit_plugins(&service).await;
            let refused = service
                .plugins
                .reports()
                .iter()
                .filter(|r| r.state == PluginState::Refused)
                .count();
            let (names, files) = (counted(found.names.len(), "plugin"), counted(refused, "file"));
            let detail = format!("{names} admitted, {files} refused");
            *admitted.lock().unwrap_or_else(PoisonError::into_inner) = found;
            Ok(detail)
        }
    })
}

async fn admit_plugins(service: &Service) -> Admitted {
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
    Admitted { names, found }
}

/// From here on what is dropped is admitted as well. What comes during the boot waits for its end.
fn watch(running: &Running, known: Vec<Candidate>) {
    let (sender, changes) = mpsc::channel(CHANGES);
    plugin_directory::start(running, known, sender, changes);
}

async fn start_entries(
    gates: &mut HostGates<'_>,
    service: &Arc<Service>,
    turn: &PluginTurn<'_>,
    names: &[PluginName],
) -> BootOutcome {
    let entries = service.boot_entries(turn, names);
    let came_of_it = Arc::default();
    let gate = fatal_daemons_up(service.coordinator.clone(), entries, &came_of_it);
    gates.pass(gate).await;
    names
        .iter()
        .for_each(|name| service.refresh_plugin(name.as_str()));
    let outcome = came_of_it.lock().unwrap_or_else(PoisonError::into_inner).take();
    match outcome {
        Some(outcome) => outcome,
        None => stop_for_gate(service).await,
    }
}

fn fatal_daemons_up(
    coordinator: CoordinatorHandle,
    entries: Vec<NewEntry>,
    came_of_it: &Arc<Mutex<Option<BootOutcome>>>,
) -> Gate {
    let (entries, came_of_it) = (Mutex::new(entries), came_of_it.clone());
    Gate::new(FATAL_DAEMONS_UP, move || {
        let entries = std::mem::take(&mut *entries.lock().unwrap_or_else(PoisonError::into_inner));
        let (coordinator, came_of_it) = (coordinator.clone(), came_of_it.clone());
        async move {
            let outcome = outcome(coordinator.boot(entries).await);
            let checked = match &outcome {
                BootOutcome::Running(entries) => Ok(format!("started {}", counted(entries.len(), "daemon"))),
                BootOutcome::Stopped(ending) => Err(match ending.reason {
                    ShutdownReason::StartupFailure { .. } => Fault::lasting(&ending.reason),
                    _ => Fault::interrupted(&ending.reason),
                }),
            };
            *came_of_it.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
            checked
        }
    })
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

async fn stop_for_gate(service: &Service) -> BootOutcome {
    let gates = service.gate_reports();
    let (_, decisive) = verdict(&gates);
    let (gate, cause) = decisive.map_or_else(
        || ("boot".to_owned(), "it ended without a reason".to_owned()),
        |gate| (gate.gate_id.clone(), gate.detail.clone()),
    );
    let reason = ShutdownReason::BootGate { gate, cause };
    service.coordinator.request_shutdown(reason);
    BootOutcome::Stopped(service.coordinator.stopped().await)
}

async fn failed(service: &Service, cause: String) -> BootOutcome {
    let reason = ShutdownReason::Configuration(cause);
    service.coordinator.request_shutdown(reason);
    BootOutcome::Stopped(service.coordinator.stopped().await)
}

/// The tenants of a boot.
struct Tenants {
    /// Those that boot with the host: as many as boot beside each other, those first that showed what it waited for.
    first: Vec<IdentitySeed>,
    /// Those that boot while it runs.
    others: Vec<TenantId>,
    /// Those of the configuration that still have to be added.
    missing: Vec<TenantSeed>,
}

impl Tenants {
    async fn seated(service: &Service) -> Self {
        let mut missing = service.missing_tenants();
        let now: Vec<_> = missing.drain(..missing.len().min(TENANTS_AT_ONCE)).collect();
        service.add_missing(now, Actor::host()).await;
        let showed = service.states.tenants();
        let has_shown = |seed: &IdentitySeed| showed.contains(&seed.tenant);
        let seeds = service.held_of(service.served_seeds()).await;
        let (mut first, mut others): (Vec<_>, Vec<_>) = seeds.into_iter().partition(has_shown);
        let more = others.len().min(TENANTS_AT_ONCE.saturating_sub(first.len()));
        first.extend(others.drain(..more));
        Self {
            first,
            others: others.into_iter().map(|seed| seed.tenant).collect(),
            missing,
        }
    }
}

/// While the host runs, a group at a time.
fn boot_the_others(running: &Running, tenants: Tenants) {
    let (service, stop) = (running.service.clone(), running.stop_watching.clone());
    if tenants.others.is_empty() && tenants.missing.is_empty() {
        return;
    }
    service.waiting.put(tenants.others);
    running.service.tasks.spawn(async move {
        let booting = async {
            service.add_the_rest(tenants.missing).await;
            service.boot_waiting().await;
            tracing::info!(
                tenants = service.tenants.list().len(),
                "[kora.daemon] every tenant has booted"
            );
        };
        stop.run_until_cancelled(booting).await;
    });
}
