//! Where a store is: in which backend, and where there.

use std::{fmt, path::PathBuf, sync::Arc};

use super::{
    Inspector, Store, StoreError,
    postgres::{PostgresOptions, PostgresPlace, PostgresReader, PostgresStore},
    sqlite::{SqliteOptions, SqliteReader, SqliteStore},
};
use crate::domain::Clock;

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

impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "`{}`", path.display()),
            Self::Postgres(place) => write!(f, "the {place}"),
        }
    }
}
