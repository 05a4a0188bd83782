//! The daemon and the listener. Both behave, but for the fault that is planned.

use std::sync::Arc;

use kora_plugin_api::{Daemon, Event, Host, Listener, Result, StateChange, serde_json::json, tracing};

use crate::{
    fault::{Hook, Misbehaviour},
    settings::Settings,
    trespass,
};

/// The periodic task.
pub const TASK: &str = "misbehave.tick";
/// Appended by each tick that came so far. The listener hears it.
pub const TICKED: &str = "misbehave.ticked";

pub struct Worker {
    settings: Settings,
    fault: Arc<Misbehaviour>,
}

impl Worker {
    /// Called by the factory, in which a fault may strike as well.
    pub fn new(settings: &Settings, fault: Arc<Misbehaviour>) -> Self {
        if let Err(error) = fault.strike(Hook::Factory) {
            tracing::warn!(%error, "a factory cannot return an error");
        }
        Self {
            settings: settings.clone(),
            fault,
        }
    }
}

impl Daemon for Worker {
    async fn startup(&self, _host: &Host) -> Result {
        self.fault.strike_waiting(Hook::Startup).await
    }

    async fn tick(&self, host: &Host, _task: &str) -> Result {
        for served in host.tenants()? {
            host.append_event(&served.tenant, TICKED, &json!({})).await?;
        }
        trespass::commit(host, &self.settings).await?;
        self.fault.strike_waiting(Hook::Tick).await
    }

    async fn shutdown(&self, _host: &Host) -> Result {
        tracing::info!("misbehave is shutting down");
        self.fault.strike_waiting(Hook::Shutdown).await
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Err(error) = self.fault.strike(Hook::Drop) {
            tracing::warn!(%error, "a drop cannot return an error");
        }
    }
}

pub struct Ears {
    fault: Arc<Misbehaviour>,
}

impl Ears {
    /// Hears its own daemon.
    pub fn new(fault: Arc<Misbehaviour>) -> Self {
        Self { fault }
    }
}

impl Listener for Ears {
    async fn on_event(&self, _host: &Host, event: &Event) -> Result {
        tracing::info!(tenant = event.tenant, seq = event.seq, "misbehave heard an event");
        self.fault.strike_waiting(Hook::OnEvent).await
    }

    async fn on_state(&self, _host: &Host, change: &StateChange) -> Result {
        tracing::info!(
            tenant = change.tenant,
            to = change.to.primary_state,
            "misbehave heard a change of state"
        );
        self.fault.strike_waiting(Hook::OnState).await
    }
}
