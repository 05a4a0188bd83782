//! What the states promise, over an event log whose store can be told to fail.

mod changing;
mod listening;
mod model;
mod pausing;
mod restoring;

use std::sync::Arc;

use tempfile::TempDir;

use super::{ReasonGuard, ResumeGuard, States};
use crate::{
    domain::{
        DegradationReason::{self, Auth, Cost, Operator},
        Digest,
        PrimaryState::{self, Active, Booting, Paused, Ready, Stopped},
        TenantId, TriggerKind,
    },
    engine::{
        transition::Request,
        trigger::canonical_text,
        vocabulary::{Owner, Vocabulary},
    },
    events::{EventLog, LogParts, Writer, test_clock::TestClock},
    store::memory::MemoryStore,
};

/// States over an event log with the tenants `acme` and `globex` in its store.
struct Rig {
    store: Arc<MemoryStore>,
    log: Arc<EventLog>,
    states: Arc<States>,
    home: TempDir,
}

impl Rig {
    fn new() -> Self {
        Self::guarded(Arc::new(ReasonGuard))
    }

    fn guarded(guard: Arc<dyn ResumeGuard>) -> Self {
        let store = Arc::new(MemoryStore::with_tenants(&["acme", "globex"]));
        let home = TempDir::new().unwrap();
        let (log, states) = start(&store, &home, guard);
        Self {
            store,
            log,
            states,
            home,
        }
    }

    /// With `acme` ready.
    async fn ready() -> Self {
        let rig = Self::new();
        rig.boot().await;
        rig
    }

    /// As a host that was killed and started again, before it boots.
    fn restart(&mut self) {
        (self.log, self.states) = start(&self.store, &self.home, Arc::new(ReasonGuard));
    }

    /// Takes up `acme` and, unless it has to stay paused or stopped, makes it ready.
    async fn boot(&self) {
        let now = self.states.wire_in(&acme()).await.unwrap();
        if now.state.primary_state == Booting {
            self.go(Ready, TriggerKind::BootPassed).await;
        }
    }

    async fn go(&self, to: PrimaryState, kind: TriggerKind) {
        let request = Request::to(to, kind, canonical_text(kind));
        self.states.transition(&acme(), request, &engine()).await.unwrap();
    }

    async fn degrade(&self, reason: DegradationReason) {
        self.states
            .set_degradation(&acme(), reason, true, "", &engine())
            .await
            .unwrap();
    }

    fn primary(&self) -> PrimaryState {
        self.states.current(&acme()).unwrap().state.primary_state
    }

    fn reasons(&self) -> Vec<&'static str> {
        self.states.current(&acme()).unwrap().state.reasons_sorted()
    }
}

fn start(
    store: &Arc<MemoryStore>,
    home: &TempDir,
    guard: Arc<dyn ResumeGuard>,
) -> (Arc<EventLog>, Arc<States>) {
    let clock = Arc::new(TestClock::default());
    let log = EventLog::open(LogParts {
        store: store.clone(),
        clock: clock.clone(),
        vocabulary: Vocabulary::new(&[]).unwrap(),
        spool_path: home.path().join("spool.jsonl"),
    });
    let log = Arc::new(log.unwrap());
    (log.clone(), Arc::new(States::new(log, clock, guard)))
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn engine() -> Writer {
    Writer::host(Owner::Engine)
}

fn operator() -> Writer {
    Writer::operator(1000)
}

fn marvin() -> Writer {
    Writer::plugin(
        &"marvin".parse().unwrap(),
        &semver::Version::new(1, 0, 0),
        Digest::of(b"marvin"),
    )
}
