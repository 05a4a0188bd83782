//! What a running host looks after: changes that others noticed, announcements of providers, the spool, the log's own notes.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{observers::Noticed, port::Announcement};
use crate::{coordinator::EntryState, plugin::PluginState, service::Service, store::StoreHealth};

/// How often things are looked at that nobody tells of.
const ROUND: Duration = Duration::from_secs(10);
/// How often the store is looked at. Looking costs nothing; nobody should claim work for long that cannot be written down.
const STORE_LOOK: Duration = Duration::from_millis(500);

/// What is to be looked after.
pub struct Upkeep {
    pub announced: mpsc::Receiver<Announcement>,
    pub changes: mpsc::UnboundedReceiver<Noticed>,
}

/// Starts it.
pub fn start(service: &Arc<Service>, upkeep: Upkeep, stop: &CancellationToken) {
    let Upkeep { announced, changes } = upkeep;
    let (log, draining) = (service.log.clone(), stop.clone());
    service
        .tasks
        .spawn(async move { log.keep_draining(draining).await });
    let work = [
        service.tasks.spawn(look_into(service.clone(), changes)),
        service.tasks.spawn(ask_again(service.clone(), announced)),
        service.tasks.spawn(rounds(service.clone())),
        service.tasks.spawn(watch_store(service.clone())),
    ];
    let stop = stop.clone();
    service.tasks.spawn(async move {
        stop.cancelled().await;
        work.iter().for_each(tokio::task::JoinHandle::abort);
    });
}

async fn look_into(service: Arc<Service>, mut changes: mpsc::UnboundedReceiver<Noticed>) {
    while let Some(noticed) = changes.recv().await {
        match noticed {
            Noticed::Entries { plugin } => service.refresh_plugin(&plugin),
            Noticed::Wedged { plugin, cause } => {
                if let Ok(name) = plugin.parse() {
                    service.plugins.set_state(&name, PluginState::Wedged, Some(cause));
                }
            }
            Noticed::PluginWedged { plugin } => stop_entries(&service, &plugin).await,
        }
    }
}

/// Entries of a plugin that somebody else than the coordinator found wedged.
async fn stop_entries(service: &Service, plugin: &str) {
    let entries = service.coordinator.status().entries;
    let go_on = entries
        .iter()
        .any(|entry| entry.id.plugin() == plugin && entry.state != EntryState::Wedged);
    if go_on && let Err(error) = service.coordinator.remove_plugin(plugin).await {
        tracing::warn!(plugin, %error, "the daemons of a wedged plugin were not stopped");
    }
}

async fn ask_again(service: Arc<Service>, mut announced: mpsc::Receiver<Announcement>) {
    while let Some(announcement) = announced.recv().await {
        let Announcement { provider, tenant } = announcement;
        if let Err(error) = service.identities.announced(&provider, tenant.as_ref()).await {
            tracing::warn!(%provider, %error, "an announcement was not looked into");
        }
    }
}

async fn rounds(service: Arc<Service>) {
    let mut round = interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        round.tick().await;
        service.logging.report_dropped();
        let waiting = u64::try_from(service.log.waiting_entries()).unwrap_or(u64::MAX);
        service.metrics.host.set_spool_depth(waiting);
    }
}

/// Tenants claim nothing while the store is away.
async fn watch_store(service: Arc<Service>) {
    let mut look = interval(STORE_LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_away = false;
    loop {
        look.tick().await;
        match service.store.health() {
            StoreHealth::Unavailable { cause } if !was_away => {
                was_away = true;
                service.store_is_away(&cause).await;
            }
            StoreHealth::Available if was_away => {
                was_away = false;
                service.store_is_back().await;
                catch_up(&service).await;
            }
            StoreHealth::Closed => return,
            StoreHealth::Available | StoreHealth::Unavailable { .. } => {}
        }
    }
}

/// A commit may have happened although its answer was an error.
async fn catch_up(service: &Service) {
    match service.identities.catch_up().await {
        Ok(tenants) if tenants.is_empty() => {}
        Ok(tenants) => tracing::info!(
            ?tenants,
            "identities were caught up with after the store came back"
        ),
        Err(error) => tracing::warn!(%error, "identities could not be caught up with"),
    }
}
