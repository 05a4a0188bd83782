//! Signals: SIGTERM and SIGINT stop the host, SIGHUP reads the configuration again.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};

use crate::{
    coordinator::ShutdownReason,
    service::{Operator, Service},
};

/// Listens from now on, also while the host boots.
pub fn listen(service: &Arc<Service>) -> io::Result<JoinHandle<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let service = service.clone();
    Ok(tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => stop(&service, "SIGTERM"),
                _ = interrupt.recv() => stop(&service, "SIGINT"),
                _ = hang_up.recv() => reload(&service).await,
            }
        }
    }))
}

fn stop(service: &Service, name: &str) {
    service
        .coordinator
        .request_shutdown(ShutdownReason::Signal(name.to_owned()));
}

async fn reload(service: &Service) {
    let operator = Operator::with_uid(rustix::process::geteuid().as_raw());
    if let Err(problem) = service.reload_config(operator).await {
        tracing::error!(%problem, "the configuration was not read again; the one in force stays");
    }
}
