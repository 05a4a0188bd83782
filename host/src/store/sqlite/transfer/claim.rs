//! A place for a file that is to be a store: held, so that no host starts on it, looked at, and taken in one step.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{
    super::{SqliteReader, file_watch, lock::FileLock, open, write_ahead_log},
    aside::{self, Aside, Before},
    failed,
};
use crate::{
    domain::Timestamp,
    store::{StoreError, StorePlace, transfer::TransferError},
};

/// How long those who read the store that is to be set aside are waited for: longer than a look at it takes, too short for a backup.
const READERS_END_WITHIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The place, as long as nobody else may use it.
pub(super) struct Claim {
    path: PathBuf,
    _lock: FileLock,
}

impl Claim {
    /// Holds the place of the store at `path`; there may be none yet. What a restore that was killed had set aside is taken back.
    pub(super) fn take(path: &Path, now: Timestamp) -> Result<Self, TransferError> {
        let path = without_links(path).map_err(|cause| TransferError::file(path, cause))?;
        let lock = FileLock::take(&path, now).map_err(|cause| failed(&path, cause))?;
        aside::take_back_left(&path).map_err(|cause| TransferError::file(&path, cause))?;
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
        aside::with(&self.path, suffix)
    }

    /// Puts the file at `built`, which is whole and synced, in the store's place, in one step. What was there gets another name, which is
    /// answered.
    ///
    /// # Errors
    /// [`TransferError::InDoubt`] if the file is in its place and may not be there after a power cut. Whatever else it is, what was there
    /// is there still.
    pub(super) fn put(&self, built: &Path, now: Timestamp) -> Result<Option<PathBuf>, TransferError> {
        self.put_in_steps(built, now, &mut || Ok(()))
    }

    pub(super) fn put_in_steps(
        &self,
        built: &Path,
        now: Timestamp,
        before: Before<'_>,
    ) -> Result<Option<PathBuf>, TransferError> {
        let failed = |cause| TransferError::file(&self.path, cause);
        // Opened before anything is changed: what fails here must not fail when all is done.
        let directory = self.directory().map_err(failed)?;
        let exists = self.path.try_exists().map_err(failed)?;
        if exists {
            fold_log(&self.path)?;
        }
        let aside = Aside::at(&self.path, now);
        let mut swap = || {
            aside.add_name(exists, before)?;
            before()?;
            directory.sync_all()?;
            before()?;
            fs::rename(built, &self.path)
        };
        if let Err(cause) = swap() {
            if let Err(error) = aside.take_back() {
                tracing::warn!(store = %self.path.display(), %error, "the store has a second name, which the next start takes back");
            }
            return Err(failed(cause));
        }
        let synced = before().and_then(|()| directory.sync_all());
        let aside = exists.then(|| aside.name().to_owned());
        synced.map_err(|cause| self.in_doubt(aside.as_deref(), &cause))?;
        Ok(aside)
    }

    fn in_doubt(&self, aside: Option<&Path>, cause: &io::Error) -> TransferError {
        let before = aside.map(|aside| format!(", the one from before is now `{}`", aside.display()));
        TransferError::InDoubt {
            place: StorePlace::Sqlite(self.path.clone()).to_string(),
            cause: format!(
                "the new store is in its place{}, but the directory could not be synced: {cause}",
                before.unwrap_or_default()
            ),
        }
    }

    fn directory(&self) -> io::Result<File> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))
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

/// Moves the write-ahead log into the file, which from here on is all there is of the store, and needs nothing beside it. A damaged file may
/// keep its log; the two are set aside together.
///
/// # Errors
/// If somebody reads the store, who would keep the log from being moved, or would hold on to what lies beside a name that is the new store's.
fn fold_log(path: &Path) -> Result<(), TransferError> {
    let until = Instant::now() + READERS_END_WITHIN;
    loop {
        match end_log(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => {
                tracing::warn!(store = %path.display(), %error, "what lies beside the store that is set aside goes with it");
                return Ok(());
            }
            Err(_) if Instant::now() < until => thread::sleep(LOOK_AGAIN_AFTER),
            Err(_) => return Err(failed(path, read_by_somebody(path))),
        }
    }
}

/// The mode without a log is for him alone who has the file alone: SQLite refuses it as long as anybody else has the file open.
fn end_log(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // A log that belongs to a file that cannot be read is evidence, and SQLite would remove it at the end.
    file_watch::leave_alone(&connection);
    open::harden(&connection)?;
    connection.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
}

fn read_by_somebody(path: &Path) -> StoreError {
    StoreError::Held {
        path: path.display().to_string(),
        holder: format!(
            "somebody who reads it (`kora events verify`, `kora events export`, `kora store backup` or another program; \
             `fuser {}` shows which process)",
            path.display()
        ),
    }
}
