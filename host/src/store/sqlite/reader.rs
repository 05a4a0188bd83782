//! Reading the file from beside, without the lock: for the command line, whether a host runs or not.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, ErrorCode};
use rustix::fs::Access;

use super::{documents, export, open, reads, rights, scan, schema, tails, verify, write_ahead_log};
use crate::{
    domain::{Hash, TenantId, TenantRecord, Timestamp},
    store::{
        Document, DocumentFilter, DocumentKey, EventFilter, Head, Inspector, Order, Scope, StoreError,
        export::{ExportError, Exported},
        verify::{VerifyError, VerifyOptions, VerifyReport},
    },
};

/// Reads a store's file. It holds no lock and no connection between calls, and blocks: call it where blocking is allowed.
#[derive(Debug, Clone)]
pub struct SqliteReader {
    path: PathBuf,
    /// Nobody writes the file, and nothing may be made beside it.
    immutable: bool,
}

impl SqliteReader {
    /// The store in the file at `path`.
    ///
    /// A directory that cannot be written is fine, unless a write-ahead log lies there: its records are part of the store, and
    /// reading them needs a file beside it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if there is no such file or it cannot be read, [`StoreError::Damaged`] if it is no store,
    /// [`StoreError::SchemaTooNew`] if a later release wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let path = path
            .canonicalize()
            .map_err(|error| StoreError::Unavailable(format!("cannot open `{}`: {error}", path.display())))?;
        let mut reader = Self {
            path,
            immutable: false,
        };
        // SQLite would make files beside it that nobody may write either, and a host that may could not use them.
        if !write_ahead_log(&reader.path).exists()
            && rustix::fs::access(&reader.path, Access::WRITE_OK).is_err()
        {
            reader.immutable = true;
        }
        match reader.version() {
            Ok(found) => return reader.with_schema(found?),
            Err(error) if !needs_files_beside(&error) => return Err(open::store_error(&error)),
            Err(error) if reader.has_log() => {
                return Err(StoreError::Unavailable(format!(
                    "`{}` has a write-ahead log, which cannot be read where nothing can be written ({error}): copy the file \
                     and the one that ends in `-wal` to another directory",
                    reader.path.display()
                )));
            }
            Err(_) => reader.immutable = true,
        }
        let found = reader.version().map_err(|error| open::store_error(&error))??;
        reader.with_schema(found)
    }

    /// Recomputes what `scope` names and says what is as it was written and what is not. The host may go on meanwhile.
    ///
    /// # Errors
    /// If nothing can be said. That something is broken is not an error but the answer.
    pub fn verify(&self, scope: &Scope, options: &VerifyOptions) -> Result<VerifyReport, VerifyError> {
        verify::verify(&|| self.connect(), scope, options)
    }

    /// Writes what `scope` names to `out`, as lines of JSON, all of one moment.
    ///
    /// # Errors
    /// If the file cannot be read or `out` not be written; what was written until then is not a whole export.
    pub fn export(
        &self,
        scope: &Scope,
        exported_at: Timestamp,
        out: impl Write,
    ) -> Result<Exported, ExportError> {
        export::export(&self.connect()?, scope, exported_at, out)
    }

    /// Where each chain that has records ends, sorted by tenant.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn heads(&self) -> Result<Vec<Head>, StoreError> {
        reads::heads(&self.connect()?)
    }

    /// Checks the newest `records` of each chain and that the heads agree with them; names the first fault found.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn check_tails(&self, records: u64) -> Result<Option<String>, StoreError> {
        tails::first_fault(&self.connect()?, records)
    }

    /// The first of what keeps events as they were written that is not in the file, if any.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn missing_guard(&self) -> Result<Option<String>, StoreError> {
        rights::first_missing_guard(&self.connect()?).map_err(|error| open::store_error(&error))
    }

    /// Every tenant, sorted by id.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        reads::tenants(&self.connect()?)
    }

    /// One document.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        documents::one(&self.connect()?, key)
    }

    /// Documents.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn documents(&self, filter: &DocumentFilter) -> Result<Vec<Document>, StoreError> {
        documents::many(&self.connect()?, filter)
    }

    /// The hashes of these records of a chain, in order; none where there is no such record.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn hashes_at(&self, tenant: &TenantId, seqs: &[u64]) -> Result<Vec<Option<Hash>>, StoreError> {
        let connection = self.connect()?;
        let hash_at = |seq: &u64| match seq {
            0 => Ok(None),
            seq => scan::hash_before(&connection, tenant.as_str(), seq.saturating_add(1)),
        };
        let hashes: rusqlite::Result<_> = seqs.iter().map(hash_at).collect();
        hashes.map_err(|error| open::store_error(&error))
    }

    /// When the first event of the host's chain was appended.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn begun_at(&self) -> Result<Option<Timestamp>, StoreError> {
        let first = EventFilter {
            limit: 1,
            order: Order::OldestFirst,
            ..EventFilter::default()
        };
        let events = reads::events(&self.connect()?, &TenantId::host(), &first)?;
        Ok(events.first().map(|event| event.occurred_at))
    }

    /// A connection whose every read is of one moment, for as long as it is open.
    pub(super) fn at_one_moment(&self) -> Result<Connection, StoreError> {
        let connection = self.connect()?;
        let begun = connection
            .execute_batch("BEGIN")
            // The first read makes the moment.
            .and_then(|()| connection.query_row("SELECT count(*) FROM heads", [], |_| Ok(())));
        begun.map_err(|error| open::store_error(&error))?;
        Ok(connection)
    }

    fn with_schema(self, found: u32) -> Result<Self, StoreError> {
        if found == 0 {
            return Err(StoreError::Damaged(format!(
                "`{}` is empty: no store was ever made there",
                self.path.display()
            )));
        }
        Ok(self)
    }

    /// The schema's version. The outer error is SQLite's: the file cannot be read so.
    fn version(&self) -> rusqlite::Result<Result<u32, StoreError>> {
        let connection = self.connect_raw()?;
        // The first read opens the log.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(schema::version(&connection, &self.path))
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        self.connect_raw().map_err(|error| open::store_error(&error))
    }

    fn connect_raw(&self) -> rusqlite::Result<Connection> {
        if self.immutable {
            open::immutable_reader(&self.path)
        } else {
            open::reader(&self.path)
        }
    }

    /// Whether there is a write-ahead log with something in it.
    fn has_log(&self) -> bool {
        fs::metadata(write_ahead_log(&self.path)).is_ok_and(|log| log.len() > 0)
    }
}

/// Whether SQLite wanted to make a file beside the store, and could not.
fn needs_files_beside(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    )
}

impl Inspector for SqliteReader {
    fn verify(&self, scope: &Scope, options: &VerifyOptions) -> Result<VerifyReport, VerifyError> {
        self.verify(scope, options)
    }

    fn export(
        &self,
        scope: &Scope,
        exported_at: Timestamp,
        out: &mut dyn Write,
    ) -> Result<Exported, ExportError> {
        self.export(scope, exported_at, out)
    }

    fn heads(&self) -> Result<Vec<Head>, StoreError> {
        self.heads()
    }

    fn check_tails(&self, records: u64) -> Result<Option<String>, StoreError> {
        self.check_tails(records)
    }

    fn missing_guard(&self) -> Result<Option<String>, StoreError> {
        self.missing_guard()
    }

    fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        self.tenants()
    }

    fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        self.document(key)
    }

    fn documents(&self, filter: &DocumentFilter) -> Result<Vec<Document>, StoreError> {
        self.documents(filter)
    }

    fn hashes_at(&self, tenant: &TenantId, seqs: &[u64]) -> Result<Vec<Option<Hash>>, StoreError> {
        self.hashes_at(tenant, seqs)
    }

    fn begun_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.begun_at()
    }
}
