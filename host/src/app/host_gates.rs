//! The gates of the host, as far as they look at plugins, and what tenants show while one is tried again.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::parts::Running;
use crate::{
    engine::gates::{GateSpec, SECRETS},
    events::EventLog,
    gates::{Fault, Gate, Run, Watcher},
    membership::Membership,
    service::{Service, TENANTS_AT_ONCE, show_waiting},
    state::States,
    store::Store,
    tenants::Tenants,
};

/// The host's run of gates; what each said is shown as soon as it is known.
pub struct HostGates<'a> {
    service: &'a Service,
    run: Run,
}

impl<'a> HostGates<'a> {
    /// Goes on with the run that opened the store.
    pub fn go_on(running: &'a Running, run: Run) -> Self {
        let service = &running.service;
        Self { service, run }
    }

    /// Runs a gate, unless the run is over; answers whether to go on.
    pub async fn pass(&mut self, gate: Gate) -> bool {
        let before = self.run.reports().len();
        let goes_on = self.run.pass(&gate).await;
        let new = self.run.reports().iter().skip(before);
        new.for_each(|report| self.service.note_gate(report.clone()));
        goes_on
    }
}

/// The secrets are there without which a fatal daemon cannot do its work. What other daemons miss degrades them, and is told.
pub fn secrets(service: &Arc<Service>) -> Gate {
    let service = service.clone();
    Gate::new(SECRETS, move || {
        let service = service.clone();
        async move {
            let looked = tokio::task::spawn_blocking(move || service.missing_secrets()).await;
            let missing = looked.map_err(Fault::lasting)?;
            let told = |fatal: bool| {
                let of_kind = missing.iter().filter(|missing| missing.is_fatal == fatal);
                let causes: Vec<_> = of_kind.map(|missing| missing.cause.as_str()).collect();
                causes.join("; ")
            };
            let (fatal, degrading) = (told(true), told(false));
            match (fatal.is_empty(), degrading.is_empty()) {
                (false, _) => Err(Fault::now(fatal)),
                (true, true) => Ok("every secret that a daemon requires is there".to_owned()),
                (true, false) => Ok(format!("daemons will be degraded: {degrading}")),
            }
        }
    })
}

/// Shows in the states of tenants why the host is still booting: in those that are held, or in the first, since however many there are
/// nobody should wait for all of them to say the same.
#[derive(Default)]
pub struct HostWatcher(OnceLock<Showing>);

/// What the watcher needs once it is there.
pub struct Showing {
    pub membership: Membership,
    pub log: Arc<EventLog>,
    pub store: Arc<dyn Store>,
    pub states: Arc<States>,
    pub tenants: Tenants,
}

/// How many records at the end of a chain are looked at before anything is written behind them.
const TAIL_RECORDS: u64 = 100;

impl Showing {
    /// The first tenants, none of whose chains is written before its end was looked at.
    async fn hold_the_first(&self) {
        let served = self
            .tenants
            .list()
            .into_iter()
            .filter(|listed| listed.record.active && self.membership.holds(&listed.record.tenant));
        let first: Vec<_> = served
            .take(TENANTS_AT_ONCE)
            .map(|listed| listed.record.tenant)
            .collect();
        for tenant in &first {
            match self.store.check_tail(tenant, TAIL_RECORDS).await {
                Ok(None) => {}
                Ok(Some(fault)) => self.log.seal(tenant, &fault),
                Err(error) => self.log.seal(tenant, &error.to_string()),
            }
        }
        self.states.add_tenants(&first);
    }
}

impl HostWatcher {
    /// From here on there are tenants that can show it.
    pub fn wire(&self, showing: Showing) {
        let first_time = self.0.set(showing).is_ok();
        debug_assert!(first_time, "a watcher is wired once");
    }

    async fn show(&self, gate: &GateSpec, waits: bool) {
        let Some(wired) = self.0.get() else { return };
        let states = &wired.states;
        if waits && states.tenants().is_empty() {
            wired.hold_the_first().await;
        }
        let mut showing = JoinSet::new();
        for tenant in states.tenants() {
            let (states, gate) = (states.clone(), *gate);
            showing.spawn(async move { show_waiting(&states, &tenant, &gate, waits).await });
        }
        showing.join_all().await;
    }
}

#[async_trait]
impl Watcher for HostWatcher {
    async fn retrying(&self, gate: &GateSpec, _detail: &str) {
        self.show(gate, true).await;
    }

    async fn passed_at_last(&self, gate: &GateSpec) {
        self.show(gate, false).await;
    }
}
