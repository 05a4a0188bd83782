//! A store and a journal in memory, for the tests of tenants and identities. They keep the promises of the ports that
//! those rely on: a batch is all or nothing, generations are compared and set, ids are one without regard to case.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{Journal, Telling};
use crate::{
    domain::{
        Actor, Clock, Digest, Event, EventId, Generation, NewEvent, Payload, TenantId, TenantRecord,
        Timestamp,
    },
    store::{
        Appended, Batch, Change, CommitError, EventFilter, GenerationRecord, Head, KvScope, Store,
        StoreError, StoreHealth,
    },
};

/// Everything that the store has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    pub(crate) tenants: Vec<TenantRecord>,
    pub(crate) generations: Vec<GenerationRecord>,
    pub(crate) events: Vec<Event>,
}

/// What the next commit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum NextCommit {
    #[default]
    Works,
    /// Answers that the store is away; nothing happened.
    Fails,
    /// Answers that the store is away although it happened.
    HappensAndFails,
}

#[derive(Default)]
pub(crate) struct MemoryStore {
    contents: Mutex<Contents>,
    next_commit: Mutex<NextCommit>,
}

impl MemoryStore {
    pub(crate) fn contents(&self) -> std::sync::MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn on_next_commit(&self, next: NextCommit) {
        *self.next_commit.lock().unwrap() = next;
    }

    /// The types of a tenant's events with their payloads, oldest first.
    pub(crate) fn told(&self, tenant: &str) -> Vec<(String, serde_json::Value)> {
        let contents = self.contents();
        let of_tenant = contents
            .events
            .iter()
            .filter(|event| event.tenant.as_str() == tenant);
        of_tenant
            .map(|event| {
                (
                    event.event_type.clone(),
                    serde_json::from_str(&event.payload).unwrap(),
                )
            })
            .collect()
    }
}

fn away() -> StoreError {
    StoreError::Unavailable("the disk is full".to_owned())
}

fn apply(contents: &mut Contents, change: Change) -> Result<(), CommitError> {
    match change {
        Change::AddTenant(record) => {
            let folded = record.tenant.folded();
            if let Some(there) = contents
                .tenants
                .iter()
                .find(|there| there.tenant.folded() == folded)
            {
                let tenant = there.tenant.clone();
                return Err(CommitError::TenantExists { tenant });
            }
            contents.tenants.push(record);
        }
        Change::SetTenantActive { tenant, active } => {
            let mut there = contents.tenants.iter_mut();
            match there.find(|there| there.tenant == tenant) {
                Some(record) => record.active = active,
                None => return Err(CommitError::TenantUnknown { tenant }),
            }
        }
        Change::BindIdentity { expected, record } => {
            let tenant = record.tenant.clone();
            let of_tenant = contents.generations.iter().filter(|there| there.tenant == tenant);
            let found = of_tenant.map(|there| there.generation).max().unwrap_or(0);
            if found != expected {
                return Err(CommitError::GenerationConflict {
                    tenant,
                    expected,
                    found,
                });
            }
            assert_eq!(record.generation, expected + 1);
            contents.generations.push(record);
        }
        Change::KvPut { .. } | Change::KvDelete { .. } => {
            unreachable!("neither tenants nor identities keep values")
        }
    }
    Ok(())
}

fn append(contents: &mut Contents, event: NewEvent) -> Appended {
    let last = contents
        .events
        .iter()
        .rev()
        .find(|there| there.tenant == event.tenant);
    let (seq, prev_hash) = last.map_or((1, Digest::of(b"genesis")), |last| (last.seq + 1, last.this_hash));
    let this_hash = Digest::of(event.payload.as_str().as_bytes());
    contents.events.push(Event {
        tenant: event.tenant,
        seq,
        event_id: event.event_id,
        event_type: event.event_type.to_string(),
        occurred_at: event.occurred_at,
        actor_kind: Some(event.actor.kind.to_string()),
        actor_id: event.actor.id,
        source: event.source,
        identity_generation: event.identity_generation,
        idempotency_key: event.idempotency_key,
        payload: event.payload.as_str().to_owned(),
        prev_hash,
        this_hash,
    });
    Appended {
        event_id: event.event_id,
        seq,
        this_hash,
        repeated: false,
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, batch: Batch) -> Result<Vec<Appended>, CommitError> {
        // A real commit takes a while: others get their turn meanwhile.
        tokio::task::yield_now().await;
        let next = std::mem::take(&mut *self.next_commit.lock().unwrap());
        if next == NextCommit::Fails {
            return Err(away().into());
        }
        let mut contents = self.contents();
        let mut changed = contents.clone();
        for change in batch.changes {
            apply(&mut changed, change)?;
        }
        let events = batch.events.into_iter();
        let appended = events.map(|event| append(&mut changed, event)).collect();
        *contents = changed;
        if next == NextCommit::HappensAndFails {
            return Err(away().into());
        }
        Ok(appended)
    }

    async fn events(&self, tenant: &TenantId, _filter: EventFilter) -> Result<Vec<Event>, StoreError> {
        let contents = self.contents();
        let of_tenant = contents.events.iter().filter(|event| event.tenant == *tenant);
        Ok(of_tenant.rev().cloned().collect())
    }

    async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        let contents = self.contents();
        Ok(contents.events.iter().find(|event| event.event_id == id).cloned())
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        Ok(Vec::new())
    }

    async fn check_tails(&self, _records: u64) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        Ok(self.contents().tenants.clone())
    }

    async fn generations(&self, tenant: &TenantId, limit: u32) -> Result<Vec<GenerationRecord>, StoreError> {
        let contents = self.contents();
        let of_tenant = contents
            .generations
            .iter()
            .filter(|there| there.tenant == *tenant);
        Ok(of_tenant.rev().take(limit as usize).cloned().collect())
    }

    async fn generation(
        &self,
        tenant: &TenantId,
        generation: Generation,
    ) -> Result<Option<GenerationRecord>, StoreError> {
        let contents = self.contents();
        let mut there = contents.generations.iter();
        Ok(there
            .find(|there| there.tenant == *tenant && there.generation == generation)
            .cloned())
    }

    async fn kv_get(&self, _scope: &KvScope, _key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    async fn kv_list(&self, _scope: &KvScope, _prefix: &str) -> Result<(Vec<String>, u64), StoreError> {
        Ok((Vec::new(), 0))
    }

    fn health(&self) -> StoreHealth {
        StoreHealth::Available
    }

    async fn close(&self) {}
}

/// Does what the event log does with a telling.
pub(crate) struct PlainJournal(pub(crate) Arc<MemoryStore>);

impl PlainJournal {
    async fn append(&self, change: Option<Change>, telling: Telling) -> Result<Appended, CommitError> {
        let event = NewEvent {
            tenant: telling.tenant,
            event_id: telling.event_id,
            event_type: telling.event_type.event_type(),
            occurred_at: Timestamp::from_micros(0),
            actor: telling.actor,
            source: "kora-host@test".to_owned(),
            identity_generation: None,
            idempotency_key: None,
            payload: Payload::from_checked(telling.payload.to_string()),
        };
        let mut batch = Batch::of(event);
        batch.changes.extend(change);
        let mut appended = self.0.commit(batch).await?;
        Ok(appended.remove(0))
    }
}

#[async_trait]
impl Journal for PlainJournal {
    async fn commit(&self, change: Change, telling: Telling) -> Result<Appended, CommitError> {
        self.append(Some(change), telling).await
    }

    async fn tell(&self, telling: Telling) -> Result<(), CommitError> {
        self.append(None, telling).await.map(|_| ())
    }
}

/// A clock that stands still.
pub(crate) struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_000_000)
    }

    fn monotonic(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

pub(crate) fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// The operator in whose name tests act.
pub(crate) fn operator() -> Actor {
    Actor {
        kind: crate::domain::ActorKind::Operator,
        id: Some("uid:1000".to_owned()),
    }
}
