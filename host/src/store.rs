//! What the host keeps: chains, tenants, identity bindings, plugins' values, documents. One trait over plain types; `sqlite` is the
//! embedded implementation, `postgres` the one that hosts share.
//!
//! Everything that belongs together is committed together: a [`Batch`] is one transaction of events and changes, answered
//! after the sync. Nothing else writes.

mod documents;
pub mod export;
mod inspector;
pub mod postgres;
mod records;
pub mod sqlite;
pub mod tenant_defaults;
pub mod transfer;
pub mod verify;
mod whereabouts;

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(test)]
pub(crate) mod memory;

pub use documents::{Collection, Document, DocumentFilter, DocumentKey, DocumentOrder, UnknownCollection};
pub use inspector::Inspector;
pub use records::{
    Appended, Batch, ChainMoved, Change, CommitError, EventFilter, GenerationRecord, Head, KvScope, Order,
    StoreError, StoreHealth,
};
pub use verify::Scope;
pub use whereabouts::StorePlace;

use std::collections::BTreeSet;

use async_trait::async_trait;
use tokio::sync::broadcast;

use crate::domain::{Event, EventId, Generation, TenantId, TenantRecord};

/// How much must fit into a store before it is taken for one that can be appended to: two of the largest payloads. With less it would fail
/// again at the next append, and work would be claimed in between.
pub const ROOM_BYTES: u32 = 128 * 1024;

/// How many records at the end of a chain are checked before anything is appended behind them: what a crash can have hurt.
pub const TAIL_RECORDS: u64 = 100;

/// A place that keeps everything the host must not forget.
///
/// Every method may be dropped at any time; a commit whose future was dropped may have happened, whole.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Commits a batch: all of it or nothing. Answers, once it is durable, what became of each event, in order.
    ///
    /// A batch whose events are all there already, by their ids, was committed before, whole: it is answered as it was then,
    /// its changes are not applied again and `expected_seq` is not asked. So a batch that was answered
    /// [`StoreError::Unavailable`] may be handed in again as it was.
    async fn commit(&self, batch: Batch) -> Result<Vec<Appended>, CommitError>;

    /// Events of one tenant.
    async fn events(&self, tenant: &TenantId, filter: EventFilter) -> Result<Vec<Event>, StoreError>;

    /// One event, if the store has it.
    async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError>;

    /// Where each chain ends, sorted by tenant. A tenant without events has none.
    async fn heads(&self) -> Result<Vec<Head>, StoreError>;

    /// Checks the newest `records` of each chain and that `heads` agree with them; names the first fault found.
    async fn check_tails(&self, records: u64) -> Result<Option<String>, StoreError>;

    /// The same for the chain of one tenant: what it takes does not depend on how many there are.
    async fn check_tail(&self, tenant: &TenantId, records: u64) -> Result<Option<String>, StoreError>;

    /// Tries what the host must be able to do and what nobody may: appends an event to the host's chain, tries to change and to
    /// delete one, and takes all of it back; then commits and syncs [`ROOM_BYTES`], of which nothing is left. Names the first that is not as
    /// it must be; nothing is left behind, whatever it finds.
    async fn check_rights(&self) -> Result<Option<String>, StoreError>;

    /// Every tenant, sorted by id.
    async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError>;

    /// The identity generations of a tenant, newest first.
    async fn generations(&self, tenant: &TenantId, limit: u32) -> Result<Vec<GenerationRecord>, StoreError>;

    /// One identity generation of a tenant.
    async fn generation(
        &self,
        tenant: &TenantId,
        generation: Generation,
    ) -> Result<Option<GenerationRecord>, StoreError>;

    /// A plugin's value.
    async fn kv_get(&self, scope: &KvScope, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// The keys of a plugin's values that begin with `prefix`, sorted, and the bytes that all of the scope takes.
    async fn kv_list(&self, scope: &KvScope, prefix: &str) -> Result<(Vec<String>, u64), StoreError>;

    /// One document.
    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError>;

    /// Documents.
    async fn documents(&self, filter: DocumentFilter) -> Result<Vec<Document>, StoreError>;

    /// Whose documents of a collection are of one of these statuses. What it takes depends on how many those are, and not on what
    /// they say.
    async fn owners(
        &self,
        collection: Collection,
        statuses: &[&'static str],
    ) -> Result<BTreeSet<TenantId>, StoreError>;

    /// How the store is.
    fn health(&self) -> StoreHealth;

    /// Whether what anybody appends may wait in the host's spool while the store is away: so for one that goes away without anything
    /// being wrong with this machine. For others only the host's own account waits.
    fn lets_appends_wait(&self) -> bool {
        false
    }

    /// Hears where chains end to which other hosts appended: that they did, sooner or later, and not each time. None: no other host
    /// can.
    fn moves_elsewhere(&self) -> Option<broadcast::Receiver<ChainMoved>> {
        None
    }

    /// Commits what has queued and closes. Further calls answer [`StoreError::Closed`].
    async fn close(&self);
}
