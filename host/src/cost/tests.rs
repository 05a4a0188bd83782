//! What the accounts promise, over a store that can be told to fail and is shared by several hosts.

mod counting;
mod failing;
mod periods;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use super::{Brake, Costs, CostsParts, NewUsage, Policies, Recorded};
use crate::{
    domain::{Clock, Money, TenantId, Timestamp},
    engine::cost::{
        Criticality, Decision, Ladder, ModelRule, Policy,
        Rung::{self, Downshift90, HardStop100, Normal, Warn75},
        UnknownCost, Usage,
    },
    engine::ramp::SlowStart,
    tenants::testing::{MemoryStore, NextCommit, PlainJournal, operator, tenant},
};

/// Hosts on one store, with the tenants `acme` and `globex`.
struct Rig {
    store: Arc<MemoryStore>,
    clock: Arc<SetClock>,
    pool: Arc<Mutex<Money>>,
    brake: Arc<NotedBrake>,
    costs: Costs,
}

impl Rig {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::with_tenants(&["acme", "globex"]));
        let clock = Arc::new(SetClock::default());
        clock.set("2026-11-20T10:00:00Z");
        let pool = Arc::new(Mutex::new(Money::from_dollars(200)));
        let brake = Arc::new(NotedBrake::default());
        let costs = host(&store, &clock, &pool, &brake);
        Self {
            store,
            clock,
            pool,
            brake,
            costs,
        }
    }

    /// Another host on the same store.
    fn other_host(&self) -> Costs {
        host(&self.store, &self.clock, &self.pool, &self.brake)
    }

    async fn spend(&self, cost: &str) -> Recorded {
        self.costs.record(&acme(), usage(cost)).await.unwrap()
    }

    async fn spent(&self) -> String {
        let state = self.costs.state(&acme()).await.unwrap();
        state.account.spent_to_date_usd.to_string()
    }

    async fn decision(&self) -> Decision {
        self.costs.may_spend(&acme(), None).await
    }
}

fn host(
    store: &Arc<MemoryStore>,
    clock: &Arc<SetClock>,
    pool: &Arc<Mutex<Money>>,
    brake: &Arc<NotedBrake>,
) -> Costs {
    Costs::new(CostsParts {
        store: store.clone(),
        journal: Arc::new(PlainJournal(store.clone())),
        clock: clock.clone(),
        policies: Arc::new(OnePolicy(pool.clone())),
        brake: brake.clone(),
    })
}

fn acme() -> TenantId {
    tenant("acme")
}

fn usd(text: &str) -> Money {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    let moment: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_micros(moment.as_microsecond())
}

fn usage(cost: &str) -> NewUsage {
    NewUsage {
        usage: Usage {
            route: "slack_dm".to_owned(),
            model: "claude-opus-4-7".to_owned(),
            input_tokens: 100,
            output_tokens: 20,
            cost_usd: usd(cost),
        },
        id: None,
        source: "operator".to_owned(),
        actor: operator(),
    }
}

fn usage_once(cost: &str, id: &str) -> NewUsage {
    NewUsage {
        id: Some(id.to_owned()),
        ..usage(cost)
    }
}

#[derive(Default)]
struct SetClock(AtomicI64);

impl SetClock {
    fn set(&self, text: &str) {
        self.0.store(at(text).as_micros(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

struct OnePolicy(Arc<Mutex<Money>>);

impl Policies for OnePolicy {
    fn policy(&self, _: &TenantId) -> Policy {
        Policy {
            ladder: Ladder {
                pool: *self.0.lock().unwrap(),
                warn_percent: 75,
                downshift_percent: 90,
            },
            stale_after: Duration::from_hours(48),
        }
    }
}

#[derive(Default)]
struct NotedBrake {
    is_halted: AtomicBool,
    is_broken: AtomicBool,
}

#[async_trait]
impl Brake for NotedBrake {
    async fn halt(&self, _: &TenantId) -> Result<(), String> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err("it is broken".to_owned());
        }
        self.is_halted.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn is_halted(&self, _: &TenantId) -> bool {
        self.is_halted.load(Ordering::SeqCst)
    }
}
