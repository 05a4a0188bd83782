//! The spool's file: JSON lines, synced, for its owner's eyes alone. A line that was cut short or spoilt is set aside, never thrown
//! away and never in the way of the others.
//!
//! Beside it lies a file that holds nothing but room: a disk that is full takes what the host itself has to tell all the same, so that a
//! pause that was answered outlives a crash.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, BufRead, BufReader, BufWriter, Seek, SeekFrom, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::line;
use crate::domain::{NewEvent, TenantId};

/// Payloads hold reasons that people gave: nobody else reads them.
const OWNER_ONLY: u32 = 0o600;

/// Beside the spool: lines that cannot be read, and events that the store refuses.
const RESERVE: &str = "jsonl.reserve";
const UNREADABLE: &str = "jsonl.unreadable";
const REFUSED: &str = "jsonl.refused";

/// Room for some hundred events of the host's own.
const RESERVE_BYTES: u64 = 512 * 1024;

pub(super) struct SpoolFile {
    path: PathBuf,
    /// The bytes that hold whole lines. What lies behind them is left of a write that failed.
    sound_bytes: u64,
    /// Whether the directory was synced since the file was made or renamed: before that a power cut may take it away.
    name_is_synced: bool,
    /// [`sync_directory_of`], but where a test lets it fail.
    sync_directory: fn(&Path) -> io::Result<()>,
}

/// An entry as it was found.
pub(super) struct Line {
    pub(super) tenant: TenantId,
    pub(super) events: Arc<[NewEvent]>,
    /// With its newline.
    pub(super) bytes: u64,
}

impl SpoolFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            sound_bytes: 0,
            name_is_synced: false,
            sync_directory: sync_directory_of,
        }
    }

    /// Every entry, in order. Nothing if there is no file.
    pub(super) fn read(&mut self) -> io::Result<Vec<Line>> {
        self.reserve();
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => BufReader::new(opened?),
        };
        let (mut lines, mut spoilt) = (Vec::new(), Vec::new());
        let (mut text, mut ends_whole) = (Vec::new(), true);
        loop {
            text.clear();
            let bytes = file.read_until(b'\n', &mut text)? as u64;
            if bytes == 0 {
                break;
            }
            self.sound_bytes += bytes;
            ends_whole = text.pop_if(|last| *last == b'\n').is_some();
            match line::read(&text) {
                Some((tenant, events)) => lines.push(Line {
                    tenant,
                    events: events.into(),
                    bytes,
                }),
                None if text.is_empty() => {}
                None => spoilt.push(text.clone()),
            }
        }
        if !spoilt.is_empty() {
            self.set_aside(&spoilt)?;
        }
        if !spoilt.is_empty() || !ends_whole {
            let groups: Vec<_> = lines.iter().map(|line| Arc::clone(&line.events)).collect();
            self.write_anew(&groups)?;
        }
        Ok(lines)
    }

    fn set_aside(&self, spoilt: &[Vec<u8>]) -> io::Result<()> {
        let aside = self.path.with_extension(UNREADABLE);
        tracing::error!(
            lines = spoilt.len(),
            "the spool `{}` has lines that cannot be read, as after a crash while one was written: they are kept in `{}`",
            self.path.display(),
            aside.display()
        );
        let lines: Vec<u8> = spoilt
            .iter()
            .flat_map(|text| [text.as_slice(), &b"\n"[..]])
            .flatten()
            .copied()
            .collect();
        add_to(&aside, &lines)
    }

    /// Keeps events that the store refuses beside the spool.
    pub(super) fn set_aside_refused(&self, events: &[NewEvent]) -> io::Result<()> {
        add_to(
            &self.path.with_extension(REFUSED),
            line::written(events).as_bytes(),
        )
    }

    /// Adds entries behind the others and syncs, in the room that was reserved if the disk is full. On an error none of them is there.
    pub(super) fn append(&mut self, groups: &[Arc<[NewEvent]>]) -> io::Result<()> {
        self.with_reserve(|file| file.append_lines(groups))
    }

    /// Does it again in the room that was reserved, if the disk is full.
    fn with_reserve(&mut self, mut write: impl FnMut(&mut Self) -> io::Result<()>) -> io::Result<()> {
        match write(self) {
            Err(error) if is_full(&error) && self.give_up_reserve() => write(self),
            written => written,
        }
    }

    fn append_lines(&mut self, groups: &[Arc<[NewEvent]>]) -> io::Result<()> {
        self.name_is_synced &= self.path.exists();
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(OWNER_ONLY)
            .open(&self.path)?;
        file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
        // What somebody cut off or took away is not filled up with zeros.
        self.sound_bytes = self.sound_bytes.min(file.metadata()?.len());
        file.set_len(self.sound_bytes)?;
        file.seek(SeekFrom::End(0))?;
        match self.write_durably(&file, groups) {
            Ok(bytes) => self.sound_bytes += bytes,
            Err(error) => {
                // The next append would cut it off, too; but the next host would take it for an entry.
                if let Err(error) = file.set_len(self.sound_bytes).and_then(|()| file.sync_all()) {
                    tracing::warn!(
                        "what could not be added to the spool may be found there by the next host: {error}"
                    );
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn write_durably(&mut self, file: &File, groups: &[Arc<[NewEvent]>]) -> io::Result<u64> {
        let bytes = write_lines(file, groups)?;
        file.sync_all()?;
        self.sync_name()?;
        Ok(bytes)
    }

    fn sync_name(&mut self) -> io::Result<()> {
        if !self.name_is_synced {
            (self.sync_directory)(&self.path)?;
            self.name_is_synced = true;
        }
        Ok(())
    }

    /// Puts these entries in place of all there are, at once.
    pub(super) fn write_anew(&mut self, groups: &[Arc<[NewEvent]>]) -> io::Result<()> {
        let beside = self.path.with_extension("jsonl.new");
        let bytes = write_beside(&beside, groups).inspect_err(|_| {
            // Half of it would take room, on a disk that may have none.
            drop(std::fs::remove_file(&beside));
        })?;
        std::fs::rename(&beside, &self.path)?;
        // The file is another one from here on, whether or not its name can be synced.
        self.sound_bytes = bytes;
        self.name_is_synced = false;
        self.sync_name()?;
        if groups.is_empty() {
            self.reserve();
        }
        Ok(())
    }

    /// Takes the room, if it is not taken yet. Without it a full disk costs durability and nothing else.
    fn reserve(&self) {
        let path = self.path.with_extension(RESERVE);
        if path.exists() {
            return;
        }
        let take = || {
            let file = OpenOptions::new()
                .create_new(true)
                .write(true)
                .mode(OWNER_ONLY)
                .open(&path)?;
            rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_BYTES)?;
            file.sync_all()
        };
        if let Err(error) = take() {
            tracing::debug!(%error, "there is no room to reserve for the spool");
            // Half a reserve would pass for a whole one.
            drop(std::fs::remove_file(&path));
        }
    }

    /// Whether there was room to give up.
    fn give_up_reserve(&self) -> bool {
        let given_up = std::fs::remove_file(self.path.with_extension(RESERVE)).is_ok();
        if given_up {
            tracing::warn!(
                "the disk is full: what the host has to tell goes into the room that was reserved for it"
            );
        }
        given_up
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn add_to(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(OWNER_ONLY)
        .open(path)?;
    file.write_all(lines)?;
    file.sync_all()
}

fn write_beside(path: &Path, groups: &[Arc<[NewEvent]>]) -> io::Result<u64> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(OWNER_ONLY)
        .open(path)?;
    let bytes = write_lines(&file, groups)?;
    file.sync_all()?;
    Ok(bytes)
}

/// Entry by entry: all of them in one text would take as much memory again. Answers their bytes.
fn write_lines(file: &File, groups: &[Arc<[NewEvent]>]) -> io::Result<u64> {
    let mut writer = BufWriter::new(file);
    let mut bytes = 0;
    for events in groups {
        let line = line::written(events);
        writer.write_all(line.as_bytes())?;
        bytes += line.len() as u64;
    }
    writer.flush()?;
    Ok(bytes)
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
pub(super) mod tests;
