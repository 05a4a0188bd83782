//! What a running host looks after: changes that others noticed, announcements of providers, the spool, the log's own notes.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    announcements::{Announcement, Announcements},
    chain_care,
    observers::Noticed,
};
use crate::{plugin::PluginState, service::Service, store::StoreHealth};

/// How often things are looked at that nobody tells of.
const ROUND: Duration = Duration::from_secs(10);
/// How often the store is looked at. Looking costs nothing; nobody should claim work for long that cannot be written down.
const STORE_LOOK: Duration = Duration::from_millis(500);

/// What is to be looked after.
pub struct Upkeep {
    pub announced: Arc<Announcements>,
    pub changes: mpsc::UnboundedReceiver<Noticed>,
}

/// Starts it.
pub fn start(service: &Arc<Service>, upkeep: Upkeep, stop: &CancellationToken) {
    let Upkeep { announced, changes } = upkeep;
    let (log, draining) = (service.log.clone(), stop.clone());
    service
        .tasks
        .spawn(async move { log.keep_draining(draining).await });
    let (log, hearing) = (service.log.clone(), stop.clone());
    service
        .tasks
        .spawn(async move { log.keep_hearing(hearing).await });
    let work = [
        service.tasks.spawn(look_into(service.clone(), changes)),
        service.tasks.spawn(ask_again(service.clone(), announced)),
        service.tasks.spawn(rounds(service.clone())),
        service.tasks.spawn(watch_store(service.clone())),
        service.tasks.spawn(chain_care::keep_signing(service.clone())),
        service.tasks.spawn(chain_care::watch_disk(service.clone())),
        service.tasks.spawn(sweep_tickets(service.clone())),
    ];
    let stop = stop.clone();
    service.tasks.spawn(async move {
        stop.cancelled().await;
        work.iter().for_each(tokio::task::JoinHandle::abort);
    });
}

/// From when all tenants have left `booting`.
pub fn watch_health(service: &Arc<Service>, stop: &CancellationToken) {
    let (health, stop) = (service.health.clone(), stop.clone());
    service.tasks.spawn(async move { health.watch(stop).await });
}

/// From when the states of tenants are taken up.
pub fn watch_commands(service: &Arc<Service>, stop: &CancellationToken) {
    let (controls, stop) = (service.controls.clone(), stop.clone());
    service.tasks.spawn(async move { controls.watch(stop).await });
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
            Noticed::PluginWedged { plugin } => {
                // It takes as long as the deadlines of the entries; meanwhile others are looked into.
                let stopping = service.clone();
                drop(
                    service
                        .tasks
                        .spawn(async move { stopping.stop_wedged(&plugin).await }),
                );
            }
        }
    }
}

/// One at a time for each plugin: a provider that takes its time delays its own.
async fn ask_again(service: Arc<Service>, announced: Arc<Announcements>) {
    let mut asking = JoinSet::new();
    loop {
        let announcement = tokio::select! {
            announcement = announced.next() => announcement,
            Some(_) = asking.join_next() => continue,
        };
        let (service, announced) = (service.clone(), announced.clone());
        asking.spawn(async move {
            let Announcement { provider, tenant } = &announcement;
            if let Err(error) = service.announced(provider, tenant.as_ref()).await {
                tracing::warn!(%provider, %error, "an announcement was not looked into");
            }
            announced.done(&announcement);
        });
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
    let mut away = None;
    loop {
        look.tick().await;
        match (service.store.health(), &away) {
            (StoreHealth::Unavailable { cause }, None) => away = Some(service.store_is_away(&cause).await),
            (StoreHealth::Available, Some(taken)) => {
                service.store_is_back(taken).await;
                away = None;
                catch_up(&service).await;
            }
            (StoreHealth::Closed, _) => return,
            (StoreHealth::Available, None) | (StoreHealth::Unavailable { .. }, Some(_)) => {}
        }
    }
}

/// Takes back what nobody holds any more.
async fn sweep_tickets(service: Arc<Service>) {
    let every = Duration::from_secs(service.config.load().tickets.sweep_seconds);
    let mut round = interval(every);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        round.tick().await;
        if let Err(error) = service.tickets.sweep().await {
            tracing::debug!(%error, "tickets could not be swept; tried again soon");
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
