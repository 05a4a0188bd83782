//! The journal of the process that was struck, read. Its writer, and its form, are in `tests/powercut/src/journal.rs`.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    os::unix::{ffi::OsStringExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

/// Before the two texts.
const HEAD_BYTES: usize = 1 + 3 * 8 + 2 * 4;
/// Stands for "no grave".
const NO_GRAVE: u64 = u64::MAX;

/// A change that was not settled.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// Of which file.
    pub inode: u64,
    /// What it replaced.
    pub what: What,
}

/// What a change replaced.
#[derive(Debug, PartialEq, Eq)]
pub enum What {
    /// The file had this size, and these bytes from `offset` on.
    Changed {
        offset: usize,
        size: usize,
        bytes: Vec<u8>,
    },
    /// There was no such file.
    Created { path: PathBuf },
    /// There was one, which lies in the grave.
    Unlinked { grave: u64, path: PathBuf },
    /// It was elsewhere; what was in its place lies in the grave.
    Renamed {
        grave: Option<u64>,
        from: PathBuf,
        to: PathBuf,
    },
}

impl What {
    /// Where a change of names lies: it lasts once the directory of that path was synced.
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Changed { .. } => None,
            Self::Created { path } | Self::Unlinked { path, .. } | Self::Renamed { to: path, .. } => {
                Some(path)
            }
        }
    }
}

enum Entry {
    Change(Change),
    Synced { inode: u64, up_to: u64 },
}

/// The changes that no sync has settled, in order.
///
/// # Errors
/// If it is no journal, or a directory that it names is gone.
pub fn unsettled(journal: &Path) -> Result<Vec<Change>> {
    let bytes = fs::read(journal).with_context(|| format!("cannot read `{}`", journal.display()))?;
    let mut settled: HashMap<u64, u64> = HashMap::new();
    let mut changes = Vec::new();
    let mut place = 0;
    // What is cut short at the end was being written when the process was killed: the change had not begun.
    while let Some((entry, length)) = read(&bytes[place..])? {
        match entry {
            Entry::Change(change) => changes.push((place as u64, change)),
            Entry::Synced { inode, up_to } => {
                let so_far = settled.entry(inode).or_default();
                *so_far = up_to.max(*so_far);
            }
        }
        place += length;
    }
    let mut unsettled = Vec::new();
    for (place, change) in changes {
        let watched = match change.what.path().and_then(Path::parent) {
            Some(directory) => fs::metadata(directory)
                .with_context(|| format!("cannot look at `{}`", directory.display()))?
                .ino(),
            None => change.inode,
        };
        if settled.get(&watched).is_none_or(|up_to| *up_to <= place) {
            unsettled.push(change);
        }
    }
    Ok(unsettled)
}

/// The first entry and how many bytes it has; nothing if it is not whole.
fn read(bytes: &[u8]) -> Result<Option<(Entry, usize)>> {
    if bytes.len() < HEAD_BYTES {
        return Ok(None);
    }
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|index| bytes[at + index]));
    let length = |at: usize| u32::from_le_bytes(std::array::from_fn(|index| bytes[at + index])) as usize;
    let (inode, a, b) = (number(1), number(9), number(17));
    let (first, second) = (length(25), length(29));
    let total = HEAD_BYTES + first + second;
    if bytes.len() < total {
        return Ok(None);
    }
    let (first, second) = bytes[HEAD_BYTES..total].split_at(first);
    let path = |text: &[u8]| PathBuf::from(OsString::from_vec(text.to_vec()));
    let what = match bytes[0] {
        1 => What::Changed {
            offset: usize::try_from(a)?,
            size: usize::try_from(b)?,
            bytes: first.to_vec(),
        },
        2 => What::Created { path: path(first) },
        3 => What::Unlinked {
            grave: a,
            path: path(first),
        },
        4 => What::Renamed {
            grave: (a != NO_GRAVE).then_some(a),
            from: path(first),
            to: path(second),
        },
        5 => return Ok(Some((Entry::Synced { inode, up_to: a }, total))),
        kind => bail!("expected an entry of a kind from 1 to 5 in the journal, found {kind}"),
    };
    Ok(Some((Entry::Change(Change { inode, what }), total)))
}
