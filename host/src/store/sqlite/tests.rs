//! What only this backend can show: what SQLite refuses, what verification finds in a file that was tampered with, what becomes
//! of a store whose file fails, and how files are opened.

mod alterations;
mod clock;
mod conforms;
mod displaced;
mod exports;
mod failures;
mod groups;
mod opening;
mod refusals;
mod tampering;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{SqliteOptions, SqliteReader, SqliteStore};
use crate::{
    domain::SystemClock,
    store::{
        Scope, StoreError,
        conformance::{add, append},
        verify::{VerifyOptions, VerifyReport},
    },
};

/// A directory with a store's file, which may not be there yet.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("store.db")
    }

    fn try_open(&self, options: SqliteOptions) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(&self.path(), options, Arc::new(SystemClock::new()))
    }

    fn open(&self) -> SqliteStore {
        self.try_open(SqliteOptions::default()).unwrap()
    }

    /// A store with the tenants `acme` (five events) and `globex` (three), closed.
    async fn filled() -> Self {
        let place = Self::new();
        let store = place.open();
        add(&store, &["acme", "globex"]).await;
        append(&store, "acme", 3).await;
        append(&store, "globex", 3).await;
        append(&store, "acme", 2).await;
        drop(store);
        place
    }

    /// The same file in another place. Both must be closed.
    fn copy(&self) -> Self {
        let copy = Self::new();
        std::fs::copy(self.path(), copy.path()).unwrap();
        copy
    }

    /// As somebody with a shell would open it: a plain connection, no pragma set.
    fn plain(&self) -> Connection {
        let connection = Connection::open(self.path()).unwrap();
        let recursive: bool = connection
            .pragma_query_value(None, "recursive_triggers", |row| row.get(0))
            .unwrap();
        assert!(!recursive);
        connection
    }

    fn verify(&self, scope: &Scope) -> VerifyReport {
        verify(&self.path(), scope)
    }
}

fn verify(path: &Path, scope: &Scope) -> VerifyReport {
    SqliteReader::open(path)
        .unwrap()
        .verify(scope, &VerifyOptions::default())
        .unwrap()
}
