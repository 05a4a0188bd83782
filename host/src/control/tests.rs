//! What commands do to tenants, hosts and the chain, over a store that can be told to fail.

mod failing;
mod issuing;
mod late;
mod lifting;
mod on_host;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{Actor, ActorKind, Clock, PrimaryState, TenantId, Timestamp, TriggerKind},
    engine::{
        control::{Command, Level, Lifecycle, Slas},
        transition::Request,
        vocabulary::{Owner, Vocabulary},
    },
    events::{EventLog, LogParts, Writer},
    state::{AllGuards, ReasonGuard, StateChangeError, States},
    store::memory::{MemoryStore, NextCommit},
    tenants::testing::PlainJournal,
};

/// A clock that goes when it is told to.
#[derive(Default)]
struct HandClock(AtomicI64);

impl HandClock {
    fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst) * 1_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// Work that is let go only when a test says so.
#[derive(Default)]
struct FakeWork {
    held: Mutex<BTreeMap<TenantId, u64>>,
    aborted: Mutex<Vec<TenantId>>,
    cannot_abort: AtomicBool,
}

#[async_trait]
impl Work for FakeWork {
    async fn held(&self, tenant: &TenantId) -> Result<u64, String> {
        Ok(self.held.lock().unwrap().get(tenant).copied().unwrap_or(0))
    }

    async fn at_work(&self) -> Result<BTreeSet<TenantId>, String> {
        let held = self.held.lock().unwrap();
        let at_work = held.iter().filter(|(_, count)| **count > 0);
        Ok(at_work.map(|(tenant, _)| tenant.clone()).collect())
    }

    async fn abort(&self, tenant: &TenantId) -> Result<(), String> {
        if self.cannot_abort.load(Ordering::SeqCst) {
            return Err("the store is busy".to_owned());
        }
        self.aborted.lock().unwrap().push(tenant.clone());
        Ok(())
    }
}

#[derive(Default)]
struct FakeExit(Mutex<Vec<String>>);

impl Exit for FakeExit {
    fn request(&self, why: String) {
        self.0.lock().unwrap().push(why);
    }
}

/// For whom tokens were revoked, and for which commands.
#[derive(Default)]
struct FakeTokens(Mutex<Vec<TenantId>>, Mutex<BTreeSet<Uuid>>);

#[async_trait]
impl Tokens for FakeTokens {
    async fn revoke(&self, tenant: &TenantId, command: Uuid) -> Result<(), String> {
        if self.1.lock().unwrap().insert(command) {
            self.0.lock().unwrap().push(tenant.clone());
        }
        Ok(())
    }
}

/// Other hosts: the tenants that they hold, and the runs in which they are.
#[derive(Default)]
struct FakeElsewhere {
    tenants: Mutex<Vec<TenantId>>,
    runs: Mutex<Vec<String>>,
}

impl Elsewhere for FakeElsewhere {
    fn holds(&self, tenant: &TenantId) -> bool {
        self.tenants.lock().unwrap().contains(tenant)
    }

    fn is_up(&self, session: &str) -> bool {
        self.runs.lock().unwrap().iter().any(|run| run == session)
    }
}

/// One run of a host over a store that outlives it, with the tenants `acme` and `globex` ready.
struct Rig {
    store: Arc<MemoryStore>,
    clock: Arc<HandClock>,
    work: Arc<FakeWork>,
    exit: Arc<FakeExit>,
    tokens: Arc<FakeTokens>,
    elsewhere: Arc<FakeElsewhere>,
    states: Arc<States>,
    controls: Controls,
    home: TempDir,
}

impl Rig {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::with_tenants(&["acme", "globex"]));
        Self::on(store, Arc::default(), "first run", TempDir::new().unwrap()).await
    }

    async fn on(store: Arc<MemoryStore>, clock: Arc<HandClock>, session: &str, home: TempDir) -> Self {
        Self::beside(Arc::default(), store, clock, session, home).await
    }

    async fn beside(
        elsewhere: Arc<FakeElsewhere>,
        store: Arc<MemoryStore>,
        clock: Arc<HandClock>,
        session: &str,
        home: TempDir,
    ) -> Self {
        let (work, exit) = (Arc::<FakeWork>::default(), Arc::<FakeExit>::default());
        let tokens = Arc::<FakeTokens>::default();
        let log = EventLog::open(LogParts {
            store: store.clone(),
            clock: clock.clone(),
            vocabulary: Vocabulary::new(&[]).unwrap(),
            spool_path: home.path().join("spool.jsonl"),
        });
        let book = CommandBook::new(store.clone(), clock.clone());
        let guards = AllGuards::new([
            Arc::new(ReasonGuard) as _,
            Arc::new(StopGuard::new(book.clone())) as _,
        ]);
        let states = Arc::new(States::new(
            Arc::new(log.unwrap()),
            clock.clone(),
            Arc::new(guards),
        ));
        let controls = Controls::new(ControlParts {
            book,
            journal: Arc::new(PlainJournal(store.clone())),
            clock: clock.clone(),
            states: states.clone(),
            work: work.clone(),
            exit: exit.clone(),
            tokens: tokens.clone(),
            elsewhere: elsewhere.clone(),
            session: session.to_owned(),
            slas: Slas::default(),
        });
        let rig = Self {
            store,
            clock,
            work,
            exit,
            tokens,
            elsewhere,
            states,
            controls,
            home,
        };
        rig.boot().await;
        rig
    }

    /// As a boot does it: what holds a tenant is found before it becomes ready.
    async fn boot(&self) {
        self.controls.begin().await;
        for tenant in [acme(), globex()] {
            self.states.wire_in(&tenant).await.unwrap();
            self.controls.hold(&tenant).await;
            if self.state(&tenant) == PrimaryState::Booting {
                let ready = Request::to(PrimaryState::Ready, TriggerKind::BootPassed, "gates");
                self.states.transition(&tenant, ready, &engine()).await.unwrap();
            }
        }
    }

    /// A host that was killed and started again.
    async fn restarted(self, session: &str) -> Self {
        let home = TempDir::new().unwrap();
        drop(self.home);
        Self::on(self.store, self.clock, session, home).await
    }

    async fn stop(&self, level: Level) -> Issued {
        self.give(order(level)).await
    }

    async fn give(&self, order: StopOrder) -> Issued {
        self.controls.issue(order).await.unwrap()
    }

    fn state(&self, tenant: &TenantId) -> PrimaryState {
        self.states.current(tenant).unwrap().state.primary_state
    }

    fn hold_work(&self, tenant: &TenantId, count: u64) {
        self.work.held.lock().unwrap().insert(tenant.clone(), count);
    }

    async fn resume(&self, tenant: &TenantId) -> Result<(), StateChangeError> {
        let resumed = self.states.resume(tenant, "back", &Writer::operator(1000)).await;
        resumed.map(drop)
    }

    /// What a chain tells of commands: type and level.
    fn told(&self, tenant: &str) -> Vec<String> {
        let told = self.store.told(tenant).into_iter();
        told.filter_map(|(event_type, payload)| {
            let what = event_type.strip_prefix("kora_control.")?;
            Some(format!("{what} {}", payload["level"]))
        })
        .collect()
    }

    async fn lifecycles(&self, tenant: &TenantId) -> Vec<(Level, Lifecycle)> {
        let listing = self.controls.list(tenant).await.unwrap();
        let mut lifecycles: Vec<_> = commands(&listing.history)
            .map(|command| (command.level(), command.lifecycle))
            .collect();
        lifecycles.reverse();
        lifecycles
    }
}

fn commands(entries: &[Entry]) -> impl Iterator<Item = &Command> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Command(command) => Some(command),
        Entry::Unreadable { .. } => None,
    })
}

fn order(level: Level) -> StopOrder {
    StopOrder {
        tenant: acme(),
        level,
        reason: "the disk smells".to_owned(),
        expires_in: None,
        issuer: Actor {
            kind: ActorKind::Operator,
            id: Some("uid:1000".to_owned()),
        },
        dry_run: false,
    }
}

fn on_host(level: Level) -> StopOrder {
    StopOrder {
        tenant: TenantId::host(),
        ..order(level)
    }
}

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

fn globex() -> TenantId {
    "globex".parse().unwrap()
}

fn engine() -> Writer {
    Writer::host(Owner::Engine)
}
