//! The plugin `kora`: the identity Kora and three daemons beside it: a heartbeat, a snapshot file for other programs, and
//! cost telemetry.
//!
//! ```text
//!   chain of a tenant ──(an event that says what a call cost)──▶ listener `cost_events`
//!         ▲    │                                                       │ wakes
//!         │    └───────────── read after the cursor ──────────▶ cost::Book ◀── daemon `cost_telemetry` ──▶ cost_telemetry.json
//!   daemon `heartbeat`                                                 │ windows
//!                                        state, health ──▶ daemon `snapshot` ──▶ daemon_snapshot.json
//! ```

#![forbid(unsafe_code)]

mod atomic_file;
mod cost;
mod heartbeat;
mod identity;
mod moment;
mod settings;
mod snapshot;

use std::sync::Arc;

use kora_plugin_api::{BackgroundDaemon, Plugin, Registrar, Result, Subscription, export_plugin};

use crate::{
    cost::{Book, CostEvents, CostTelemetry},
    heartbeat::Heartbeat,
    identity::KoraIdentity,
    settings::Settings,
    snapshot::SnapshotWriter,
};

export_plugin!(Kora, manifest = "plugin.toml");

#[derive(Default)]
struct Kora;

impl Plugin for Kora {
    fn register(&self, registrar: &mut Registrar<'_>) -> Result {
        let settings = Settings::from_config(&registrar.config()?)?;
        let book = Arc::new(Book::new(moment::now(), settings.cost_event_prefix.clone()));

        registrar.identity_provider("kora", KoraIdentity)?;
        registrar.listener(
            "cost_events",
            Subscription::new().events(&settings.cost_event_prefix),
            CostEvents::new(book.clone()),
        )?;
        registrar.background_daemon(cost_telemetry(&settings, book.clone()))?;
        registrar.background_daemon(
            BackgroundDaemon::new("heartbeat", Heartbeat::start)
                .periodic_task(heartbeat::TASK, settings.heartbeat_interval),
        )?;
        registrar.background_daemon(snapshot_writer(&settings, book))
    }
}

fn cost_telemetry(settings: &Settings, book: Arc<Book>) -> BackgroundDaemon {
    BackgroundDaemon::new("cost_telemetry", move || CostTelemetry::new(book.clone()))
        .periodic_task(cost::PERSIST, settings.cost_persist_interval)
        .periodic_task(cost::ROLLING_24H_RESET, cost::RESET_INTERVAL)
        .periodic_task(cost::MONTHLY_RESET, cost::RESET_INTERVAL)
}

/// After the costs, so that the snapshot which is written at startup has them.
fn snapshot_writer(settings: &Settings, book: Arc<Book>) -> BackgroundDaemon {
    let path = settings.snapshot_path.clone();
    BackgroundDaemon::new("snapshot", move || {
        SnapshotWriter::new(path.clone(), book.clone())
    })
    .periodic_task(snapshot::TASK, settings.snapshot_interval)
    .after("cost_telemetry")
}
