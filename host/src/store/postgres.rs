//! The store in a PostgreSQL database: one task that writes in groups, a few connections that read, any number of hosts.
//!
//! What keeps the chains append-only and apart stands in the database, in the schema `kora` (see its migrations): the host steps down
//! to roles that may only append by a function that checks what it is given, and a read of one tenant's sees that tenant alone,
//! whatever its query says. Two hosts that append to one chain take turns, group by group.

mod append;
mod change;
mod fault;
mod notices;
mod place;
mod pool;
mod reader;
mod reads;
mod rights;
mod rows;
mod scan;
mod schema;
mod session;
mod shared;
mod statements;
mod tls;
mod transfer;
mod writer;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    append::Heads,
    notices::Notices,
    pool::Readers,
    session::{Role, Session},
    shared::Shared,
    statements::Statements,
    writer::{Ending, Request, Writer, WriterSession},
};
pub use self::{
    place::{InvalidPlace, PostgresPlace},
    reader::PostgresReader,
};
pub(super) use self::{
    schema::known_version as known_schema,
    transfer::{DatabaseHold, DatabaseSource, DatabaseTarget},
};
use super::{
    Appended, Batch, ChainMoved, Collection, CommitError, Document, DocumentFilter, DocumentKey, EventFilter,
    GenerationRecord, Head, KvScope, Store, StoreError, StoreHealth,
};
use crate::domain::{Event, EventId, Generation, TenantId, TenantRecord};

/// How the database is used. The defaults are what a host should have.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The most events and changes that are written as one transaction. The first of a group waits for the last, and so do other
    /// hosts for the chains of a group.
    pub group_limit: usize,
    /// The most batches that wait to be written; who comes then waits for a place.
    pub queue_limit: usize,
    /// The most reads at once, each on a connection of its own.
    pub readers: usize,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            group_limit: 512,
            queue_limit: 4096,
            readers: 4,
        }
    }
}

/// A store in a PostgreSQL database. Dropping it closes it without waiting.
pub struct PostgresStore {
    place: PostgresPlace,
    requests: mpsc::Sender<Request>,
    readers: Readers,
    shared: Arc<Shared>,
    notices: Arc<Notices>,
    closing: CancellationToken,
    ended: watch::Receiver<bool>,
    _closes_when_dropped: DropGuard,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects, makes the schema or brings it up to date if the role that logs in may, and begins to serve. The chains are not
    /// checked. Must be called within a runtime, which carries the store's tasks.
    ///
    /// # Errors
    /// [`StoreError::SchemaTooNew`] if a later release wrote the schema, [`StoreError::Unavailable`] if the server cannot be reached or
    /// does not let one do what is needed.
    pub async fn open(place: PostgresPlace, options: PostgresOptions) -> Result<Self, StoreError> {
        let mut owner = Session::bare(&place).await?;
        schema::bring_up_to_date(&mut owner.client).await?;
        drop(owner);
        let session = WriterSession::open(&place).await?;
        let readers = Readers::new(&place, options.readers.max(1))?;
        let shared = Arc::new(Shared::new());
        let (requests, received) = mpsc::channel(options.queue_limit.max(1));
        let notices = Arc::new(Notices::new());
        let (ended_tx, ended) = watch::channel(false);
        let closing = CancellationToken::new();
        let writer = Writer {
            place: place.clone(),
            options,
            requests: received,
            closing: closing.clone(),
            acknowledged: Heads::new(),
            notices: Arc::clone(&notices),
            ending: Ending {
                shared: Arc::clone(&shared),
                ended: ended_tx,
            },
        };
        tokio::spawn(writer.run(session));
        tokio::spawn(Arc::clone(&notices).run(place.clone(), closing.clone()));
        Ok(Self {
            place,
            requests,
            readers,
            shared,
            notices,
            _closes_when_dropped: closing.clone().drop_guard(),
            closing,
            ended,
        })
    }

    /// A connection of its own.
    async fn session(&self, role: Role) -> Result<Session, StoreError> {
        match self.shared.health() {
            StoreHealth::Closed => Err(StoreError::Closed),
            _ => Session::open(&self.place, role).await,
        }
    }

    /// The database.
    pub const fn place(&self) -> &PostgresPlace {
        &self.place
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn commit(&self, batch: Batch) -> Result<Vec<Appended>, CommitError> {
        let (answer, answered) = oneshot::channel();
        let request = Request { batch, answer };
        self.requests
            .send(request)
            .await
            .map_err(|_| StoreError::Closed)?;
        // Dropped without an answer: it came after the request to close.
        answered.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    async fn events(&self, tenant: &TenantId, filter: EventFilter) -> Result<Vec<Event>, StoreError> {
        reads::events(&self.readers, tenant, &filter).await
    }

    async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        reads::event(&self.readers, id).await
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        reads::heads(&self.readers).await
    }

    async fn check_tails(&self, records: u64) -> Result<Option<String>, StoreError> {
        // Its statements take as long as they need: not on a connection of the readers.
        let session = self.session(Role::Auditor).await?;
        scan::first_fault_at_the_ends(&session.client, records).await
    }

    async fn check_tail(&self, tenant: &TenantId, records: u64) -> Result<Option<String>, StoreError> {
        let session = self.session(Role::Auditor).await?;
        scan::fault_of(&session.client, tenant, records).await
    }

    async fn check_rights(&self) -> Result<Option<String>, StoreError> {
        let session = self.session(Role::Writer).await?;
        let statements = Box::pin(Statements::prepare(&session.client)).await;
        let statements = statements.map_err(|error| fault::store_error(&error))?;
        match rights::first_fault(&session.client, &statements).await? {
            None => rights::commit_fault(&session.client, self.place.tls(), rights::COMMIT_WITHIN).await,
            found => Ok(found),
        }
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        reads::tenants(&self.readers).await
    }

    async fn generations(&self, tenant: &TenantId, limit: u32) -> Result<Vec<GenerationRecord>, StoreError> {
        reads::generations(&self.readers, tenant, limit).await
    }

    async fn generation(
        &self,
        tenant: &TenantId,
        generation: Generation,
    ) -> Result<Option<GenerationRecord>, StoreError> {
        reads::generation(&self.readers, tenant, generation).await
    }

    async fn kv_get(&self, scope: &KvScope, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        reads::kv_get(&self.readers, scope, key).await
    }

    async fn kv_list(&self, scope: &KvScope, prefix: &str) -> Result<(Vec<String>, u64), StoreError> {
        reads::kv_list(&self.readers, scope, prefix).await
    }

    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        reads::document(&self.readers, key).await
    }

    async fn documents(&self, filter: DocumentFilter) -> Result<Vec<Document>, StoreError> {
        reads::documents(&self.readers, &filter).await
    }

    async fn owners(
        &self,
        collection: Collection,
        statuses: &[&'static str],
    ) -> Result<BTreeSet<TenantId>, StoreError> {
        reads::owners(&self.readers, collection, statuses).await
    }

    fn health(&self) -> StoreHealth {
        self.shared.health()
    }

    fn lets_appends_wait(&self) -> bool {
        true
    }

    fn moves_elsewhere(&self) -> Option<broadcast::Receiver<ChainMoved>> {
        Some(self.notices.listen())
    }

    async fn close(&self) {
        self.readers.close();
        self.closing.cancel();
        // An error means that the task has ended.
        drop(self.ended.clone().wait_for(|ended| *ended).await);
    }
}
