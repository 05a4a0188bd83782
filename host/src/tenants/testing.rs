//! A journal over a store in memory, for the tests of tenants and identities.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Journal, Telling};
pub(crate) use crate::store::memory::{Contents, MemoryStore, NextCommit};
use crate::{
    domain::{Actor, Clock, NewEvent, Payload, TenantId, Timestamp},
    store::{Appended, Batch, Change, CommitError, Store},
};

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
