//! What lies in the plugin directory, and when it has stood still for long enough to be judged.
//!
//! Temporary files, half-written ones and links that lead out are ignored, not errors; what is there to stay is named when
//! somebody asks. Nothing is opened or judged here.

mod settle;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

pub use self::{
    settle::{DirectoryChange, Settle},
    watch::{Watcher, scan_settled},
};
use super::refusal::shown_path;

/// A file is judged once it has stood still for this long: a copy that pauses for longer is judged too early, refused as
/// truncated, and judged again when it goes on.
const QUIET: Duration = Duration::from_secs(1);
/// Nobody runs so many; it bounds what a mistaken path, such as a home or `/usr/lib`, costs.
const MAX_CANDIDATES: usize = 1000;
/// What is looked at of one folder, to see whether it stands still. A plugin's folder that holds more is refused for it.
const MAX_STAMPED: usize = 1000;

const TEMPORARY_ENDINGS: [&str; 8] = [
    "~",
    ".tmp",
    ".temp",
    ".part",
    ".partial",
    ".swp",
    ".crdownload",
    ".download",
];

/// In which form a plugin was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A bare library, `*.so`.
    Library,
    /// A folder with a `plugin.toml`.
    Folder,
    /// A package, `*.tar.zst`.
    Package,
}

impl Form {
    /// In which form a plugin may lie at `path`, by name and kind alone. Links are followed.
    pub(super) fn of(path: &Path, metadata: &Metadata) -> Option<Self> {
        if metadata.is_dir() {
            return path.join("plugin.toml").exists().then_some(Self::Folder);
        }
        let name = path.file_name()?.as_encoded_bytes();
        match name {
            _ if !metadata.is_file() => None,
            name if name.ends_with(b".tar.zst") => Some(Self::Package),
            name if name.ends_with(b".so") => Some(Self::Library),
            _ => None,
        }
    }
}

/// Something in the plugin directory that may be a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Where it lies.
    pub path: PathBuf,
    /// In which form.
    pub form: Form,
    /// What changes when it changes.
    pub stamp: Stamp,
}

/// What changes when a file or folder changes, and when the right to write it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    entries: usize,
    bytes: u64,
    /// Times since 1970. The change time cannot be set by hand, and moves with owner and mode as well: what was refused for
    /// them is judged again once they were mended.
    modified: Duration,
    changed: Duration,
    /// Owner and mode of the plugin directory, for the same reason.
    directory: (u32, u32),
}

impl Stamp {
    fn of(path: &Path, metadata: &Metadata, directory: &Metadata) -> io::Result<Self> {
        let mut stamp = Self {
            inode: metadata.ino(),
            entries: 0,
            bytes: 0,
            modified: Duration::ZERO,
            changed: Duration::ZERO,
            directory: (directory.uid(), directory.mode()),
        };
        stamp.add(metadata);
        let mut waiting = if metadata.is_dir() {
            vec![path.to_owned()]
        } else {
            Vec::new()
        };
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                stamp.add(&metadata);
                if metadata.is_dir() {
                    waiting.push(entry.path());
                }
                if stamp.entries > MAX_STAMPED {
                    return Ok(stamp);
                }
            }
        }
        Ok(stamp)
    }

    fn add(&mut self, metadata: &Metadata) {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(metadata.len());
        self.modified = self
            .modified
            .max(since_1970(metadata.mtime(), metadata.mtime_nsec()));
        self.changed = self
            .changed
            .max(since_1970(metadata.ctime(), metadata.ctime_nsec()));
    }

    /// Whether by the wall clock it has stood still for long enough. Only for a first look: that clock may be set.
    fn is_quiet(&self, now: SystemTime) -> bool {
        now.duration_since(SystemTime::UNIX_EPOCH + self.changed)
            .is_ok_and(|still| still >= QUIET)
    }
}

fn since_1970(seconds: i64, nanoseconds: i64) -> Duration {
    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    seconds + Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or_default())
}

/// Whether a name is one that editors, browsers and copying programs give to what is not finished.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') || TEMPORARY_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Something in the plugin directory that is not even looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Where it lies.
    pub path: PathBuf,
    /// Why, and what to do.
    pub reason: &'static str,
}

const LEAVES: &str =
    "a link that leaves the plugin directory: expected the file itself, or a link within; copy the file here";
const NOWHERE: &str = "a link that leads nowhere: expected a file; remove it, or put the file in its place";
const NO_PLUGIN: &str = "no plugin: expected a library (`.so`), a folder with a `plugin.toml`, or a package (`.tar.zst`), \
                         found something else; keep it elsewhere";

/// Lists what has no place in the directory, in the order of paths: links that leave it, and what is no plugin by its name and kind.
/// Hidden and temporary files, which come and go, are not named. Blocks.
///
/// # Errors
/// If the directory cannot be listed; one that does not exist is empty.
pub fn ignored(directory: &Path) -> io::Result<Vec<Ignored>> {
    let Some((root, names)) = entries(directory)? else {
        return Ok(Vec::new());
    };
    let looked = root.metadata()?;
    let ignored = names
        .iter()
        .filter_map(|name| match look(directory, &root, name, &looked) {
            Look::Ignored(reason) => Some(Ignored {
                path: directory.join(name),
                reason,
            }),
            Look::Candidate(..) | Look::Gone => None,
        });
    Ok(ignored.take(MAX_CANDIDATES).collect())
}

/// The directory itself, and the names in it that are not temporary, sorted; nothing if it is not there.
fn entries(directory: &Path) -> io::Result<Option<(PathBuf, Vec<OsString>)>> {
    let root = match directory.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        root => root?,
    };
    let mut names = std::fs::read_dir(&root)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.retain(|name| !is_temporary(name));
    names.sort();
    Ok(Some((root, names)))
}

/// Lists what may be a plugin, in the order of paths. A link is followed if it stays within the directory, and ignored if
/// what it leads to is listed anyway. What vanishes meanwhile is left out. Blocks.
///
/// # Errors
/// If the directory cannot be listed; one that does not exist is empty.
pub fn scan(directory: &Path) -> io::Result<Vec<Candidate>> {
    let Some((root, names)) = entries(directory)? else {
        return Ok(Vec::new());
    };
    let looked = root.metadata()?;

    let mut by_target: BTreeMap<PathBuf, Candidate> = BTreeMap::new();
    for name in names {
        let Look::Candidate(target, candidate) = look(directory, &root, &name, &looked) else {
            continue;
        };
        if by_target.len() == MAX_CANDIDATES {
            tracing::warn!(directory = %shown_path(directory), "more than {MAX_CANDIDATES} plugins; the rest is ignored");
            break;
        }
        let is_direct = target.parent() == Some(&root) && target.file_name() == Some(&name);
        if is_direct || !by_target.contains_key(&target) {
            by_target.insert(target, candidate);
        }
    }
    let mut candidates: Vec<_> = by_target.into_values().collect();
    candidates.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(candidates)
}

/// What a look at one entry shows.
enum Look {
    /// It may be a plugin; with what it leads to.
    Candidate(PathBuf, Candidate),
    /// It has no place here, for this reason.
    Ignored(&'static str),
    /// It went away meanwhile.
    Gone,
}

fn look(directory: &Path, root: &Path, name: &OsStr, looked: &Metadata) -> Look {
    let path = directory.join(name);
    let Ok(target) = path.canonicalize() else {
        return match path.symlink_metadata() {
            Ok(_) => Look::Ignored(NOWHERE),
            Err(_) => Look::Gone,
        };
    };
    if !target.starts_with(root) || target == root {
        return Look::Ignored(LEAVES);
    }
    let Ok(metadata) = target.metadata() else {
        return Look::Gone;
    };
    let Some(form) = Form::of(&path, &metadata) else {
        return Look::Ignored(NO_PLUGIN);
    };
    match Stamp::of(&target, &metadata, looked) {
        Ok(stamp) => Look::Candidate(target, Candidate { path, form, stamp }),
        Err(_) => Look::Gone,
    }
}
