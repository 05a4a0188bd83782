//! The plugin directory of a running host: what is dropped is admitted and started, what is gone is noted.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::parts::Running;
use crate::{
    plugin::{Candidate, DirectoryChange, Watcher},
    service::Service,
};

/// Watches the directory, in which `known` was judged already.
pub fn start(
    running: &Running,
    known: Vec<Candidate>,
    sender: mpsc::Sender<DirectoryChange>,
    changes: mpsc::Receiver<DirectoryChange>,
) {
    let service = &running.service;
    let watcher = Watcher::new(service.gate().directory(), known);
    service
        .tasks
        .spawn(watcher.run(sender, running.stop_watching.clone()));
    let (following, stop) = (follow(service.clone(), changes), running.stop_watching.clone());
    service.tasks.spawn(async move {
        // A plugin that takes its time to load keeps nobody from stopping.
        stop.run_until_cancelled(following).await;
    });
}

async fn follow(service: Arc<Service>, mut changes: mpsc::Receiver<DirectoryChange>) {
    while let Some(change) = changes.recv().await {
        let came = change.settled.into_iter().map(|found| found.path).collect();
        service.follow_directory(&change.gone, came).await;
    }
}
