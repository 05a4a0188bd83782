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
    async fn append(
        &self,
        changes: Vec<Change>,
        tellings: Vec<Telling>,
    ) -> Result<Vec<Appended>, CommitError> {
        let batch = Batch {
            events: tellings.into_iter().map(event).collect(),
            changes,
            expected_seq: None,
        };
        self.0.commit(batch).await
    }
}

fn event(telling: Telling) -> NewEvent {
    NewEvent {
        tenant: telling.tenant,
        event_id: telling.event_id,
        event_type: telling.event_type.event_type(),
        occurred_at: Timestamp::from_micros(0),
        actor: telling.actor,
        source: "kora-host@test".to_owned(),
        identity_generation: None,
        idempotency_key: None,
        payload: Payload::from_checked(telling.payload.to_string()),
    }
}

#[async_trait]
impl Journal for PlainJournal {
    async fn commit_all(
        &self,
        changes: Vec<Change>,
        tellings: Vec<Telling>,
    ) -> Result<Vec<Appended>, CommitError> {
        self.append(changes, tellings).await
    }

    async fn tell(&self, telling: Telling) -> Result<(), CommitError> {
        self.append(Vec::new(), vec![telling]).await.map(drop)
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
