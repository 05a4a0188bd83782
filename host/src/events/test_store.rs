//! A store in memory that can be told to fail, for tests of what stands above the store; and a clock to go with it.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    domain::{Clock, Digest, Event, EventId, Generation, NewEvent, TenantId, TenantRecord, Timestamp},
    store::{
        Appended, Batch, CommitError, EventFilter, GenerationRecord, Head, KvScope, Order, Store, StoreError,
        StoreHealth,
    },
};

/// How the store behaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    /// It works.
    #[default]
    Works,
    /// Everything fails with this.
    Fails(StoreError),
    /// Commits never answer.
    Hangs,
}

#[derive(Default)]
struct Contents {
    mood: Mood,
    tenants: BTreeSet<TenantId>,
    events: Vec<Event>,
}

#[derive(Default)]
pub(crate) struct TestStore(Mutex<Contents>);

impl TestStore {
    pub(crate) fn with_tenants(tenants: &[&str]) -> Self {
        let store = Self::default();
        for tenant in tenants {
            store.add_tenant(tenant);
        }
        store
    }

    pub(crate) fn add_tenant(&self, tenant: &str) {
        self.contents().tenants.insert(tenant.parse().unwrap());
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.contents().mood = mood;
    }

    pub(crate) fn go_away(&self) {
        self.set_mood(Mood::Fails(StoreError::Unavailable(
            "the disk is full".to_owned(),
        )));
    }

    pub(crate) fn come_back(&self) {
        self.set_mood(Mood::Works);
    }

    /// The events of a chain in order.
    pub(crate) fn chain(&self, tenant: &str) -> Vec<Event> {
        let contents = self.contents();
        contents
            .events
            .iter()
            .filter(|event| event.tenant.as_str() == tenant)
            .cloned()
            .collect()
    }

    /// The types of a chain in order.
    pub(crate) fn types(&self, tenant: &str) -> Vec<String> {
        self.chain(tenant)
            .into_iter()
            .map(|event| event.event_type)
            .collect()
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap()
    }

    fn readable(&self) -> Result<MutexGuard<'_, Contents>, StoreError> {
        let contents = self.contents();
        match &contents.mood {
            Mood::Fails(error) => Err(error.clone()),
            Mood::Works | Mood::Hangs => Ok(contents),
        }
    }
}

impl Contents {
    fn commit(&mut self, batch: Batch) -> Result<Vec<Appended>, CommitError> {
        for event in &batch.events {
            if !event.tenant.is_host() && !self.tenants.contains(&event.tenant) {
                let tenant = event.tenant.clone();
                return Err(CommitError::TenantUnknown { tenant });
            }
        }
        if let Some((tenant, expected)) = batch.expected_seq {
            let found = self.head(&tenant);
            if found != expected {
                return Err(CommitError::SequenceConflict {
                    tenant,
                    expected,
                    found,
                });
            }
        }
        Ok(batch.events.into_iter().map(|event| self.append(event)).collect())
    }

    fn head(&self, tenant: &TenantId) -> u64 {
        self.events.iter().filter(|event| event.tenant == *tenant).count() as u64
    }

    fn append(&mut self, new: NewEvent) -> Appended {
        let same_key = |event: &Event| {
            event.tenant == new.tenant
                && new.idempotency_key.is_some()
                && event.idempotency_key == new.idempotency_key
        };
        if let Some(event) = self
            .events
            .iter()
            .find(|event| event.event_id == new.event_id || same_key(event))
        {
            return Appended {
                event_id: event.event_id,
                seq: event.seq,
                this_hash: event.this_hash,
                repeated: true,
            };
        }
        let event = Event {
            seq: self.head(&new.tenant) + 1,
            event_type: new.event_type.to_string(),
            actor_kind: Some(new.actor.kind.to_string()),
            actor_id: new.actor.id,
            payload: new.payload.as_str().to_owned(),
            prev_hash: Digest::from_bytes([0; 32]),
            this_hash: Digest::of(new.event_id.as_bytes()),
            tenant: new.tenant,
            event_id: new.event_id,
            occurred_at: new.occurred_at,
            source: new.source,
            identity_generation: new.identity_generation,
            idempotency_key: new.idempotency_key,
        };
        let appended = Appended {
            event_id: event.event_id,
            seq: event.seq,
            this_hash: event.this_hash,
            repeated: false,
        };
        self.events.push(event);
        appended
    }
}

fn passes(filter: &EventFilter, event: &Event) -> bool {
    let under = |prefix: &String| {
        event
            .event_type
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    filter.after_seq.is_none_or(|seq| event.seq > seq)
        && filter.before_seq.is_none_or(|seq| event.seq < seq)
        && (filter.prefixes.is_empty() || filter.prefixes.iter().any(under))
}

#[async_trait]
impl Store for TestStore {
    async fn commit(&self, batch: Batch) -> Result<Vec<Appended>, CommitError> {
        let mood = self.contents().mood.clone();
        match mood {
            Mood::Works => self.contents().commit(batch),
            Mood::Fails(error) => Err(error.into()),
            Mood::Hangs => std::future::pending().await,
        }
    }

    async fn events(&self, tenant: &TenantId, filter: EventFilter) -> Result<Vec<Event>, StoreError> {
        let contents = self.readable()?;
        let mut events: Vec<_> = contents
            .events
            .iter()
            .filter(|event| event.tenant == *tenant && passes(&filter, event))
            .cloned()
            .collect();
        if filter.order == Order::NewestFirst {
            events.reverse();
        }
        events.truncate(filter.limit as usize);
        Ok(events)
    }

    async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        Ok(self
            .readable()?
            .events
            .iter()
            .find(|event| event.event_id == id)
            .cloned())
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        Ok(Vec::new())
    }

    async fn check_tails(&self, _records: u64) -> Result<Option<String>, StoreError> {
        Ok(None)
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        Ok(Vec::new())
    }

    async fn generations(
        &self,
        _tenant: &TenantId,
        _limit: u32,
    ) -> Result<Vec<GenerationRecord>, StoreError> {
        Ok(Vec::new())
    }

    async fn generation(
        &self,
        _tenant: &TenantId,
        _generation: Generation,
    ) -> Result<Option<GenerationRecord>, StoreError> {
        Ok(None)
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

/// A clock that goes on by a second each time it is read.
#[derive(Default)]
pub(crate) struct TestClock(AtomicI64);

/// 2026-11-20T10:00:00Z.
const BEGINNING_SECONDS: i64 = 1_795_168_800;

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let seconds = BEGINNING_SECONDS + self.0.fetch_add(1, Ordering::SeqCst);
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}
