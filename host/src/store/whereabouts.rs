//! Where a store is: in which backend, and where there.

use std::{fmt, fs, io::ErrorKind, path::PathBuf, sync::Arc};

use super::{
    Inspector, Store, StoreError,
    postgres::{
        DatabaseHold, DatabaseSource, DatabaseTarget, PostgresOptions, PostgresPlace, PostgresReader,
        PostgresStore,
    },
    sqlite::{FileLock, FileSource, FileTarget, SqliteOptions, SqliteReader, SqliteStore, write_ahead_log},
    transfer::{Source, Target, TransferError},
};
use crate::domain::{Clock, Timestamp};

/// Where a store is.
#[derive(Debug, Clone)]
pub enum StorePlace {
    /// In a file, for one host.
    Sqlite(PathBuf),
    /// In a database, which hosts may share.
    Postgres(PostgresPlace),
}

impl StorePlace {
    /// Opens it for a host; makes it if it is not there.
    ///
    /// # Errors
    /// As [`SqliteStore::open`] and [`PostgresStore::open`].
    pub async fn open(self, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            Self::Sqlite(path) => {
                let open = move || SqliteStore::open(&path, SqliteOptions::default(), clock);
                let opened = tokio::task::spawn_blocking(open).await;
                let ended = |error| StoreError::Unavailable(format!("opening it did not end: {error}"));
                Ok(Arc::new(opened.map_err(ended)??))
            }
            Self::Postgres(place) => Ok(Arc::new(
                PostgresStore::open(place, PostgresOptions::default()).await?,
            )),
        }
    }

    /// Whether a store was ever made there. Blocks.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub fn is_made(&self) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(path) => Ok(match fs::metadata(path) {
                // What was committed first of all may be in the log alone.
                Ok(found) => found.len() > 0 || write_ahead_log(path).exists(),
                // Why it cannot be looked at is said by whoever opens it.
                Err(error) => error.kind() != ErrorKind::NotFound,
            }),
            Self::Postgres(place) => PostgresReader::is_made(place.clone()),
        }
    }

    /// Opens it for reading from beside, whether a host runs or not. Blocks.
    ///
    /// # Errors
    /// As [`SqliteReader::open`] and [`PostgresReader::open`].
    pub fn inspect(&self) -> Result<Box<dyn Inspector>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(SqliteReader::open(path)?),
            Self::Postgres(place) => Box::new(PostgresReader::open(place.clone())?),
        })
    }
}

impl StorePlace {
    /// What to look at if it cannot be opened.
    pub fn when_unreachable(&self) -> String {
        match self {
            Self::Sqlite(path) => format!(
                "see that `{}` and its directory belong to the user who runs the host, and that there is room: `kora doctor`",
                path.display()
            ),
            Self::Postgres(place) => place.when_unreachable(),
        }
    }
}

/// Keeps hosts away from a store for as long as it is held.
pub(in crate::store) enum StoreHold {
    Sqlite { _lock: FileLock },
    Postgres { _hold: Box<DatabaseHold> },
}

impl StorePlace {
    /// All of it, of one moment, whether a host runs or not. Blocks.
    pub(in crate::store) fn source(&self) -> Result<Box<dyn Source>, TransferError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(FileSource::open(path)?),
            Self::Postgres(place) => Box::new(DatabaseSource::open(place.clone())?),
        })
    }

    /// The place of a store to be, where nobody else may work meanwhile. What is there must hold nothing, unless it is to be replaced.
    /// Blocks.
    pub(in crate::store) fn target(
        &self,
        replace: bool,
        now: Timestamp,
    ) -> Result<Box<dyn Target>, TransferError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(FileTarget::claim(path, replace, now)?),
            Self::Postgres(place) => Box::new(DatabaseTarget::claim(place, replace, now)?),
        })
    }

    /// Keeps hosts away from it. Blocks.
    pub(in crate::store) fn hold(&self, now: Timestamp) -> Result<StoreHold, TransferError> {
        let failed = |cause| TransferError::store(self, cause);
        Ok(match self {
            Self::Sqlite(path) => {
                let path = path
                    .canonicalize()
                    .map_err(|cause| TransferError::file(path, cause))?;
                let _lock = FileLock::take(&path, now).map_err(failed)?;
                StoreHold::Sqlite { _lock }
            }
            Self::Postgres(place) => {
                let _hold = Box::new(DatabaseHold::take(place)?);
                StoreHold::Postgres { _hold }
            }
        })
    }
}

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "`{}`", path.display()),
            Self::Postgres(place) => write!(f, "the {place}"),
        }
    }
}
