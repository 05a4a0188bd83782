//! One host for each file: an operating-system lock on a file beside the store, which also says who holds it.
//!
//! The lock ends with the process, however it ends, so there are no stale ones. Readers do not take it.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process,
};

use crate::{domain::Timestamp, store::StoreError};

/// What is added to the name of the store's file.
const SUFFIX: &str = ".lock";

/// The most bytes that are read of what the holder wrote: it wrote one line.
const MAX_HOLDER_BYTES: u64 = 256;

/// Held until it is dropped.
#[derive(Debug)]
pub(in crate::store) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Locks the store at `path` for this process.
    ///
    /// # Errors
    /// [`StoreError::Held`] if somebody has it; [`StoreError::Unavailable`] if the lock's file cannot be used.
    pub(in crate::store) fn take(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        let beside = beside(path);
        let failed = |error| StoreError::Unavailable(format!("cannot lock `{}`: {error}", beside.display()));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false) // the holder's line stands in it
            .mode(0o600)
            .open(&beside)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Held {
                    path: path.display().to_string(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(
            file,
            "process {} since {}",
            process::id(),
            now.to_rfc3339_seconds()
        )
        .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

fn holder(file: &mut File) -> String {
    let mut line = String::new();
    match file.take(MAX_HOLDER_BYTES).read_to_string(&mut line) {
        Ok(_) if !line.trim().is_empty() => line.trim().to_owned(),
        // It has the lock and has not written its line yet, or somebody emptied the file.
        _ => "another process".to_owned(),
    }
}
