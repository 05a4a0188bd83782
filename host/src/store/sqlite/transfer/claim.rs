//! A place for a file that is to be a store: held, so that no host starts on it, looked at, and taken in one step.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

use super::{
    super::{SqliteReader, lock::FileLock, write_ahead_log},
    failed,
};
use crate::{
    domain::Timestamp,
    store::{StoreError, StorePlace, transfer::TransferError},
};

/// The place, as long as nobody else may use it.
pub(super) struct Claim {
    path: PathBuf,
    _lock: FileLock,
}

impl Claim {
    /// Holds the place of the store at `path`; there may be none yet.
    pub(super) fn take(path: &Path, now: Timestamp) -> Result<Self, TransferError> {
        let path = without_links(path).map_err(|cause| TransferError::file(path, cause))?;
        let lock = FileLock::take(&path, now).map_err(|cause| failed(&path, cause))?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// # Errors
    /// If something is there that is more than the beginning of a store.
    pub(super) fn expect_empty(&self) -> Result<(), TransferError> {
        let found = match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(cause) => return Err(TransferError::file(&self.path, cause)),
            Ok(file) if file.len() == 0 && !write_ahead_log(&self.path).exists() => None,
            Ok(_) => holds(&self.path),
        };
        match found {
            None => Ok(()),
            Some(holds) => Err(TransferError::NotEmpty {
                place: StorePlace::Sqlite(self.path.clone()).to_string(),
                holds,
            }),
        }
    }

    /// The same name with something behind it.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut name: OsString = self.path.clone().into();
        name.push(suffix);
        name.into()
    }

    /// Puts the file at `built`, which is whole and synced, in the store's place. What was there gets another name before, which is
    /// answered: at every moment one of the two is the store, whole.
    pub(super) fn put(&self, built: &Path, now: Timestamp) -> Result<Option<PathBuf>, TransferError> {
        let put = || {
            let aside = self.set_aside(now)?;
            fs::rename(built, &self.path)?;
            self.sync_directory()?;
            Ok(aside)
        };
        put().map_err(|cause| TransferError::file(&self.path, cause))
    }

    fn set_aside(&self, now: Timestamp) -> io::Result<Option<PathBuf>> {
        let exists = self.path.try_exists()?;
        if exists {
            fold_log(&self.path);
        }
        let suffix = format!(".before-{}", now.as_micros());
        let aside = self.beside(&suffix);
        // A second name and not another: a crash leaves the store where it is.
        if exists {
            fs::hard_link(&self.path, &aside)?;
        }
        // Only a log that could not be folded into a damaged file is still there. It would be taken for that of the new file.
        let (log, index) = (write_ahead_log(&self.path), self.beside("-shm"));
        if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            fs::hard_link(&log, write_ahead_log(&aside))?;
        }
        self.sync_directory()?;
        for left in [log, index] {
            match fs::remove_file(left) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(exists.then_some(aside))
    }

    fn sync_directory(&self) -> io::Result<()> {
        match self.path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// The path without links, the file itself aside if it is not there: two names must not give two locks.
fn without_links(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        found => return found,
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "expected the name of a file"))?;
    Ok(parent.unwrap_or(Path::new(".")).canonicalize()?.join(name))
}

/// What a file that is there holds; nothing if that is an empty store.
fn holds(path: &Path) -> Option<String> {
    let reader = match SqliteReader::open(path) {
        Ok(reader) => reader,
        Err(StoreError::Damaged(cause)) => return Some(format!("something that cannot be read ({cause})")),
        Err(cause) => return Some(format!("a store that this release cannot read ({cause})")),
    };
    let counted = reader.heads().and_then(|heads| Ok((heads, reader.tenants()?)));
    match counted {
        Ok((heads, tenants)) if heads.is_empty() && tenants.is_empty() => None,
        Ok((heads, tenants)) => {
            let events: u64 = heads.iter().map(|head| head.seq).sum();
            Some(format!("{events} events, {} tenants", tenants.len()))
        }
        Err(cause) => Some(format!("a store that cannot be read whole ({cause})")),
    }
}

/// Moves the write-ahead log into the file. If that cannot be done, the two are set aside together.
fn fold_log(path: &Path) {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let folded = Connection::open_with_flags(path, flags).and_then(|connection| {
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))
    });
    if let Err(error) = folded {
        tracing::warn!(store = %path.display(), %error, "the log of the store that is set aside stays beside it");
    }
}
