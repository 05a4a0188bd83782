//! Signals: SIGTERM and SIGINT stop the host, SIGHUP reads the configuration again.

use std::{io, sync::Arc};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    task::JoinHandle,
};

use crate::{
    coordinator::ShutdownReason,
    service::{Principal, Service},
};

/// Those who listen and act.
pub struct Signals([JoinHandle<()>; 2]);

impl Signals {
    /// Acts on none any more.
    pub fn abort(&self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Signals that are kept until somebody acts on them, instead of ending the process.
pub struct Kept {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Kept {
    /// Waits for one that stops the host, and answers its name. Cancel safe.
    pub async fn told_to_stop(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Keeps signals from now on.
pub fn keep() -> io::Result<Kept> {
    Ok(Kept {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
        hang_up: signal(SignalKind::hangup())?,
    })
}

/// Acts on them from now on, also while the host boots. Reading the configuration again may take as long as a plugin makes it: it
/// never keeps a signal to stop waiting, and however often it is asked for, one reading waits at most.
pub fn listen(kept: Kept, service: &Arc<Service>) -> Signals {
    let Kept {
        mut terminate,
        mut interrupt,
        mut hang_up,
    } = kept;
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
    Signals([listening, reloading])
}

/// Stops the host as the signal of this name does.
pub fn stop(service: &Service, name: &str) {
    service
        .coordinator
        .request_shutdown(ShutdownReason::Signal(name.to_owned()));
}

async fn reload_when_asked(service: Arc<Service>, asked: Arc<Notify>) {
    let operator = Principal::operator(rustix::process::geteuid().as_raw());
    loop {
        asked.notified().await;
        if let Err(problem) = service.reload_config(&operator).await {
            tracing::error!(%problem, "the configuration was not read again; the one in force stays");
        }
    }
}
