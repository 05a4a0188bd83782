//! What tickets promise, over a store in memory that can be told to fail, and a clock that stands until it is moved.

mod claiming;
mod driving;
mod holding;
mod pacing;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{Actor, ActorKind, ClaimPermission, DegradationReason, PrimaryState, Timestamp, TriggerKind},
    engine::{
        ramp::SlowStart,
        ticket::{ClaimResult, Criticality, Ending, Held, Priority, Resolution, TicketDraft, TicketStatus},
        transition::Request,
        trigger::canonical_text,
        vocabulary::{Owner, Vocabulary},
    },
    events::{EventLog, LogParts, Writer},
    state::ReasonGuard,
    store::memory::{MemoryStore, NextCommit},
    tenants::testing::{PlainJournal, operator, tenant},
};

const AGENT: Uuid = Uuid::from_u128(7);

/// Stands until it is moved.
#[derive(Default)]
struct HandClock(AtomicI64);

impl HandClock {
    fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

struct OneAgent;

impl Agents for OneAgent {
    fn agent_of(&self, _: &TenantId) -> Option<Uuid> {
        Some(AGENT)
    }

    fn is_actor(&self, _: &TenantId, actor: Uuid) -> bool {
        actor == AGENT || actor == Uuid::nil()
    }
}

/// Refuses work of one criticality.
#[derive(Default)]
struct Miser(Mutex<Option<Criticality>>);

#[async_trait]
impl ClaimGuard for Miser {
    async fn refuses(&self, _: &TenantId, criticality: Criticality) -> Option<Refusal> {
        let refused = *self.0.lock().unwrap();
        (refused == Some(criticality)).then(|| Refusal::cost("the money is for others"))
    }
}

/// Says how the tenant takes up work.
#[derive(Default)]
struct FakePurse(Mutex<SlowStart>);

#[async_trait]
impl Purse for FakePurse {
    async fn slow_start(&self, _: &TenantId) -> SlowStart {
        *self.0.lock().unwrap()
    }
}

struct Rig {
    store: Arc<MemoryStore>,
    clock: Arc<HandClock>,
    states: Arc<States>,
    tickets: Tickets,
    miser: Arc<Miser>,
    purse: Arc<FakePurse>,
    home: TempDir,
}

impl Rig {
    /// With `acme` ready.
    async fn ready() -> Self {
        let rig = Self::over(Arc::new(MemoryStore::with_tenants(&["acme"])), Arc::default());
        rig.boot().await;
        rig
    }

    fn over(store: Arc<MemoryStore>, clock: Arc<HandClock>) -> Self {
        let home = TempDir::new().unwrap();
        let log = EventLog::open(LogParts {
            store: store.clone(),
            clock: clock.clone(),
            vocabulary: Vocabulary::new(&[]).unwrap(),
            spool_path: home.path().join("spool.jsonl"),
        });
        let states = Arc::new(States::new(
            Arc::new(log.unwrap()),
            clock.clone(),
            Arc::new(ReasonGuard),
        ));
        let (miser, purse) = (Arc::new(Miser::default()), Arc::new(FakePurse::default()));
        let tickets = Tickets::new(TicketsParts {
            store: store.clone(),
            journal: Arc::new(PlainJournal(store.clone())),
            clock: clock.clone(),
            states: states.clone(),
            agents: Arc::new(OneAgent),
            guards: vec![miser.clone()],
            purse: purse.clone(),
            rules: TicketRules::default(),
        });
        states.listen("tickets", Arc::new(StateWatch(tickets.clone())));
        Self {
            store,
            clock,
            states,
            tickets,
            miser,
            purse,
            home,
        }
    }

    /// What the tickets are made of, for others over the same store.
    fn parts(&self) -> TicketsParts {
        let inner = &self.tickets.0;
        TicketsParts {
            store: inner.store.clone(),
            journal: inner.journal.clone(),
            clock: inner.clock.clone(),
            states: inner.states.clone(),
            agents: inner.agents.clone(),
            guards: inner.guards.clone(),
            purse: inner.purse.clone(),
            rules: inner.rules,
        }
    }

    /// As a host that was killed and started again.
    async fn restarted(self) -> Self {
        let rig = Self::over(self.store.clone(), self.clock.clone());
        drop(self.home);
        rig.boot().await;
        rig
    }

    async fn boot(&self) {
        self.states.wire_in(&acme()).await.unwrap();
        self.go(PrimaryState::Ready, TriggerKind::BootPassed).await;
        self.states.flush().await;
    }

    async fn go(&self, to: PrimaryState, kind: TriggerKind) {
        self.change(Request::to(to, kind, canonical_text(kind))).await;
    }

    async fn change(&self, request: Request) {
        let writer = Writer::host(Owner::Engine);
        self.states.transition(&acme(), request, &writer).await.unwrap();
    }

    async fn make(&self, title: &str, priority: Priority) -> Uuid {
        self.make_of(TicketDraft {
            priority,
            ..draft(title)
        })
        .await
    }

    async fn make_of(&self, draft: TicketDraft) -> Uuid {
        let made = self.tickets.create(&acme(), draft, operator()).await.unwrap();
        made.ticket_id
    }

    async fn ask(&self, ticket: Option<Uuid>) -> ClaimAnswer {
        let request = ClaimRequest {
            ticket,
            contract_version: None,
            holder: marvin(),
        };
        self.tickets.claim(&acme(), request).await.unwrap()
    }

    async fn claim(&self, ticket: Option<Uuid>) -> StoredTicket {
        match self.ask(ticket).await {
            ClaimAnswer::Claimed(claimed) => claimed.stored,
            other => panic!("expected a claim, found {other:?}"),
        }
    }

    async fn refused(&self, ticket: Option<Uuid>) -> ClaimResult {
        match self.ask(ticket).await {
            ClaimAnswer::Refused { result, .. } => result,
            other => panic!("expected a refusal, found {other:?}"),
        }
    }

    async fn resolve(&self, claimed: &StoredTicket, resolution: Resolution) -> StoredTicket {
        let (id, held) = (claimed.ticket_id, held_by_marvin(claimed));
        let resolved = self.tickets.resolve(&acme(), id, held, ending(resolution)).await;
        resolved.unwrap()
    }

    async fn ticket(&self, id: Uuid) -> crate::engine::ticket::Ticket {
        self.tickets.get(&acme(), id).await.unwrap().ticket
    }

    fn primary(&self) -> PrimaryState {
        self.states.current(&acme()).unwrap().state.primary_state
    }

    /// Tickets that are as this one, but for their ids.
    fn multiply(&self, ticket: Uuid, copies: usize) {
        let mut contents = self.store.contents();
        let id = ticket.to_string();
        let mut all = contents.documents.values();
        let original = all.find(|document| document.key.id == id).unwrap().clone();
        for _ in 0..copies {
            let mut copy = original.clone();
            copy.key.id = fresh_id().to_string();
            contents.documents.insert(copy.key.clone(), copy);
        }
    }

    /// Makes the document of this id unreadable.
    fn damage(&self, id: Uuid) {
        let mut contents = self.store.contents();
        let id = id.to_string();
        let mut all = contents.documents.values_mut();
        all.find(|document| document.key.id == id).unwrap().body = "{".to_owned();
    }

    /// The payloads of one type, oldest first.
    fn told(&self, event_type: &str) -> Vec<Value> {
        let told = self.store.told("acme").into_iter();
        told.filter(|(found, _)| found == event_type)
            .map(|(_, payload)| payload)
            .collect()
    }
}

fn acme() -> TenantId {
    tenant("acme")
}

fn marvin() -> Actor {
    Actor {
        kind: ActorKind::Plugin,
        id: Some("marvin".to_owned()),
    }
}

fn draft(title: &str) -> TicketDraft {
    TicketDraft {
        title: title.to_owned(),
        body: None,
        priority: Priority::Normal,
        criticality: None,
        assigned_to_actor_id: None,
    }
}

fn ending(resolution: Resolution) -> Ending {
    Ending {
        resolution,
        summary: "so it ended".to_owned(),
        model_tier_used: None,
        retry_reason: None,
        next_eligible_offset_seconds: None,
    }
}

fn held_by_marvin(claimed: &StoredTicket) -> Held {
    Held {
        fence_token: claimed.ticket.claim_count,
        by: marvin(),
    }
}
