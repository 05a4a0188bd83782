//! Signals: SIGTERM and SIGINT stop the host, SIGHUP reads the configuration again.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
    task::JoinHandle,
};

use crate::{
    coordinator::ShutdownReason,
    service::{Operator, Service},
};

/// Those who listen and act.
pub struct Signals([JoinHandle<()>; 2]);

impl Signals {
    /// Acts on none any more.
    pub fn abort(&self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Listens from now on, also while the host boots. Reading the configuration again may take as long as a plugin makes it: it never
/// keeps a signal to stop waiting, and however often it is asked for, one reading waits at most.
pub fn listen(service: &Arc<Service>) -> io::Result<Signals> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let (asked, stopping) = (Arc::new(Notify::new()), service.clone());
    let reloading = tokio::spawn(reload_when_asked(service.clone(), asked.clone()));
    let listening = tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => stop(&stopping, "SIGTERM"),
                _ = interrupt.recv() => stop(&stopping, "SIGINT"),
                _ = hang_up.recv() => asked.notify_one(),
            }
        }
    });
    Ok(Signals([listening, reloading]))
}

fn stop(service: &Service, name: &str) {
    service
        .coordinator
        .request_shutdown(ShutdownReason::Signal(name.to_owned()));
}

async fn reload_when_asked(service: Arc<Service>, asked: Arc<Notify>) {
    let operator = Operator::with_uid(rustix::process::geteuid().as_raw());
    loop {
        asked.notified().await;
        if let Err(problem) = service.reload_config(operator).await {
            tracing::error!(%problem, "the configuration was not read again; the one in force stays");
        }
    }
}
