//! What goes into the store and comes out of it.

use serde::{Deserialize, Serialize};

use super::documents::{Collection, Document};
use crate::domain::{
    Digest, EventId, Generation, Hash, NewEvent, ProviderId, TenantId, TenantRecord, Timestamp,
};

/// What is committed together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Appended in order.
    pub events: Vec<NewEvent>,
    /// Applied before the events, in order.
    pub changes: Vec<Change>,
    /// The batch is refused unless the chain of this tenant ends at this sequence number now (0: empty).
    pub expected_seq: Option<(TenantId, u64)>,
}

impl Batch {
    /// One event, nothing else.
    pub fn of(event: NewEvent) -> Self {
        Self {
            events: vec![event],
            ..Self::default()
        }
    }
}

/// A change beside the events that tell of it.
#[derive(Debug, Clone)]
pub enum Change {
    /// Adds a tenant with its actors, a default charter and default policies. Refused if the id is taken, whatever its case.
    AddTenant(TenantRecord),
    /// Serves a tenant, or no longer.
    SetTenantActive {
        /// Which.
        tenant: TenantId,
        /// Whether it is served.
        active: bool,
    },
    /// Makes this generation the tenant's identity. Refused unless the tenant's newest generation is `expected` now
    /// (0: none yet); `record.generation` must be `expected + 1`.
    BindIdentity {
        /// The generation that is known.
        expected: Generation,
        /// The new one.
        record: GenerationRecord,
    },
    /// Keeps a plugin's value. Refused if the scope would take more than `quota` bytes of keys and values.
    KvPut {
        /// Whose.
        scope: KvScope,
        /// Under which key.
        key: String,
        /// What.
        value: Vec<u8>,
        /// The most bytes that all values and keys of the scope may take.
        quota: u64,
    },
    /// Forgets a plugin's value.
    KvDelete {
        /// Whose.
        scope: KvScope,
        /// Under which key.
        key: String,
    },
    /// Keeps a document. Refused unless the one that is there has the revision before its own now (none, for a first one).
    PutDocument(Document),
}

/// Whose value: a plugin's, for one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KvScope {
    /// The plugin's name.
    pub plugin: String,
    /// The tenant.
    pub tenant: TenantId,
}

/// One identity that spoke for a tenant. Its bytes are kept for ever, so that a rollback is exact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationRecord {
    /// Whose.
    pub tenant: TenantId,
    /// Counts from 1.
    pub generation: Generation,
    /// Who gave it; absent for the tenant's fallback prompt.
    pub provider: Option<ProviderId>,
    /// The version of the plugin that gave it.
    pub plugin_version: Option<String>,
    /// The digest of the package, or of the bare library, that the plugin was admitted from.
    pub plugin_digest: Option<Digest>,
    /// The SHA-256 of `snapshot`.
    pub snapshot_hash: Digest,
    /// The snapshot as canonical JSON.
    pub snapshot: String,
    /// The event that tells of it.
    pub event_id: EventId,
    /// When.
    pub created_at: Timestamp,
}

/// What became of an event of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Appended {
    /// Its id; that of the first append if this was a repetition.
    pub event_id: EventId,
    /// Its place in the chain.
    pub seq: u64,
    /// The hash of the record.
    pub this_hash: Hash,
    /// It was there already, by its id or its idempotency key.
    pub repeated: bool,
}

/// Where a chain ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Whose chain.
    pub tenant: TenantId,
    /// The last sequence number.
    pub seq: u64,
    /// The hash of that record.
    pub hash: Hash,
}

/// Another host appended to a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainMoved {
    /// Whose.
    pub tenant: TenantId,
    /// Where it ends at least.
    pub seq: u64,
}

/// Which way to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// From the newest back.
    #[default]
    NewestFirst,
    /// From the oldest on.
    OldestFirst,
}

/// Which events of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFilter {
    /// Only after this sequence number.
    pub after_seq: Option<u64>,
    /// Only before this sequence number.
    pub before_seq: Option<u64>,
    /// Only what happened before this time. A chain goes by its numbers: where a clock was set back, later ones may have earlier times. A store
    /// looks through the chain for it; `EventLog::page` finds the place first.
    pub before: Option<Timestamp>,
    /// Only types that are one of these, or begin with one of these and a dot. Empty: all. The filter is part of the query:
    /// the limit counts what passes it.
    pub prefixes: Vec<String>,
    /// At most this many.
    pub limit: u32,
    /// Which way.
    pub order: Order,
}

impl Default for EventFilter {
    fn default() -> Self {
        Self {
            after_seq: None,
            before_seq: None,
            before: None,
            prefixes: Vec::new(),
            limit: 50,
            order: Order::default(),
        }
    }
}

/// How the store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum StoreHealth {
    /// It commits.
    Available,
    /// A sync or the medium failed; it reopens and checks the tail before it goes on.
    Unavailable {
        /// Why.
        cause: String,
    },
    /// It was closed.
    Closed,
}

/// Why the store could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It was closed.
    #[error("the store is closed")]
    Closed,
    /// A sync or the medium failed. Nothing of the batch is known to be durable.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// This process may read it and not write it.
    #[error(
        "the store `{path}` cannot be written by this process: it must be able to write the file and to make files beside it"
    )]
    NotWritable {
        /// The file.
        path: String,
    },
    /// Another process holds it.
    #[error("the store `{path}` is in use by {holder}: stop that one first, or give this one another home")]
    Held {
        /// The file.
        path: String,
        /// Who.
        holder: String,
    },
    /// Its schema is of a later release.
    #[error(
        "the store has schema version {found}, this release knows {known}: run the release that wrote it, or a later one"
    )]
    SchemaTooNew {
        /// In the file.
        found: u32,
        /// Of this release.
        known: u32,
    },
    /// What was read is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

impl StoreError {
    /// What is the matter, where it is said already that the store is unavailable.
    pub fn cause(&self) -> String {
        match self {
            Self::Unavailable(cause) => cause.clone(),
            other => other.to_string(),
        }
    }
}

/// Why a batch was not committed. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The chain goes on elsewhere.
    #[error("the chain of `{tenant}` ends at {found}, not at {expected}")]
    SequenceConflict {
        /// Whose.
        tenant: TenantId,
        /// As the caller believed.
        expected: u64,
        /// As it is.
        found: u64,
    },
    /// Another identity was committed meanwhile.
    #[error("the identity of `{tenant}` is at generation {found}, not {expected}")]
    GenerationConflict {
        /// Whose.
        tenant: TenantId,
        /// As the caller believed.
        expected: Generation,
        /// As it is.
        found: Generation,
    },
    /// The key was used for an event of another type or payload.
    #[error("the idempotency key was used for another event, {event_id}")]
    IdempotencyConflict {
        /// The first event.
        event_id: EventId,
    },
    /// No such tenant.
    #[error("there is no tenant `{tenant}`")]
    TenantUnknown {
        /// The id.
        tenant: TenantId,
    },
    /// The id is taken.
    #[error("the tenant `{tenant}` is there already")]
    TenantExists {
        /// As it is written in the store.
        tenant: TenantId,
    },
    /// The plugin's share is used up.
    #[error("the quota of {quota} bytes is used up: {used} bytes are taken")]
    QuotaExceeded {
        /// The limit.
        quota: u64,
        /// What is taken.
        used: u64,
    },
    /// Somebody changed the document meanwhile.
    #[error("`{id}` in `{collection}` is at revision {found}, not {expected}: it was changed meanwhile")]
    RevisionConflict {
        /// Among which.
        collection: Collection,
        /// Its id.
        id: String,
        /// As the caller believed; 0: not there yet.
        expected: u64,
        /// As it is; 0: not there.
        found: u64,
    },
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}
