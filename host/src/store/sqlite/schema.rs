//! The schema of the file: which version it has, and bringing an older one up to date after a copy was kept.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::open::store_error;
use crate::{domain::Timestamp, store::StoreError};

mod embedded {
    refinery::embed_migrations!("src/store/sqlite/migrations");
}

/// What the file says of itself; the bytes of `kora`.
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"kora");

/// The version that this release writes.
pub(in crate::store) fn known_version() -> u32 {
    let runner = embedded::migrations::runner();
    let newest = runner
        .get_migrations()
        .iter()
        .map(|migration| migration.version())
        .max();
    newest
        .and_then(|version| u32::try_from(version).ok())
        .unwrap_or(0)
}

/// The version that the file has; 0 if nothing was written to it yet.
///
/// # Errors
/// [`StoreError::SchemaTooNew`] if a later release wrote it, [`StoreError::Damaged`] if it is no store of this kind.
pub(super) fn version(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let read = |pragma: &str| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i32>(0))
            .map_err(|error| store_error(&error))
    };
    let (application, found) = (read("application_id")?, read("user_version")?);
    let tables = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        })
        .map_err(|error| store_error(&error))?;
    if (application, found, tables) == (0, 0, 0) {
        return Ok(0);
    }
    let known = known_version();
    match u32::try_from(found) {
        Ok(found) if application == APPLICATION_ID && found > known => {
            Err(StoreError::SchemaTooNew { found, known })
        }
        Ok(found) if application == APPLICATION_ID && found > 0 => Ok(found),
        _ => Err(StoreError::Damaged(format!(
            "`{}` is an SQLite file of something else: expected application id {APPLICATION_ID}, found {application}",
            path.display()
        ))),
    }
}

/// Brings the schema from version `found` to the known one, in one transaction. Keeps a copy of the file beside it before,
/// unless the file is new; answers where.
///
/// # Errors
/// If the copy or the migration fails; the file is then as it was.
pub(super) fn upgrade(
    connection: &mut Connection,
    path: &Path,
    found: u32,
    now: Timestamp,
) -> Result<Option<PathBuf>, StoreError> {
    if found == known_version() {
        return Ok(None);
    }
    let copy = match found {
        0 => None,
        found => Some(keep_copy(connection, path, found, now)?),
    };
    embedded::migrations::runner()
        .set_grouped(true)
        .run(connection)
        .map_err(|error| {
            StoreError::Unavailable(format!("cannot upgrade the schema from version {found}: {error}"))
        })?;
    Ok(copy)
}

fn keep_copy(
    connection: &Connection,
    path: &Path,
    found: u32,
    now: Timestamp,
) -> Result<PathBuf, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".v{found}-{}.backup", now.as_micros()));
    let copy = PathBuf::from(name);
    let failed = |error: &dyn std::fmt::Display| {
        StoreError::Unavailable(format!(
            "cannot keep a copy at `{}` before the upgrade: {error}",
            copy.display()
        ))
    };
    let target = copy.to_str().ok_or_else(|| failed(&"its path is not UTF-8"))?;
    // SQLite writes into an empty file; made here, so that nobody else may read it.
    create_private(&copy).map_err(|error| failed(&error))?;
    connection
        .execute("VACUUM INTO ?1", [target])
        .map_err(|error| failed(&error))?;
    File::open(&copy)
        .and_then(|file| file.sync_all())
        .map_err(|error| failed(&error))?;
    Ok(copy)
}

/// Makes an empty file that only its owner may read, and syncs the directory that names it.
///
/// # Errors
/// If it is there already or cannot be made.
pub(super) fn create_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
pub(super) fn migrate_only_to(connection: &mut Connection, version: i32) {
    embedded::migrations::runner()
        .set_grouped(true)
        .set_target(refinery::Target::Version(version))
        .run(connection)
        .unwrap();
}
