//! A plugin's daemon entries as the coordinator runs them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    coordinator::{
        Entry, EntryError, EntryId, EntryPlan, NewEntry, Overlap, Placement, RestartPlan, TaskPlan,
    },
    plugin::{CallError, CallErrorKind, DaemonRegistration, Instance, OverlapPolicy, TaskRegistration},
    telemetry::Metrics,
};

/// One daemon entry of a plugin in this process.
struct PluginEntry {
    instance: Arc<Instance>,
    name: String,
    handle: u64,
    metrics: Arc<Metrics>,
}

#[async_trait]
impl Entry for PluginEntry {
    async fn startup(&self) -> Result<(), EntryError> {
        self.instance
            .extensions()
            .startup(self.handle)
            .await
            .map_err(entry_error)
    }

    async fn tick(&self, task: usize) -> Result<(), EntryError> {
        let task = u32::try_from(task).unwrap_or(u32::MAX);
        let ticked = self
            .instance
            .extensions()
            .tick(self.handle, task)
            .await
            .map_err(entry_error);
        let plugin = self.instance.identity().name.as_str();
        self.metrics.host.ticked(plugin, &self.name);
        if ticked.is_err() {
            self.metrics.host.tick_failed(plugin, &self.name);
        }
        ticked
    }

    async fn shutdown(&self) -> Result<(), EntryError> {
        self.instance
            .extensions()
            .shutdown(self.handle)
            .await
            .map_err(entry_error)
    }

    async fn probe(&self) -> bool {
        self.instance.is_alive().await
    }
}

fn entry_error(error: CallError) -> EntryError {
    match error.kind {
        CallErrorKind::Panicked => EntryError::Panicked(without_prefix(error.message)),
        CallErrorKind::Poisoned => EntryError::Poisoned,
        CallErrorKind::MissingCredential => EntryError::MissingCredential { name: error.subject },
        CallErrorKind::Failed
        | CallErrorKind::Invalid
        | CallErrorKind::Cancelled
        | CallErrorKind::TooLarge
        | CallErrorKind::TimedOut => EntryError::Failed(error.message),
    }
}

/// The SDK says "panicked: …", and so does the coordinator.
fn without_prefix(message: String) -> String {
    message
        .strip_prefix("panicked: ")
        .map(str::to_owned)
        .unwrap_or(message)
}

/// The entries of a plugin that the operator chose, in the order in which they were registered.
pub fn entries_of(
    instance: &Arc<Instance>,
    defaults: &EntryDefaults,
    metrics: &Arc<Metrics>,
    chosen: impl Fn(&str) -> bool,
) -> Vec<NewEntry> {
    let daemons = instance
        .registration()
        .daemons
        .iter()
        .filter(|daemon| chosen(&daemon.name));
    let entry = |daemon: &DaemonRegistration| -> NewEntry {
        let plan = plan_of(instance.identity().name.as_str(), daemon, defaults);
        (
            plan,
            Arc::new(PluginEntry {
                instance: instance.clone(),
                name: daemon.name.clone(),
                handle: daemon.handle,
                metrics: metrics.clone(),
            }),
        )
    };
    daemons.map(entry).collect()
}

/// A daemon that the operator lists and the plugin does not have is most likely a slip, after which nothing runs.
pub fn warn_of_unknown(instance: &Instance, listed: &[String]) {
    let name = &instance.identity().name;
    let daemons = &instance.registration().daemons;
    let is_known = |listed: &&String| daemons.iter().any(|daemon| daemon.name == **listed);
    for unknown in listed.iter().filter(|listed| !is_known(listed)) {
        let there_are: Vec<_> = daemons.iter().map(|daemon| daemon.name.as_str()).collect();
        tracing::warn!(
            "`[plugins.{name}] daemons` lists `{unknown}`, which the plugin does not have; it has: {}",
            there_are.join(", ")
        );
    }
}

/// The deadlines of entries that name none.
#[derive(Debug, Clone, Copy)]
pub struct EntryDefaults {
    /// Of a start.
    pub startup_timeout: Duration,
    /// Of one run of a task.
    pub tick_timeout: Duration,
    /// Of a stop.
    pub shutdown_timeout: Duration,
}

fn plan_of(plugin: &str, daemon: &DaemonRegistration, defaults: &EntryDefaults) -> EntryPlan {
    let ms = Duration::from_millis;
    let named = |names: &[String]| names.iter().map(|name| EntryId::named_by(plugin, name)).collect();
    EntryPlan {
        id: EntryId::new(plugin, &daemon.name),
        tasks: daemon.tasks.iter().map(task_of).collect(),
        fatal_on_startup_failure: daemon.fatal_on_startup_failure,
        startup_timeout: daemon.startup_timeout_ms.map_or(defaults.startup_timeout, ms),
        tick_timeout: daemon.tick_timeout_ms.map_or(defaults.tick_timeout, ms),
        shutdown_timeout: daemon.shutdown_timeout_ms.map_or(defaults.shutdown_timeout, ms),
        after: named(&daemon.after),
        requires: named(&daemon.requires),
        restart: RestartPlan {
            max_restarts: daemon.restart.max_restarts,
            window: ms(daemon.restart.window_ms),
            backoff_min: ms(daemon.restart.backoff_min_ms),
            backoff_max: ms(daemon.restart.backoff_max_ms),
        },
        placement: Placement::EveryHost,
    }
}

fn task_of(task: &TaskRegistration) -> TaskPlan {
    TaskPlan {
        name: task.name.clone(),
        every: Duration::from_millis(task.every_ms),
        jitter: Duration::from_millis(task.jitter_ms),
        overlap: match task.overlap {
            OverlapPolicy::Skip => Overlap::Skip,
            OverlapPolicy::Queue => Overlap::Queue,
        },
        timeout: None,
    }
}
