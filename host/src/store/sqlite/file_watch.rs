//! Whether what is written is still what lies under the store's name. SQLite goes on in a file that was removed, replaced or
//! overwritten, and every commit succeeds; nobody would find it again.
//!
//! ```text
//!   before a group is written, again before it is answered, and every second while nobody writes
//!     kora.db       the same file?  changed since?  ─▶ its newest event, read past the log: goes on from the one known before?
//!     kora.db-wal   the same file?  begins as a log does?  shorter than it was left?  ─▶ is everything in kora.db?
//! ```
//!
//! A look is three calls of the system. The database's own time of change says who wrote: nobody but a checkpoint does, and nobody can set
//! it. What is written over in the middle of the file, with its first and its last pages left as they are, is for verification to find.

use std::{
    fs::{self, File, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    process,
    time::{Duration, SystemTime},
};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, config::DbConfig};

use super::{open, write_ahead_log};

/// A file system notes times this coarsely: of what changed a moment ago, a second change may have the same time.
const COARSE: Duration = Duration::from_millis(20);

/// What a write-ahead log begins with; the last bit says in which order its sums are made.
const LOG_MAGIC: u32 = 0x377f_0682;

/// What became of the files while they were open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Displaced {
    /// Nothing has the name any more.
    #[error(
        "`{}` was removed or renamed while the host had it open: nothing is acknowledged until it is back; before you stop the host, copy \
         what process {} still has open of it (`ls -l /proc/{}/fd`), and put that or a backup in its place",
        path.display(), process::id(), process::id()
    )]
    Gone { path: PathBuf },
    /// Another file has the name.
    #[error(
        "`{}` is another file than the one that the host has open: nothing is acknowledged until that one is back; before you stop the host, \
         copy what process {} still has open of it (`ls -l /proc/{}/fd`), unless the other one is to stay",
        path.display(), process::id(), process::id()
    )]
    Replaced { path: PathBuf },
    /// The file has another content.
    #[error(
        "`{}` was overwritten while the host had it open ({found}): nothing is acknowledged until it is as it was; stop the host, put a backup \
         in its place, and start it again", path.display()
    )]
    Overwritten { path: PathBuf, found: String },
    /// It is not known what lies there.
    #[error("`{}` cannot be looked at any more: {why}", path.display())]
    Hidden { path: PathBuf, why: String },
}

/// The files that the writer has open.
pub(super) struct FileWatch {
    path: PathBuf,
    file: FileId,
    /// None: it is to be looked at anew.
    seen: Option<Version>,
    /// It was looked at so soon after it had changed that its time would not tell of another change.
    seen_too_soon: bool,
    /// What it had when it was last found sound: a file of this kind never gets smaller.
    bytes: u64,
    /// The newest event that is known to be in the file itself, and not in the log alone. None: nothing is known of it yet.
    known: Option<Mark>,
    log_path: PathBuf,
    /// None: there was none when it was last looked for, or it is to be looked for anew.
    log: Option<Log>,
}

/// Which file it is, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
        }
    }
}

/// What changes with the content, and cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    bytes: u64,
    changed: (i64, i64),
}

impl Version {
    fn of(found: &Metadata) -> Self {
        Self {
            bytes: found.size(),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// Or its time lies ahead: then it tells nothing either.
    fn is_recent(&self) -> bool {
        let (seconds, nanos) = self.changed;
        let since_epoch = Duration::new(
            u64::try_from(seconds).unwrap_or(0),
            u32::try_from(nanos).unwrap_or(0),
        );
        let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + since_epoch);
        age.map_or(true, |age| age < COARSE)
    }
}

/// The newest event. At position 0: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pos: i64,
    hash: [u8; 32],
}

impl Mark {
    const NONE: Self = Self {
        pos: 0,
        hash: [0; 32],
    };

    /// As this connection sees it.
    pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Self> {
        let newest = "SELECT pos, this_hash FROM events ORDER BY pos DESC LIMIT 1";
        let mark = |row: &Row<'_>| {
            Ok(Self {
                pos: row.get(0)?,
                hash: row.get(1)?,
            })
        };
        let newest = connection.query_row(newest, [], mark).optional()?;
        Ok(newest.unwrap_or(Self::NONE))
    }

    fn is_in(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let at = "SELECT this_hash FROM events WHERE pos = ?1";
        let hash = connection
            .query_row(at, [self.pos], |row| row.get::<_, [u8; 32]>(0))
            .optional()?;
        Ok(hash == Some(self.hash) || *self == Self::NONE)
    }
}

/// The write-ahead log. SQLite holds no locks on it, which closing another handle would let go; on the database it does.
struct Log {
    id: FileId,
    file: File,
    /// As the writer left it.
    bytes: u64,
}

impl FileWatch {
    /// Of the database at `path`, which a connection has open and which nobody checkpoints meanwhile.
    ///
    /// # Errors
    /// If it cannot be looked at.
    pub(super) fn begin(path: &Path) -> Result<Self, Displaced> {
        let mut watch = Self {
            path: path.to_owned(),
            file: FileId::of(&found_at(path)?),
            seen: None,
            seen_too_soon: false,
            bytes: 0,
            known: None,
            log_path: write_ahead_log(path),
            log: None,
        };
        // A new file may hold nothing before its first checkpoint.
        watch.known = newest(path, None).ok().map(|(newest, _)| newest);
        watch.note();
        Ok(watch)
    }

    /// After a checkpoint: what was committed before it is in the file now, unless the file is another one.
    pub(super) fn expect(&mut self, committed: Mark) {
        (self.known, self.seen) = (Some(committed), None);
    }

    /// After the writer wrote: the log is as it left it.
    pub(super) fn note(&mut self) {
        if self.log.is_none() {
            self.log = Log::open(&self.log_path).ok();
        }
        if let Some(log) = &mut self.log {
            log.bytes = log.file.metadata().map_or(0, |found| found.len());
        }
    }

    /// Whether the files are what the writer has open.
    ///
    /// # Errors
    /// What became of them.
    pub(super) fn check(&mut self, connection: &Connection) -> Result<(), Displaced> {
        self.check_file(Some(connection))?;
        self.check_log(connection)
    }

    /// The same while nobody writes: also what the time of the last change could not tell.
    pub(super) fn check_at_rest(&mut self, connection: &Connection) -> Result<(), Displaced> {
        if self.seen_too_soon {
            self.seen = None;
        }
        self.check(connection)
    }

    /// Whether the file is the one that was opened first, as far as that can be said while it is not open, or by a connection to it that is
    /// not used any more.
    ///
    /// # Errors
    /// What became of it.
    pub(super) fn check_closed(&mut self, parked: Option<&Connection>) -> Result<(), Displaced> {
        self.seen = None;
        self.check_file(parked)?;
        let Some(log) = &self.log else {
            return Ok(());
        };
        log.check(&self.log_path)?;
        // Nobody can say any more whether everything of it is in the file.
        log.check_length(&self.log_path)
    }

    /// The connection was closed, which may have taken the log away, or everything of it is in the file.
    pub(super) fn forget_log(&mut self) {
        self.log = None;
    }

    /// The file is as it was, the log is gone, and what is in it can still be moved into the file.
    pub(super) fn has_lost_the_log_alone(&mut self) -> bool {
        let is_gone = found_at(&self.log_path).is_err_and(|why| matches!(why, Displaced::Gone { .. }));
        is_gone && self.log.is_some() && self.check_file(None).is_ok()
    }

    fn check_file(&mut self, connection: Option<&Connection>) -> Result<(), Displaced> {
        let found = found_at(&self.path)?;
        if FileId::of(&found) != self.file {
            let path = self.path.clone();
            return Err(Displaced::Replaced { path });
        }
        let version = Version::of(&found);
        if self.seen == Some(version) {
            return Ok(());
        }
        if self.check_content(version.bytes, connection)? {
            (self.seen, self.seen_too_soon) = (Some(version), version.is_recent());
            self.bytes = version.bytes;
        }
        Ok(())
    }

    /// A checkpoint, or somebody else, wrote to the file: it must hold what it held, and may hold more. Answers whether
    /// that is so; not, if that cannot be told before the next checkpoint.
    fn check_content(&mut self, bytes: u64, connection: Option<&Connection>) -> Result<bool, Displaced> {
        let overwritten = |found| Displaced::Overwritten {
            path: self.path.clone(),
            found,
        };
        let read = newest(&self.path, self.known);
        let Some(known) = self.known else {
            self.known = read.ok().map(|(newest, _)| newest);
            return Ok(true);
        };
        match read {
            // A checkpoint that found no room has moved a part of the log into the file: with the log it is whole.
            Err(error) if is_damaged(&error) && bytes >= self.bytes && self.has_log() => Ok(false),
            Err(error) => Err(overwritten(format!("reading it: {error}"))),
            Ok((newest, still)) if newest.pos >= known.pos && still && is_known(newest, connection) => {
                self.known = Some(newest);
                Ok(true)
            }
            Ok((newest, _)) => Err(overwritten(format!(
                "expected the event at position {} that it held, found other events up to position {}",
                known.pos, newest.pos
            ))),
        }
    }

    /// Whether there is anything in the log.
    fn has_log(&self) -> bool {
        fs::metadata(&self.log_path).is_ok_and(|log| log.len() > 0)
    }

    fn check_log(&mut self, connection: &Connection) -> Result<(), Displaced> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        log.check(&self.log_path)?;
        let bytes = log.file.metadata().map_or(0, |found| found.len());
        if bytes >= log.bytes {
            return Ok(());
        }
        // Another program may checkpoint the database, too, and empty the log: then everything is in the file.
        match (Mark::newest(connection), newest(&self.path, self.known)) {
            (Ok(committed), Ok((newest, _))) if newest == committed => {
                log.bytes = bytes;
                Ok(())
            }
            _ => log.check_length(&self.log_path),
        }
    }
}

impl Log {
    fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let found = file.metadata()?;
        Ok(Self {
            id: FileId::of(&found),
            bytes: found.len(),
            file,
        })
    }

    fn check(&self, path: &Path) -> Result<(), Displaced> {
        let path = path.to_owned();
        if FileId::of(&found_at(&path)?) != self.id {
            return Err(Displaced::Replaced { path });
        }
        let mut magic = [0; 4];
        match self.file.read_exact_at(&mut magic, 0) {
            // Empty: everything is in the file.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(()),
            Err(error) => Err(Displaced::Hidden {
                path,
                why: error.to_string(),
            }),
            Ok(()) if u32::from_be_bytes(magic) & !1 == LOG_MAGIC => Ok(()),
            Ok(()) => Err(Displaced::Overwritten {
                path,
                found: "it does not begin as a write-ahead log does".to_owned(),
            }),
        }
    }

    fn check_length(&self, path: &Path) -> Result<(), Displaced> {
        let bytes = self.file.metadata().map_or(0, |found| found.len());
        if bytes >= self.bytes {
            return Ok(());
        }
        Err(Displaced::Overwritten {
            path: path.to_owned(),
            found: format!("expected {} bytes or more, found {bytes}", self.bytes),
        })
    }
}

/// Whether the one that writes, which has the log too, knows this event. What it cannot read for want of something else says nothing.
fn is_known(newest: Mark, connection: Option<&Connection>) -> bool {
    match connection.map(|connection| newest.is_in(connection)) {
        None => true,
        Some(Ok(is_known)) => is_known,
        Some(Err(error)) => !open::is_damage(&error),
    }
}

/// Not one that is no database at all, nor one of something else.
fn is_damaged(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)
}

/// Lets a connection end without touching a file that is no longer the one it was opened for: moving its log into a backup that an operator has
/// just put there would destroy both.
pub(super) fn leave_alone(connection: &Connection) {
    if let Err(error) = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true) {
        tracing::warn!(%error, "the store's file may be written when it is closed");
    }
}

fn found_at(path: &Path) -> Result<Metadata, Displaced> {
    fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Displaced::Gone {
            path: path.to_owned(),
        },
        _ => Displaced::Hidden {
            path: path.to_owned(),
            why: error.to_string(),
        },
    })
}

/// The newest event in the file itself, and not in the log alone; and whether the file still has the one of `known`.
fn newest(path: &Path, known: Option<Mark>) -> rusqlite::Result<(Mark, bool)> {
    let connection = open::immutable_reader(path)?;
    let newest = Mark::newest(&connection)?;
    let still = known.map_or(Ok(true), |known| known.is_in(&connection))?;
    Ok((newest, still))
}
