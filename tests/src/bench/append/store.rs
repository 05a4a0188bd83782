//! Appends in this process: to the store, and through the event log, which checks and attributes what it hands on.

use std::{path::Path, sync::Arc};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use kora_host::{
    domain::{Digest, EventId, SystemClock, TenantId},
    engine::vocabulary::Vocabulary,
    events::{AppendRequest, EventLog, LogParts, Writer},
    store::{
        Batch, Store,
        sqlite::{SqliteOptions, SqliteStore},
    },
};
use tokio::runtime::Runtime;

use super::{Lane, WRITERS};
use crate::events::{Author, EVENT_TYPE, adding, payload_text, tenants};

/// Straight into the store.
pub struct StoreLane {
    store: Arc<dyn Store>,
    tenants: Vec<TenantId>,
    author: Author,
    has_keys: bool,
}

impl StoreLane {
    /// A new store in a file with so many tenants.
    pub fn open(runtime: &Runtime, path: &Path, options: SqliteOptions, number: usize) -> Result<Self> {
        let store = SqliteStore::open(path, options, Arc::new(SystemClock::new()))?;
        Self::over(runtime, Arc::new(store), number)
    }

    /// Adds so many tenants to a new store.
    pub fn over(runtime: &Runtime, store: Arc<dyn Store>, number: usize) -> Result<Self> {
        let tenants = tenants(number)?;
        runtime.block_on(store.commit(adding(&tenants)))?;
        Ok(Self {
            store,
            tenants,
            author: Author::new()?,
            has_keys: false,
        })
    }

    /// Gives every event an idempotency key of its own.
    pub fn keyed(self) -> Self {
        Self {
            has_keys: true,
            ..self
        }
    }

    pub fn lane(self) -> Arc<dyn Lane> {
        Arc::new(self)
    }
}

#[async_trait]
impl Lane for StoreLane {
    async fn append(&self, writer: usize, number: usize) -> Result<()> {
        // Each writer goes through all tenants, beside the others.
        let tenant = &self.tenants[(writer + number * WRITERS) % self.tenants.len()];
        let mut event = self.author.event(tenant);
        event.idempotency_key = self.has_keys.then(|| key(event.event_id));
        let appended = self.store.commit(Batch::of(event)).await?;
        ensure!(!appended[0].repeated, "an event was there already");
        Ok(())
    }
}

/// Half a digest: keys of callers come in no order, which costs their index the most.
fn key(event_id: EventId) -> String {
    let mut key = Digest::of(event_id.as_bytes()).to_string();
    key.truncate(32);
    key
}

/// Through the event log: the form of the payload, the type's owner and the identity generation are looked at for each event.
pub struct LogLane {
    log: EventLog,
    request: AppendRequest,
}

impl LogLane {
    pub fn open(runtime: &Runtime, path: &Path, spool_path: &Path) -> Result<Self> {
        let store = StoreLane::open(runtime, path, SqliteOptions::default(), 1)?;
        let log = EventLog::open(LogParts {
            store: store.store,
            clock: Arc::new(SystemClock::new()),
            vocabulary: Vocabulary::new(&[EVENT_TYPE.parse()?])?,
            spool_path: spool_path.to_owned(),
        })?;
        log.set_generation_of(|_: &TenantId| Some(1));
        let payload = payload_text().into_bytes();
        let tenant = store.tenants[0].clone();
        Ok(Self {
            log,
            request: AppendRequest::new(tenant, EVENT_TYPE.parse()?, payload, Writer::operator(0)),
        })
    }

    pub fn lane(self) -> Arc<dyn Lane> {
        Arc::new(self)
    }
}

#[async_trait]
impl Lane for LogLane {
    async fn append(&self, _writer: usize, _number: usize) -> Result<()> {
        self.log.append(self.request.clone()).await?;
        Ok(())
    }
}
