//! Events that are there already, by id and by idempotency key: in the database, or placed before in the same group.

use std::collections::HashMap;

use tokio_postgres::{Client, Row, types::ToSql};
use uuid::Uuid;

use super::super::{rows, statements::Statements};
use crate::{
    domain::{EventId, Hash, NewEvent, TenantId},
    store::{Appended, Batch, CommitError},
};

/// What is looked for.
pub(super) struct Wanted {
    ids: Vec<Uuid>,
    tenants: Vec<String>,
    keys: Vec<Vec<u8>>,
}

impl Wanted {
    pub(super) fn of(batches: &[&Batch]) -> Self {
        let mut wanted = Self {
            ids: Vec::new(),
            tenants: Vec::new(),
            keys: Vec::new(),
        };
        for event in batches.iter().flat_map(|batch| &batch.events) {
            wanted.ids.push(Uuid::from_bytes(*event.event_id.as_bytes()));
            if let Some(key) = &event.idempotency_key {
                wanted.tenants.push(event.tenant.as_str().to_owned());
                wanted.keys.push(key.clone().into_bytes());
            }
        }
        wanted
    }

    /// The rows of what is there.
    pub(super) async fn look_up(
        &self,
        client: &Client,
        statements: &Statements,
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        if self.ids.is_empty() {
            return Ok(Vec::new());
        }
        let by_id: [&(dyn ToSql + Sync); 1] = [&self.ids];
        if self.keys.is_empty() {
            return client.query(&statements.by_ids, &by_id).await;
        }
        let by_key: [&(dyn ToSql + Sync); 2] = [&self.tenants, &self.keys];
        let (mut found, with_key) = tokio::try_join!(
            biased;
            client.query(&statements.by_ids, &by_id),
            client.query(&statements.by_keys, &by_key),
        )?;
        found.extend(with_key);
        Ok(found)
    }
}

/// An event that is there already.
#[derive(Debug, Clone)]
pub(super) struct Existing {
    tenant: TenantId,
    event_id: EventId,
    seq: u64,
    this_hash: Hash,
    event_type: String,
    payload: String,
}

impl Existing {
    /// The answer to `event`, which has its id or key.
    pub(super) fn repeated(&self, event: &NewEvent) -> Result<Appended, CommitError> {
        let is_same = self.tenant == event.tenant
            && self.event_type == event.event_type.as_str()
            && self.payload == event.payload.as_str();
        if !is_same {
            return Err(CommitError::IdempotencyConflict {
                event_id: self.event_id,
            });
        }
        Ok(Appended {
            event_id: self.event_id,
            seq: self.seq,
            this_hash: self.this_hash,
            repeated: true,
        })
    }
}

/// All that is known.
#[derive(Default)]
pub(super) struct Known {
    by_id: HashMap<EventId, Existing>,
    by_key: HashMap<(TenantId, String), EventId>,
}

impl Known {
    /// Adds what was looked up. A row that cannot be read is left out: the database refuses what would stand over it.
    pub(super) fn add_row(&mut self, row: &Row) {
        let Ok(event) = rows::event(row) else { return };
        if let Some(key) = event.idempotency_key {
            self.by_key.insert((event.tenant.clone(), key), event.event_id);
        }
        self.by_id.insert(
            event.event_id,
            Existing {
                tenant: event.tenant,
                event_id: event.event_id,
                seq: event.seq,
                this_hash: event.this_hash,
                event_type: event.event_type,
                payload: event.payload,
            },
        );
    }

    /// Adds what has its place in this group.
    pub(super) fn add_placed(&mut self, event: &NewEvent, appended: &Appended) {
        if let Some(key) = &event.idempotency_key {
            self.by_key
                .insert((event.tenant.clone(), key.clone()), event.event_id);
        }
        let existing = Existing {
            tenant: event.tenant.clone(),
            event_id: event.event_id,
            seq: appended.seq,
            this_hash: appended.this_hash,
            event_type: event.event_type.to_string(),
            payload: event.payload.as_str().to_owned(),
        };
        self.by_id.insert(event.event_id, existing);
    }

    /// Forgets what was placed and is taken back.
    pub(super) fn forget(&mut self, event: &NewEvent) {
        self.by_id.remove(&event.event_id);
        if let Some(key) = &event.idempotency_key {
            self.by_key.remove(&(event.tenant.clone(), key.clone()));
        }
    }

    /// The event with the id of `event`, or with its key.
    pub(super) fn find(&self, event: &NewEvent, by_key: bool) -> Option<&Existing> {
        self.by_id.get(&event.event_id).or_else(|| {
            let key = event.idempotency_key.as_ref().filter(|_| by_key)?;
            self.by_id
                .get(self.by_key.get(&(event.tenant.clone(), key.clone()))?)
        })
    }
}
