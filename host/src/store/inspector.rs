//! Reading a store from beside, whether a host runs or not: what every backend offers to the command line.

use std::io::Write;

use super::{
    Document, DocumentFilter, DocumentKey, Head, Scope, StoreError,
    export::{ExportError, Exported},
    verify::{VerifyError, VerifyOptions, VerifyReport},
};
use crate::domain::{Hash, TenantId, TenantRecord, Timestamp};

/// Reads a store that others may be writing. Every method blocks: call it where blocking is allowed.
pub trait Inspector: Send + Sync {
    /// Recomputes what `scope` names and says what is as it was written and what is not. Hosts may go on meanwhile.
    ///
    /// # Errors
    /// If nothing can be said. That something is broken is not an error but the answer.
    fn verify(&self, scope: &Scope, options: &VerifyOptions) -> Result<VerifyReport, VerifyError>;

    /// Writes what `scope` names to `out`, as lines of JSON, all of one moment. Not to be called on a thread that drives a runtime.
    ///
    /// # Errors
    /// If the store cannot be read or `out` not be written; what was written until then is not a whole export.
    fn export(
        &self,
        scope: &Scope,
        exported_at: Timestamp,
        out: &mut dyn Write,
    ) -> Result<Exported, ExportError>;

    /// Where each chain that has records ends, sorted by tenant.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn heads(&self) -> Result<Vec<Head>, StoreError>;

    /// Checks the newest `records` of each chain and that the heads agree with them; names the first fault found.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn check_tails(&self, records: u64) -> Result<Option<String>, StoreError>;

    /// The first of what keeps events as they were written that is not in the store, if any. Looks, and tries nothing.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn missing_guard(&self) -> Result<Option<String>, StoreError>;

    /// Every tenant, sorted by id.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError>;

    /// One document.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError>;

    /// Documents.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn documents(&self, filter: &DocumentFilter) -> Result<Vec<Document>, StoreError>;

    /// The hashes of these records of a chain, in order; none where there is no such record.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn hashes_at(&self, tenant: &TenantId, seqs: &[u64]) -> Result<Vec<Option<Hash>>, StoreError>;

    /// When the first event of the host's chain was appended.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn begun_at(&self) -> Result<Option<Timestamp>, StoreError>;
}
