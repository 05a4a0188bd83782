//! The history of boots: one document for each boot of the host and of a tenant. Written in the background, many in one batch, so
//! that ten thousand tenants that boot wait for none of it.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::{
    domain::{TenantId, Timestamp},
    engine::{gates::Verdict, transition::GateReport},
    store::{
        Batch, Change, Collection, CommitError, Document, DocumentFilter, DocumentKey, Store, StoreError,
    },
};

/// How many boots are shown at most: the newest. Documents are never deleted, and nobody reads further back than this.
pub const SHOWN: u32 = 50;
/// The most boots that are written in one batch: what a store writes at once without keeping others waiting.
const BATCH: usize = 128;
/// Boots that wait to be written. Beyond that the newest are left out: the events tell of them all the same.
const WAITING: usize = 20_000;
/// How long after a failure the store is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// One boot of the host or of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootRecord {
    /// `boot_` and 8 hexadecimal digits; the tenants of one start of the host share it.
    pub boot_id: String,
    /// What the gates came to.
    pub result: Verdict,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// The gate that decided, if one failed.
    pub failed_gate_id: Option<String>,
    /// Each gate, in the order in which they ran.
    pub gates: Vec<GateReport>,
}

/// Why the history could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document is none that this release wrote.
    #[error("the boot `{id}` cannot be read: {cause}")]
    Unreadable {
        /// Which document.
        id: String,
        /// What is wrong with it.
        cause: String,
    },
}

enum Note {
    Boot(Box<Document>),
    Flush(oneshot::Sender<()>),
}

/// The history. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct History {
    store: Arc<dyn Store>,
    notes: mpsc::Sender<Note>,
}

/// What writes it. Ends when every [`History`] is gone.
pub struct HistoryWriter {
    store: Arc<dyn Store>,
    notes: mpsc::Receiver<Note>,
}

impl History {
    /// The history that is kept in this store, and what has to run for it to be written.
    pub fn new(store: Arc<dyn Store>) -> (Self, HistoryWriter) {
        let (sender, notes) = mpsc::channel(WAITING);
        let writer = HistoryWriter {
            store: Arc::clone(&store),
            notes,
        };
        (Self { store, notes: sender }, writer)
    }

    /// Notes a boot of a tenant, or of the host. Never waits.
    pub fn note(&self, tenant: &TenantId, record: &BootRecord) {
        let document = Document {
            key: DocumentKey {
                collection: Collection::Boots,
                tenant: tenant.clone(),
                // Sorts as it was made.
                id: Uuid::now_v7().to_string(),
            },
            revision: 1,
            status: record.result.to_string(),
            rank: 0,
            due_at: None,
            body: serde_json::to_string(record).expect("texts and numbers can always be written"),
        };
        if self.notes.try_send(Note::Boot(Box::new(document))).is_err() {
            tracing::warn!(%tenant, "a boot is left out of the history: too many wait to be written");
        }
    }

    /// Waits until all that was noted so far is written, or the store refused it.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.notes.send(Note::Flush(done)).await.is_ok() {
            drop(written.await);
        }
    }

    /// The newest boots of a tenant, or of the host, newest first: at most `limit`, and never more than [`SHOWN`].
    ///
    /// # Errors
    /// If the store cannot answer, or a document is none of ours.
    pub async fn newest(&self, tenant: &TenantId, limit: u32) -> Result<Vec<BootRecord>, HistoryError> {
        let filter = DocumentFilter {
            limit: limit.min(SHOWN),
            ..DocumentFilter::of(Collection::Boots).tenant(tenant)
        };
        let documents = self.store.documents(filter).await?;
        documents.iter().map(BootRecord::of).collect()
    }
}

impl BootRecord {
    /// The one that a document holds.
    ///
    /// # Errors
    /// If it is none that this release wrote.
    pub fn of(document: &Document) -> Result<Self, HistoryError> {
        serde_json::from_str(&document.body).map_err(|error| HistoryError::Unreadable {
            id: document.key.id.clone(),
            cause: error.to_string(),
        })
    }
}

impl HistoryWriter {
    /// Writes what is noted. While the store is away, what is noted waits.
    pub async fn run(mut self) {
        let mut notes = Vec::with_capacity(BATCH);
        while self.notes.recv_many(&mut notes, BATCH).await > 0 {
            let (mut changes, mut flushed) = (Vec::new(), Vec::new());
            for note in notes.drain(..) {
                match note {
                    Note::Boot(document) => changes.push(Change::PutDocument(*document)),
                    Note::Flush(done) => flushed.push(done),
                }
            }
            if !changes.is_empty() {
                self.write(changes, !flushed.is_empty()).await;
            }
            for done in flushed {
                // Whoever asked may have gone.
                let _ = done.send(());
            }
        }
    }

    /// Somebody who waits for the end is not kept waiting for a store that is away.
    async fn write(&self, changes: Vec<Change>, is_awaited: bool) {
        loop {
            let batch = Batch {
                changes: changes.clone(),
                ..Batch::default()
            };
            match self.store.commit(batch).await {
                Ok(_) => return,
                // An answer was lost: the ids are new, so nobody else can have written them.
                Err(CommitError::RevisionConflict { .. }) => return,
                Err(CommitError::Store(StoreError::Unavailable(_))) if !is_awaited => {
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Err(error) => {
                    tracing::warn!(%error, boots = changes.len(), "boots are left out of the history");
                    return;
                }
            }
        }
    }
}
