//! What the event log promises, over a store that can be told to fail.

mod appending;
mod draining;
mod hearing;
mod patience;
mod reading;
mod spooling;

use std::{path::PathBuf, sync::Arc};

use tempfile::TempDir;

use super::{AppendRequest, EventLog, LogParts, Writer, test_clock::TestClock};
use crate::{
    domain::{Digest, EventType, NewEvent, TenantId},
    engine::{
        payload::normalise,
        vocabulary::{OwnType, Owner, Vocabulary},
    },
    store::memory::MemoryStore,
};

/// An event log over a store in memory, with tenants `acme` and `globex`, an operator's type and a plugin `marvin`.
struct Rig {
    store: Arc<MemoryStore>,
    log: Arc<EventLog>,
    home: TempDir,
}

impl Rig {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::with_tenants(&["acme", "globex"]));
        let home = TempDir::new().unwrap();
        let log = open(&store, home.path().join("spool.jsonl"));
        Self { store, log, home }
    }

    fn spool(&self) -> PathBuf {
        self.home.path().join("spool.jsonl")
    }

    /// As a host that was killed and started again.
    fn restart(&mut self) {
        self.log = open(&self.store, self.spool());
    }

    /// An event of the host's own, ready to be emitted, telling `what` happened.
    fn own(&self, tenant: &str, what: &str) -> NewEvent {
        let payload = normalise(format!("{{\"what\":\"{what}\"}}").as_bytes()).unwrap();
        let own = OwnType::OperationalStateTransitioned;
        self.log
            .own_event(&id(tenant), own, payload, &Writer::host(Owner::Engine))
    }

    /// What happened in a chain, in order.
    fn told(&self, tenant: &str) -> Vec<String> {
        let told = |payload: &str| {
            payload
                .trim_start_matches("{\"what\":\"")
                .trim_end_matches("\"}")
                .to_owned()
        };
        self.store
            .chain(tenant)
            .iter()
            .map(|event| told(&event.payload))
            .collect()
    }
}

fn open(store: &Arc<MemoryStore>, spool_path: PathBuf) -> Arc<EventLog> {
    let log = EventLog::open(LogParts {
        store: store.clone(),
        clock: Arc::new(TestClock::default()),
        vocabulary: Vocabulary::new(&[kind("deploy.finished")]).unwrap(),
        spool_path,
    })
    .unwrap();
    log.admit_plugin_types(&"marvin".parse().unwrap(), &[kind("marvin.sighed")])
        .unwrap();
    Arc::new(log)
}

fn id(tenant: &str) -> TenantId {
    tenant.parse().unwrap()
}

fn kind(event_type: &str) -> EventType {
    event_type.parse().unwrap()
}

fn marvin() -> Writer {
    Writer::plugin(
        &"marvin".parse().unwrap(),
        &semver::Version::new(1, 2, 3),
        Digest::of(b"marvin"),
    )
}

fn deployed(what: &str) -> AppendRequest {
    let payload = format!("{{\"what\":\"{what}\"}}").into_bytes();
    AppendRequest::new(
        id("acme"),
        kind("deploy.finished"),
        payload,
        Writer::operator(1000),
    )
}
