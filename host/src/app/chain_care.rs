//! What the chains need while the host runs: to be signed from time to time and at the end, and room to grow.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval, interval_at, timeout};

use crate::{checkpoints::Every, service::Service};

/// How often it is looked whether a chain is due. Looking reads one row of each chain.
const CHECKPOINT_LOOK: Duration = Duration::from_secs(5);
/// A third of what a stop may take: enough for some ten thousand chains that all moved, unless the disk is slow.
const SIGN_GRACE: Duration = Duration::from_secs(5);
/// How often the room is measured, so that the log warns in time: who asks for the status has it measured then.
const DISK_LOOK: Duration = Duration::from_secs(5);

/// Signs chains as they become due, until it is dropped.
pub async fn keep_signing(service: Arc<Service>) {
    // Not at once: a boot has more urgent things to read.
    let mut look = interval_at(Instant::now() + CHECKPOINT_LOOK, CHECKPOINT_LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let every = {
            let config = service.config.load();
            Every {
                events: config.checkpoints.every_events,
                time: Duration::from_secs(config.checkpoints.every_seconds),
            }
        };
        // A store that is away is told by whoever watches it.
        if let Err(error) = service.checkpoints.sign_due(every).await {
            tracing::debug!(%error, "chains are not signed while the store is away");
        }
    }
}

/// Signs what was appended since: the last thing before the store closes, which it must not keep from closing.
pub async fn sign_last(service: &Service) {
    let signing = timeout(SIGN_GRACE, service.checkpoints.sign_moved());
    let why = match signing.await {
        Ok(Ok(chains)) => {
            tracing::info!(chains, "[kora.checkpoint] signed before the stop");
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("they took longer than {} s", SIGN_GRACE.as_secs()),
    };
    let every_seconds = service.config.load().checkpoints.every_seconds;
    // Not known where the chains could not even be listed.
    let left = Some(service.checkpoints.left()).filter(|left| *left > 0);
    tracing::warn!(
        left,
        why,
        "[kora.checkpoint] chains were not signed before the stop: the next host does it {every_seconds} s after its start"
    );
}

/// Measures the room that is left, until it is dropped.
pub async fn watch_disk(service: Arc<Service>) {
    let mut look = interval(DISK_LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        service.disk.look(service.disk_limits()).await;
    }
}
