//! The file of one tenant's audit: appended to, and put aside when it has grown too large.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
    process::{Resource, getrlimit},
};

use crate::domain::Timestamp;

/// What is put aside for lines to come. Others may use it up while the disk is full: hundreds of lines have room in half of it.
const ROOM_BYTES: u64 = 64 * 1024;

/// An open file and how large it is.
#[derive(Debug)]
pub(super) struct AuditFile {
    path: PathBuf,
    file: fs::File,
    bytes: u64,
    /// Up to here the disk has promised to take it.
    room_until: u64,
}

impl AuditFile {
    /// Opens it, or makes it with its directory, for its owner alone. A last line that was cut off by a crash is ended, so that it
    /// spoils no other.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)?;
        }
        let mut file = fs::OpenOptions::new()
            .append(true)
            .read(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let mut bytes = file.metadata()?.len();
        if bytes > 0 && !ends_a_line(&file, bytes)? {
            file.write_all(b"\n")?;
            bytes += 1;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
            room_until: 0,
        })
    }

    /// Whether this is still the file of that name.
    pub fn is_at(&self, path: &Path) -> bool {
        let own = self.file.metadata().map(|own| (own.dev(), own.ino()));
        let there = fs::metadata(path).map(|there| (there.dev(), there.ino()));
        matches!((own, there), (Ok(own), Ok(there)) if own == there)
    }

    /// Appends whole lines, all or, if it fails, none.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(lines) {
            // Nobody else writes here. If this fails too, the next one who opens the file ends the broken line.
            drop(self.file.set_len(self.bytes));
            return Err(error);
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Has the disk put room aside for lines to come, without the file growing by it. A file system that cannot is believed to have some.
    pub fn make_room(&mut self) -> io::Result<()> {
        let needed = self.bytes + ROOM_BYTES / 2;
        // The system holds a file to this when it grows, and no sooner; it can be changed at any time.
        let most = getrlimit(Resource::Fsize).current;
        if most.is_some_and(|most| needed > most) {
            return Err(Errno::FBIG.into());
        }
        if needed <= self.room_until {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.bytes, ROOM_BYTES) {
            Ok(()) => self.room_until = self.bytes + ROOM_BYTES,
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Whether it has grown past `max_bytes`.
    pub const fn is_full(&self, max_bytes: u64) -> bool {
        self.bytes >= max_bytes
    }

    /// Waits until it is on the disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Puts it aside under a name with the time, keeps the newest `keep` of those, and begins a new one.
    pub fn rotate(self, now: Timestamp, keep: usize) -> io::Result<Self> {
        self.file.sync_all()?;
        let aside = free_name(&self.path, now);
        fs::rename(&self.path, &aside)?;
        for old in put_aside(&self.path)?.into_iter().rev().skip(keep) {
            fs::remove_file(old)?;
        }
        Self::open(&self.path)
    }
}

fn ends_a_line(file: &fs::File, bytes: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt as _;
    let mut last = [0];
    file.read_exact_at(&mut last, bytes - 1)?;
    Ok(last == [b'\n'])
}

/// Two rotations may fall into one microsecond where somebody sets the clock.
fn free_name(path: &Path, now: Timestamp) -> PathBuf {
    let micros = now.as_micros().max(0).unsigned_abs();
    (micros..)
        .map(|at| path.with_file_name(format!("{}.{at:020}.jsonl", stem(path))))
        .find(|aside| !aside.exists())
        .expect("there are more names than files")
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The files that were put aside, the oldest first.
pub(super) fn put_aside(path: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = format!("{}.", stem(path));
    let is_aside = |name: &str| {
        name.strip_prefix(&prefix)
            .and_then(|rest| rest.strip_suffix(".jsonl"))
            .is_some_and(|time| time.len() == 20 && time.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_aside) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
