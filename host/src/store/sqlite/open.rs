//! Connections: how each kind is opened and set, and what SQLite's errors mean for the store.

use std::{
    ffi::OsString,
    fs,
    io::ErrorKind,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags};

use super::{SqliteOptions, schema, transfer};
use crate::store::{ROOM_BYTES, StoreError};

/// How long a reader waits for a lock: readers wait only while the write-ahead log is recovered or reset.
const READER_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The file at `path`, made if it is not there, as a path without links: two names must not give two locks.
pub(super) fn ensure_file(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |error| StoreError::Unavailable(format!("cannot open `{}`: {error}", path.display()));
    match schema::create_private(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed(error)),
        _ => path.canonicalize().map_err(failed),
    }
}

/// The lock and the log of a database lie beside its name: two hosts on two names of one file would not see each other, and destroy it.
/// A second name that a restore gave it which was killed is taken back. Call it with the store's lock held.
pub(super) fn ensure_one_name(path: &Path) -> Result<(), StoreError> {
    transfer::take_back_left(path).map_err(|error| {
        StoreError::Unavailable(format!(
            "cannot take back what a restore that was killed had begun to set aside of `{}`: {error}",
            path.display()
        ))
    })?;
    let names = fs::metadata(path).map_or(1, |found| found.nlink());
    if names <= 1 {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "`{}` has {names} names (hard links), expected one: hosts on different names of one file would destroy it; find the others with \
         `find -samefile` and remove them, or copy the file",
        path.display()
    )))
}

/// The connection that may write. It changes nothing of the file yet.
pub(super) fn writer(path: &Path, options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    harden(&connection)?;
    Ok(connection)
}

/// What SQLite may not write it opens for reading all the same, and says so at the first commit alone.
pub(super) fn check_that_it_may_be_written(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    // The log that lies beside it is made by the first read.
    let read = || connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    let error = match connection.is_readonly(MAIN_DB) {
        Ok(true) => None,
        Ok(false) => match read() {
            Ok(()) => return Ok(()),
            Err(error) => Some(error),
        },
        Err(error) => Some(error),
    };
    match error {
        Some(error) if error.sqlite_error_code() != Some(ErrorCode::ReadOnly) => Err(store_error(&error)),
        _ => Err(StoreError::NotWritable {
            path: path.display().to_string(),
        }),
    }
}

/// Sets what makes a commit durable and bounded. Not part of [`writer`], since the journal mode is written to the file.
pub(super) fn make_durable(connection: &Connection, options: &SqliteOptions) -> Result<(), StoreError> {
    let failed = |error| store_error(&error);
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(failed)?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(format!(
            "the file system does not carry a write-ahead log: expected journal mode `wal`, found `{mode}`"
        )));
    }
    // FULL: the answer to an append comes after the sync. NORMAL is no faster for groups, and forgets.
    let synchronous = if options.synced { "FULL" } else { "OFF" };
    connection
        .pragma_update(None, "synchronous", synchronous)
        .map_err(failed)?;
    connection
        .pragma_update(None, "wal_autocheckpoint", options.wal_autocheckpoint_pages)
        .map_err(failed)?;
    // Negative: in KiB.
    connection
        .pragma_update(None, "cache_size", -i64::from(options.cache_kib))
        .map_err(failed)?;
    connection
        .pragma_update(None, "temp_store", "MEMORY")
        .map_err(failed)?;
    if let Some(pages) = options.max_pages {
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .map_err(failed)?;
    }
    Ok(())
}

/// Commits and syncs something that leaves nothing behind, to see that there is room and that the medium takes it. The pages
/// that it takes are free afterwards.
pub(super) fn try_to_write(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(&format!(
        "CREATE TABLE room (bytes BLOB); INSERT INTO room VALUES (zeroblob({ROOM_BYTES})); DROP TABLE room;"
    ))?;
    transaction.commit()
}

/// A connection that only reads, beside a writer or alone.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    read_only(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
}

/// A connection that only reads a file that nobody writes, without lock and without a file beside it: for a medium or a
/// directory that cannot be written. What stands in a write-ahead log is not seen.
pub(super) fn immutable_reader(path: &Path) -> rusqlite::Result<Connection> {
    let mut uri = OsString::from("file:").into_vec();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'?' | b'#' | b'%' => uri.extend(format!("%{byte:02x}").bytes()),
            _ => uri.push(byte),
        }
    }
    uri.extend_from_slice(b"?immutable=1");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    read_only(Path::new(&OsString::from_vec(uri)), flags)
}

fn read_only(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(READER_BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    harden(&connection)?;
    Ok(connection)
}

/// The file may be hostile: what its schema calls is not trusted, and its pages are checked when they are read.
pub(super) fn harden(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Moves all of the write-ahead log into the file and empties it. Answers whether it could: not while somebody reads, and it
/// does not wait for them, since appends would wait with it.
pub(super) fn checkpoint(connection: &Connection, options: &SqliteOptions) -> rusqlite::Result<bool> {
    connection.busy_timeout(Duration::ZERO)?;
    let result = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    connection.busy_timeout(options.busy_timeout)?;
    match result {
        Ok(busy) => Ok(!busy),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether it says that what was read is not what was written, rather than that it could not be read.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => true,
        _ => matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        ),
    }
}

/// What an error of SQLite means for the store at `path`, with the room that is left where there is too little.
pub(super) fn failure(error: &rusqlite::Error, path: &Path) -> StoreError {
    match store_error(error) {
        StoreError::Unavailable(_) => StoreError::Unavailable(words(error, path)),
        other => other,
    }
}

/// In words; where something could not be written, also how much room there is and what to do.
pub(super) fn words(error: &rusqlite::Error, path: &Path) -> String {
    let could_not_write = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
    );
    let free = path
        .parent()
        .filter(|_| could_not_write)
        .and_then(|beside| rustix::fs::statvfs(beside).ok())
        .map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    match free {
        None => error.to_string(),
        Some(free) => format!(
            "{error}: {free} bytes are free where `{}` lies, expected {ROOM_BYTES} or more; free some room (or raise the quota, or the limit on \
             the size of files) and the host goes on by itself",
            path.display()
        ),
    }
}

/// What an error of SQLite means for the store.
pub(super) fn store_error(error: &rusqlite::Error) -> StoreError {
    if is_damage(error) {
        StoreError::Damaged(error.to_string())
    } else {
        StoreError::Unavailable(error.to_string())
    }
}
