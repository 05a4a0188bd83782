//! A whole store on its way: into a backup file, out of one, or into another store.
//!
//! ```text
//!   Source                    checked row by row                  Target
//!   a store, one moment  ──▶  hashes, links, ends, counts   ──▶   a store that is built, not yet there
//!   a backup file             a digest of all rows                a backup file that has no name yet
//! ```
//!
//! All sources give the same rows in the same order, so two stores hold the same if, and only if, the digests of their rows are
//! the same. A target is read back, checked once more and held against its source before it counts; until then whatever was there
//! is still there. Rows are put as they are: ids, numbers, hashes. The triggers of the target see every event and every head.
//!
//! Which life of the store this is, its epoch, stands beside the rows: who restores a backup begins another, who moves a store takes
//! it along.

mod backup;
mod check;
mod error;
mod file;
mod pipe;
mod progress;
mod restore;
mod row;

#[cfg(test)]
mod tests;

pub(in crate::store) use self::row::{
    ActorRow, CharterRow, DocumentRow, EventRow, GenerationRow, HeadRow, PolicyRow, Row, TenantRow, ValueRow,
};
pub use self::{
    backup::{BackupOptions, MadeBackup, backup},
    check::{Counts, Summary},
    error::TransferError,
    file::{BackupFile, Header},
    progress::Progress,
    restore::{Migrated, RestoreOptions, Restored, migrate, restore},
};

use super::Document;

/// What takes rows as they come.
pub(in crate::store) type Each<'e> = &'e mut dyn FnMut(Row) -> Result<(), TransferError>;

/// Where the rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `sqlite` or `postgres`.
    pub backend: String,
    /// The version of the schema there.
    pub schema: u32,
    /// The document of the epoch, unless no host ever ran on it.
    pub epoch: Option<Document>,
}

/// What gives rows, all of one moment.
pub(in crate::store) trait Source: Send {
    fn origin(&self) -> &Origin;

    /// Hands over every row, kind after kind as [`Row`] names them, each kind in the order of its key.
    fn rows(&mut self, each: Each<'_>) -> Result<(), TransferError>;
}

/// What takes rows.
pub(in crate::store) trait Sink {
    /// Takes a row, `line` being the same as a line of a backup.
    fn put(&mut self, row: &Row, line: &[u8]) -> Result<(), TransferError>;
}

/// A store to be, in a place that nobody else uses meanwhile. Dropped before it was kept, it leaves what was there as it was.
pub(in crate::store) trait Target: Sink {
    /// Makes what rows are put into. Until then nothing was changed.
    fn begin(&mut self) -> Result<(), TransferError>;

    /// All was put. Puts the document of the epoch, if there is one, and sees to it that what guards a store is in place.
    fn end(&mut self, epoch: Option<&Document>) -> Result<(), TransferError>;

    /// Hands over what was put, but for the document of the epoch.
    fn read_back(&mut self, each: Each<'_>) -> Result<(), TransferError>;

    /// From here on it is the store. Answers where the one from before was set aside, if there was one.
    fn keep(self: Box<Self>) -> Result<Option<String>, TransferError>;
}
