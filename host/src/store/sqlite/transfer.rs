//! A whole file as rows, and a file built of rows: see [`store::transfer`](crate::store::transfer).

mod aside;
mod build;
mod claim;
mod rows;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

pub(super) use self::aside::take_back_left;
pub(in crate::store) use self::build::FileTarget;
use super::{SqliteReader, documents, open, schema};
use crate::store::{
    Collection, DocumentFilter, StoreError, StorePlace,
    transfer::{Each, Origin, Source, TransferError},
};

/// All of a file, of one moment.
pub(in crate::store) struct FileSource {
    path: PathBuf,
    /// In a transaction that reads.
    connection: Connection,
    origin: Origin,
}

impl FileSource {
    /// The store in the file at `path`. A host may go on meanwhile; as long as this reads, the log cannot be emptied.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, TransferError> {
        let failed = |cause| failed(path, cause);
        let connection = SqliteReader::open(path)
            .and_then(|reader| reader.at_one_moment())
            .map_err(failed)?;
        let origin = origin(&connection, path).map_err(failed)?;
        Ok(Self {
            path: path.to_owned(),
            connection,
            origin,
        })
    }
}

impl Source for FileSource {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn rows(&mut self, each: Each<'_>) -> Result<(), TransferError> {
        rows::all(&self.connection, &self.path, each)
    }
}

fn origin(connection: &Connection, path: &Path) -> Result<Origin, StoreError> {
    let epochs = match rows::has_table(connection, "documents") {
        Ok(false) => Vec::new(),
        Ok(true) => documents::many(connection, &DocumentFilter::of(Collection::Epochs))?,
        Err(error) => return Err(open::store_error(&error)),
    };
    Ok(Origin {
        backend: "sqlite".to_owned(),
        schema: schema::version(connection, path)?,
        epoch: epochs.into_iter().next(),
    })
}

fn failed(path: &Path, cause: StoreError) -> TransferError {
    TransferError::store(&StorePlace::Sqlite(path.to_owned()), cause)
}
