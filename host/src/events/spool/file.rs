//! The spool's file: JSON lines, synced, for its owner's eyes alone. A line that was cut short or spoilt is set aside, never thrown
//! away and never in the way of the others.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::line;
use crate::domain::{NewEvent, TenantId};

/// Payloads hold reasons that people gave: nobody else reads them.
const OWNER_ONLY: u32 = 0o600;

/// Beside the spool: lines that cannot be read, and events that the store refuses.
const UNREADABLE: &str = "jsonl.unreadable";
const REFUSED: &str = "jsonl.refused";

pub(super) struct SpoolFile {
    path: PathBuf,
    /// The bytes that hold whole lines. What lies behind them is left of a write that failed.
    sound_bytes: u64,
}

impl SpoolFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, sound_bytes: 0 }
    }

    /// Every entry, in order. Nothing if there is no file.
    pub(super) fn read(&mut self) -> io::Result<Vec<(TenantId, Vec<NewEvent>)>> {
        let bytes = match std::fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let (mut groups, mut spoilt) = (Vec::new(), Vec::new());
        for text in lines {
            match line::read(text) {
                Some(group) => groups.push(group),
                None => spoilt.push(text),
            }
        }
        self.sound_bytes = bytes.len() as u64;
        if !spoilt.is_empty() {
            self.set_aside(&spoilt)?;
        }
        let ends_whole = bytes.is_empty() || bytes.ends_with(b"\n");
        if !spoilt.is_empty() || !ends_whole {
            self.write_anew(groups.iter().map(|(_, events)| events.as_slice()))?;
        }
        Ok(groups)
    }

    fn set_aside(&self, spoilt: &[&[u8]]) -> io::Result<()> {
        let aside = self.path.with_extension(UNREADABLE);
        tracing::error!(
            lines = spoilt.len(),
            "the spool `{}` has lines that cannot be read, as after a crash while one was written: they are kept in `{}`",
            self.path.display(),
            aside.display()
        );
        let lines: Vec<u8> = spoilt
            .iter()
            .flat_map(|text| [text, &b"\n"[..]])
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

    /// Adds entries behind the others and syncs. On an error none of them is there.
    pub(super) fn append<'a>(&mut self, groups: impl Iterator<Item = &'a [NewEvent]>) -> io::Result<()> {
        let is_new = !self.path.exists();
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(OWNER_ONLY)
            .open(&self.path)?;
        file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
        let text: String = groups.map(line::written).collect();
        file.set_len(self.sound_bytes)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if is_new {
            sync_directory_of(&self.path)?;
        }
        self.sound_bytes += text.len() as u64;
        Ok(())
    }

    /// Puts these entries in place of all there are, at once.
    pub(super) fn write_anew<'a>(&mut self, groups: impl Iterator<Item = &'a [NewEvent]>) -> io::Result<()> {
        let text: String = groups.map(line::written).collect();
        let beside = self.path.with_extension("jsonl.new");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(OWNER_ONLY)
            .open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        sync_directory_of(&self.path)?;
        self.sound_bytes = text.len() as u64;
        Ok(())
    }
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

fn sync_directory_of(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
