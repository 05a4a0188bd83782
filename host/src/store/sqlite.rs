//! The store in one SQLite file: one thread that writes in groups, a few connections that read, one host for each file.
//!
//! ```text
//!   store.db        chains, tenants, identities, plugins' values; append-only by its own triggers
//!   store.db-wal    what was committed and is not in the file yet; `-shm` is its index
//!   store.db.lock   held by the host that writes
//! ```
//!
//! Reading never waits for writing. A commit is answered after the sync. See `writer` for what happens when a sync fails.

mod append;
mod change;
mod documents;
mod export;
mod file_watch;
mod lock;
mod open;
mod reader;
mod reads;
mod rights;
mod rows;
mod scan;
mod schema;
mod shared;
mod tails;
mod transfer;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot, watch};

pub use self::reader::SqliteReader;
use self::{
    file_watch::FileWatch,
    shared::Shared,
    writer::{Ending, Message, Request, Writer},
};
pub(super) use self::{
    lock::FileLock,
    schema::known_version as known_schema,
    transfer::{FileSource, FileTarget},
};
use super::{
    Appended, Batch, Collection, CommitError, Document, DocumentFilter, DocumentKey, EventFilter,
    GenerationRecord, Head, KvScope, Store, StoreError, StoreHealth,
};
use crate::domain::{Clock, Event, EventId, Generation, TenantId, TenantRecord};

/// The write-ahead log of the database at `database`: what was committed and is not in that file yet. Who looks at, counts or copies the one
/// needs the other.
pub fn write_ahead_log(database: &Path) -> PathBuf {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// How the file is used. The defaults are what a host should have.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// The most events and changes that are written as one transaction. More than 512 gained nothing when measured, and the
    /// first of a group waits for the last.
    pub group_limit: usize,
    /// The most batches that wait to be written; who comes then waits for a place.
    pub queue_limit: usize,
    /// The most reads at once, each on a connection of its own.
    pub readers: u32,
    /// The pages after which the log is moved into the file. Small, so that the log stays small under load.
    pub wal_autocheckpoint_pages: u32,
    /// How long after the last commit the log is emptied.
    pub idle_checkpoint_after: Duration,
    /// How often it is looked, while nobody writes, whether the file is still the one that was opened. While somebody writes it is looked at
    /// each time.
    pub look_every: Duration,
    /// How long to wait for a lock that another program holds on the file.
    pub busy_timeout: Duration,
    /// The memory for pages of the connection that writes, in KiB.
    pub cache_kib: u32,
    /// The most pages of 4 KiB that the file may have; without, as many as there is room for.
    pub max_pages: Option<u32>,
    /// Whether a commit is on the medium before it is answered. No host turns it off and no configuration can: it is for the test
    /// that shows that what is lost without it is noticed.
    pub synced: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            group_limit: 512,
            queue_limit: 4096,
            readers: 4,
            wal_autocheckpoint_pages: 1000,
            idle_checkpoint_after: Duration::from_secs(1),
            look_every: Duration::from_secs(1),
            busy_timeout: Duration::from_secs(5),
            cache_kib: 8 * 1024,
            max_pages: None,
            synced: true,
        }
    }
}

/// A store in one SQLite file. Close it when done; dropping it closes it too, and blocks for as long as that takes.
pub struct SqliteStore {
    path: PathBuf,
    shared: Arc<Shared>,
    messages: mpsc::Sender<Message>,
    /// Places in the queue. Closed when the store closes.
    places: Arc<Semaphore>,
    ended: watch::Receiver<bool>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file at `path`, makes it if it is not there (readable by its owner alone), and brings an older schema up to
    /// date after keeping a copy beside it. Blocks: call it where blocking is allowed. The chains are not checked.
    ///
    /// # Errors
    /// [`StoreError::Held`] if another host uses it, [`StoreError::SchemaTooNew`] if a later release wrote it,
    /// [`StoreError::Damaged`] if it is no store, [`StoreError::Unavailable`] if it cannot be opened.
    pub fn open(path: &Path, options: SqliteOptions, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let path = open::ensure_file(path)?;
        let lock = FileLock::take(&path, clock.now())?;
        open::ensure_one_name(&path)?;
        let failed = |error| open::store_error(&error);
        let mut connection = open::writer(&path, &options).map_err(failed)?;
        open::check_that_it_may_be_written(&connection, &path)?;
        // Before anything is written: a file that is not ours stays as it is.
        let found = schema::version(&connection, &path)?;
        open::make_durable(&connection, &options)?;
        if let Some(copy) = schema::upgrade(&mut connection, &path, found, clock.now())? {
            tracing::info!(copy = %copy.display(), "the store's schema was upgraded; a copy from before was kept");
        }
        // What a host that was killed left in the log comes into the file, which from here on is held to what it says. Somebody who reads
        // may be in the way: then that is a little later.
        open::checkpoint(&connection, &options).map_err(|error| open::failure(&error, &path))?;
        let watch =
            FileWatch::begin(&path).map_err(|displaced| StoreError::Unavailable(displaced.to_string()))?;

        let shared = Arc::new(Shared::new(path.clone(), options.readers.max(1)));
        let places = Arc::new(Semaphore::new(options.queue_limit.max(1)));
        let (messages, received) = mpsc::channel();
        let (ended_tx, ended) = watch::channel(false);
        let writer = Writer {
            path: path.clone(),
            options,
            messages: received,
            deferred: RefCell::default(),
            _lock: lock,
            ending: Ending {
                shared: Arc::clone(&shared),
                ended: ended_tx,
            },
        };
        let thread = thread::Builder::new()
            .name("kora-store".to_owned())
            .spawn(move || writer.run(connection, watch))
            .map_err(|error| StoreError::Unavailable(format!("cannot start the store's thread: {error}")))?;
        Ok(Self {
            path,
            shared,
            messages,
            places,
            ended,
            writer: Mutex::new(Some(thread)),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn tell_to_close(&self) {
        self.places.close();
        // An error means that the thread has ended.
        drop(self.messages.send(Message::Close));
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.tell_to_close();
        let thread = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!(store = %self.path.display(), "the store's thread panicked");
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn commit(&self, batch: Batch) -> Result<Vec<Appended>, CommitError> {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        self.messages
            .send(Message::Commit(Request { batch, answer, place }))
            .map_err(|_| StoreError::Closed)?;
        // Dropped without an answer: it came after the request to close.
        answered.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    async fn events(&self, tenant: &TenantId, filter: EventFilter) -> Result<Vec<Event>, StoreError> {
        let tenant = tenant.clone();
        self.shared
            .read(move |connection| reads::events(connection, &tenant, &filter))
            .await
    }

    async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        self.shared
            .read(move |connection| reads::event(connection, id))
            .await
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        self.shared.read(reads::heads).await
    }

    async fn check_tails(&self, records: u64) -> Result<Option<String>, StoreError> {
        self.shared
            .read(move |connection| tails::first_fault(connection, records))
            .await
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        self.shared.read(reads::tenants).await
    }

    async fn check_tail(&self, tenant: &TenantId, records: u64) -> Result<Option<String>, StoreError> {
        let tenant = tenant.clone();
        self.shared
            .read(move |connection| tails::fault_of(connection, &tenant, records))
            .await
    }

    async fn check_rights(&self) -> Result<Option<String>, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.messages
            .send(Message::CheckRights(answer))
            .map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    async fn generations(&self, tenant: &TenantId, limit: u32) -> Result<Vec<GenerationRecord>, StoreError> {
        let tenant = tenant.clone();
        self.shared
            .read(move |connection| reads::generations(connection, &tenant, limit))
            .await
    }

    async fn generation(
        &self,
        tenant: &TenantId,
        generation: Generation,
    ) -> Result<Option<GenerationRecord>, StoreError> {
        let tenant = tenant.clone();
        self.shared
            .read(move |connection| reads::generation(connection, &tenant, generation))
            .await
    }

    async fn kv_get(&self, scope: &KvScope, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let (scope, key) = (scope.clone(), key.to_owned());
        self.shared
            .read(move |connection| reads::kv_get(connection, &scope, &key))
            .await
    }

    async fn kv_list(&self, scope: &KvScope, prefix: &str) -> Result<(Vec<String>, u64), StoreError> {
        let (scope, prefix) = (scope.clone(), prefix.to_owned());
        self.shared
            .read(move |connection| reads::kv_list(connection, &scope, &prefix))
            .await
    }

    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        let key = key.clone();
        self.shared
            .read(move |connection| documents::one(connection, &key))
            .await
    }

    async fn documents(&self, filter: DocumentFilter) -> Result<Vec<Document>, StoreError> {
        self.shared
            .read(move |connection| documents::many(connection, &filter))
            .await
    }

    async fn owners(
        &self,
        collection: Collection,
        statuses: &[&'static str],
    ) -> Result<BTreeSet<TenantId>, StoreError> {
        let statuses = statuses.to_vec();
        self.shared
            .read(move |connection| documents::owners(connection, collection, &statuses))
            .await
    }

    fn health(&self) -> StoreHealth {
        self.shared.health()
    }

    async fn close(&self) {
        // Readers first, so that the last connection empties the log and takes it away.
        self.places.close();
        self.shared.end_reading().await;
        self.tell_to_close();
        // An error means that the thread has ended.
        drop(self.ended.clone().wait_for(|ended| *ended).await);
    }
}
