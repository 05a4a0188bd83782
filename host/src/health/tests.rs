//! What is gathered, and what the probe tells, over a store in memory and sources that say what a test wants.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    Acting, ClaimsSource, CredentialSource, CreditSource, Health, HealthParts, Pulse, Served, WatchSource,
};
use crate::{
    domain::{EventId, Money, NewEvent, Payload, TenantId, Timestamp},
    engine::health::{
        Breaker, BreakerState, Claims, Credential, Credit,
        Health::{Healthy, Outage, Stopped},
        Rollup, SignalStatus, Subsignal, Watcher,
    },
    store::{Batch, Store as _},
    tenants::testing::{MemoryStore, PlainJournal, StandingClock, tenant},
};

/// What the standing clock says.
const NOW: Timestamp = Timestamp::from_micros(1_000_000);

/// What the sources say.
#[derive(Default)]
struct Said {
    tenants: Vec<TenantId>,
    stopped: Option<String>,
    beside_others: Option<String>,
    spent: u32,
    claims_hang: bool,
    asked_for_claims: u32,
    breakers: Vec<Breaker>,
    beats: bool,
}

struct Sources(Mutex<Said>);

impl Sources {
    fn say(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.0.lock().unwrap());
    }

    fn read<T>(&self, read: impl FnOnce(&Said) -> T) -> T {
        read(&self.0.lock().unwrap())
    }
}

impl Served for Sources {
    fn tenants(&self) -> Vec<TenantId> {
        self.read(|said| said.tenants.clone())
    }

    fn beside_others(&self) -> Option<String> {
        self.read(|said| said.beside_others.clone())
    }

    fn stopped(&self, _tenant: &TenantId) -> Option<String> {
        self.read(|said| said.stopped.clone())
    }
}

#[async_trait]
impl ClaimsSource for Sources {
    async fn claims(&self, _tenant: &TenantId) -> Result<Claims, String> {
        self.say(|said| said.asked_for_claims += 1);
        if self.read(|said| said.claims_hang) {
            std::future::pending::<()>().await;
        }
        Ok(Claims {
            held: 0,
            newest_at: None,
            first_lease_ends_at: None,
            barred: None,
        })
    }
}

#[async_trait]
impl CreditSource for Sources {
    async fn credit(&self, _tenant: &TenantId) -> Result<Credit, String> {
        Ok(Credit {
            spent: Money::from_dollars(self.read(|said| said.spent)),
            pool: Money::from_dollars(100),
            unknown: None,
            changed_at: None,
        })
    }
}

impl Acting for Sources {
    fn breakers(&self, _tenant: &TenantId) -> Vec<Breaker> {
        self.read(|said| said.breakers.clone())
    }

    fn pulse(&self, _tenant: &TenantId) -> Option<Pulse> {
        self.read(|said| said.beats).then(|| Pulse {
            every: Duration::from_secs(30),
            expected_since: Timestamp::from_micros(-1_000_000_000),
            failing: None,
        })
    }
}

#[async_trait]
impl CredentialSource for Sources {
    async fn required(&self, _tenant: &TenantId) -> Result<Vec<Credential>, String> {
        Ok(Vec::new())
    }
}

impl WatchSource for Sources {
    fn last_look(&self) -> Option<Watcher> {
        Some(Watcher {
            looked_at: NOW,
            age: Duration::ZERO,
            could_read: true,
        })
    }
}

struct Rig {
    store: Arc<MemoryStore>,
    sources: Arc<Sources>,
    health: Health,
}

impl Rig {
    /// With `acme` and `globex`, to whose chains and to the host's something was written just now.
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::with_tenants(&["acme", "globex"]));
        let sources = Arc::new(Sources(Mutex::default()));
        sources.say(|said| said.tenants = vec![tenant("acme"), tenant("globex")]);
        let health = host(&store, &sources);
        let rig = Self {
            store,
            sources,
            health,
        };
        rig.append(&TenantId::host(), "host.started").await;
        rig
    }

    async fn append(&self, tenant: &TenantId, event_type: &str) {
        self.append_many(tenant, event_type, 1).await;
    }

    async fn append_many(&self, tenant: &TenantId, event_type: &str, number: usize) {
        let event = || NewEvent {
            tenant: tenant.clone(),
            event_id: EventId::new(),
            event_type: event_type.parse().unwrap(),
            occurred_at: NOW,
            actor: crate::domain::Actor::host(),
            source: "kora-host@test".to_owned(),
            identity_generation: None,
            idempotency_key: None,
            payload: Payload::from_checked("{}".to_owned()),
        };
        let batch = Batch {
            events: std::iter::repeat_with(event).take(number).collect(),
            ..Batch::default()
        };
        self.store.commit(batch).await.unwrap();
    }

    async fn acme(&self) -> Rollup {
        self.health.of_tenant(&tenant("acme")).await
    }

    /// What the probes told a chain: the overall of each.
    fn told(&self, chain: &str) -> Vec<String> {
        let told = self.store.told(chain).into_iter();
        let probes = told.filter(|(event_type, _)| event_type == "kora.health.probe");
        probes
            .map(|(_, payload)| payload["overall"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn host(store: &Arc<MemoryStore>, sources: &Arc<Sources>) -> Health {
    Health::new(HealthParts {
        store: store.clone(),
        journal: Arc::new(PlainJournal(store.clone())),
        clock: Arc::new(StandingClock),
        served: sources.clone(),
        claims: sources.clone(),
        credit: sources.clone(),
        acting: sources.clone(),
        credentials: sources.clone(),
        watch: sources.clone(),
        probe_every: Duration::from_secs(300),
    })
}

fn status(rollup: &Rollup, name: Subsignal) -> Option<SignalStatus> {
    let mut readings = rollup.subsignals.iter();
    readings
        .find(|reading| reading.name == name)
        .map(|found| found.status)
}

#[tokio::test]
async fn a_tenant_that_has_nothing_to_tell_is_healthy_while_the_host_tells_something() {
    let rig = Rig::new().await;
    let acme = rig.acme().await;
    assert_eq!(acme.overall, Healthy, "{acme:?}");
    assert_eq!(
        status(&acme, Subsignal::LastHeartbeat),
        None,
        "nobody is meant to beat"
    );
    assert_eq!(acme.subsignals.len(), Subsignal::ALL.len() - 1);
}

#[tokio::test]
async fn a_heartbeat_is_looked_for_once_somebody_is_meant_to_give_one() {
    let rig = Rig::new().await;
    rig.sources.say(|said| said.beats = true);
    assert_eq!(
        status(&rig.acme().await, Subsignal::LastHeartbeat),
        Some(SignalStatus::Missing)
    );
    rig.append(&tenant("acme"), super::HEARTBEAT).await;
    rig.append(&tenant("acme"), "ops.other").await;
    assert_eq!(
        status(&rig.acme().await, Subsignal::LastHeartbeat),
        Some(SignalStatus::Fresh)
    );
    let globex = rig.health.of_tenant(&tenant("globex")).await;
    assert_eq!(
        status(&globex, Subsignal::LastHeartbeat),
        Some(SignalStatus::Missing)
    );
}

#[tokio::test]
async fn a_heartbeat_is_found_however_much_was_appended_since() {
    let rig = Rig::new().await;
    rig.sources.say(|said| said.beats = true);
    rig.append(&tenant("acme"), super::HEARTBEAT).await;
    rig.append_many(&tenant("acme"), "ops.other", 10_001).await;
    assert_eq!(
        status(&rig.acme().await, Subsignal::LastHeartbeat),
        Some(SignalStatus::Fresh)
    );
}

#[tokio::test]
async fn a_store_that_refuses_is_an_outage_of_what_steers_and_leaves_the_rest_unknown() {
    let rig = Rig::new().await;
    rig.store.go_away();
    let acme = rig.acme().await;
    assert_eq!(acme.control_plane, Outage, "{acme:?}");
    assert_eq!(
        status(&acme, Subsignal::LastSuccessfulWrite),
        Some(SignalStatus::Missing)
    );
    rig.store.come_back();
    assert_eq!(rig.acme().await.overall, Healthy);
    rig.store.close().await;
    let closed = rig.acme().await;
    assert_eq!(
        (closed.control_plane, closed.worker),
        (Outage, Outage),
        "{closed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_in_time_is_not_known_and_hides_nobody_else() {
    let rig = Rig::new().await;
    let budget = Duration::from_secs(60);
    rig.sources.say(|said| said.claims_hang = true);
    let acme = rig.acme().await;
    assert_eq!(status(&acme, Subsignal::ClaimState), Some(SignalStatus::Missing));
    assert_eq!(status(&acme, Subsignal::CreditBurn), Some(SignalStatus::Fresh));
    assert_eq!(rig.health.of_tenants(budget).await.len(), 2);
    // Whom there is no time for is as it was last found, and not asked for.
    let asked = rig.sources.read(|said| said.asked_for_claims);
    let hurried = rig.health.of_tenants(Duration::ZERO).await;
    assert_eq!(hurried.len(), 2);
    assert_eq!(hurried[0].1, acme);
    assert_eq!(rig.sources.read(|said| said.asked_for_claims), asked);
}

#[tokio::test]
async fn the_host_is_told_of_each_probe_and_a_tenant_of_changes_alone() {
    let rig = Rig::new().await;
    let probe = async |times: usize| {
        for _ in 0..times {
            rig.health.probe().await;
        }
    };
    probe(2).await;
    assert_eq!(rig.told("host"), ["healthy", "healthy"]);
    assert!(
        rig.told("acme").is_empty(),
        "that all is well from the outset is no news"
    );
    let tripped = Breaker {
        what: "kora/heartbeat".to_owned(),
        state: BreakerState::Open,
        detail: "all restarts are used up".to_owned(),
    };
    rig.sources.say(|said| said.breakers = vec![tripped]);
    probe(2).await;
    rig.sources.say(|said| said.spent = 95);
    probe(2).await;
    rig.sources.say(|said| said.stopped = Some("L4".to_owned()));
    probe(2).await;
    rig.sources.say(|said| {
        *said = Said {
            tenants: std::mem::take(&mut said.tenants),
            ..Said::default()
        }
    });
    probe(2).await;
    assert_eq!(rig.told("acme"), ["outage", "outage", "stopped", "healthy"]);
    assert_eq!(rig.told("globex"), rig.told("acme"));
    assert_eq!(rig.told("host").len(), 10);
    let (_, told) = rig.store.told("acme").pop().unwrap();
    assert_eq!(told["probe_cadence_seconds"], 300);
    assert_eq!(told["subsignals"].as_array().unwrap().len(), 7);
}

#[tokio::test]
async fn a_change_is_told_once_by_all_hosts_and_not_again_after_a_restart() {
    let rig = Rig::new().await;
    let other = host(&rig.store, &rig.sources);
    rig.sources.say(|said| said.stopped = Some("L4".to_owned()));
    tokio::join!(rig.health.probe(), other.probe());
    other.probe().await;
    host(&rig.store, &rig.sources).probe().await;
    assert_eq!(rig.told("acme"), ["stopped"]);
    assert_eq!(rig.told("host").len(), 4);
    assert_eq!(rig.acme().await.worker, Stopped);
}

#[tokio::test]
async fn of_hosts_on_one_chain_each_says_who_it_is_and_one_without_tenants_says_nothing() {
    let rig = Rig::new().await;
    rig.sources
        .say(|said| said.beside_others = Some("heart:/var/kora".to_owned()));
    rig.health.probe().await;
    let (_, told) = rig.store.told("host").pop().unwrap();
    assert_eq!(told["host"], "heart:/var/kora");
    rig.sources.say(|said| said.tenants.clear());
    rig.health.probe().await;
    assert_eq!(rig.told("host").len(), 1, "it stands by");
}

#[tokio::test]
async fn what_could_not_be_told_is_told_by_a_later_probe() {
    let rig = Rig::new().await;
    rig.sources.say(|said| said.spent = 95);
    rig.store.go_away();
    rig.health.probe().await;
    rig.store.come_back();
    assert!(rig.told("acme").is_empty());
    rig.health.probe().await;
    assert_eq!(rig.told("acme"), ["outage"]);
}
