//! The copies of admitted libraries, named by their content. What is loaded is always such a copy.
//!
//! A file in the plugin directory may be written or replaced at any time, and overwriting a mapped library ends the process. A
//! copy is written once, from the very bytes that were judged, and never again. It is no store of truth: it may be deleted
//! while no host runs.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use uuid::Uuid;

use super::{
    policy::{check_path, open_regular},
    refusal::{Refusal, shown, shown_path},
};
use crate::domain::{Digest, PluginName};

const DIRECTORY_MODE: u32 = 0o700;
/// Readable by the host alone, writable by nobody.
const FILE_MODE: u32 = 0o400;
/// A copy that was damaged is replaced under the next name, since its old one may be loaded. A medium that damages this many
/// copies of one library needs an operator.
const MAX_COPIES: u32 = 8;

/// The cache directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// Below this directory, which is made when it is first needed. It must be the host's own: a copy is loaded without
    /// being judged again.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Makes sure of a copy of `library`, whose digest is `digest`, and returns its path. A copy that is there is used only
    /// if its bytes still have that digest. Blocks.
    ///
    /// # Errors
    /// [`Refusal::CacheFailed`]; [`Refusal::WritableByOthers`] and [`Refusal::ForeignOwner`] for the cache itself.
    pub fn keep(&self, name: &PluginName, library: &[u8], digest: Digest) -> Result<PathBuf, Refusal> {
        let folder = self.directory.join(digest.to_string());
        make_directory(&self.directory).map_err(|error| failed(&self.directory, &error))?;
        make_directory(&folder).map_err(|error| failed(&folder, &error))?;
        let folder = check_path(&self.directory, &folder)?;
        for copy in 0..MAX_COPIES {
            let path = folder.join(match copy {
                0 => format!("lib{name}.so"),
                _ => format!("lib{name}.{copy}.so"),
            });
            if !path.try_exists().map_err(|error| failed(&path, &error))? {
                write_copy(&folder, &path, library).map_err(|error| failed(&path, &error))?;
                return Ok(path);
            }
            if is_sound(&path, library) {
                return Ok(path);
            }
            tracing::warn!(path = %shown_path(&path), "a library in the cache was changed; it is not used");
        }
        Err(Refusal::CacheFailed {
            path: shown_path(&folder),
            detail: format!("{MAX_COPIES} copies in it were changed behind the host's back"),
        })
    }

    /// Deletes the copies of libraries that are not in `used` and were made more than `age` before `now`. Returns how many
    /// libraries went. What cannot be deleted is logged and left. Blocks.
    ///
    /// # Errors
    /// If the directory cannot be listed; one that does not exist is empty.
    pub fn sweep(&self, used: &BTreeSet<Digest>, age: Duration, now: SystemTime) -> io::Result<usize> {
        let entries = match std::fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries?,
        };
        let mut deleted = 0;
        for entry in entries {
            let entry = entry?;
            let digest = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<Digest>().ok());
            let made = entry.metadata()?.modified()?;
            let is_old = now.duration_since(made).is_ok_and(|passed| passed > age);
            if digest.is_none_or(|digest| used.contains(&digest)) || !is_old {
                continue;
            }
            match std::fs::remove_dir_all(entry.path()) {
                Ok(()) => deleted += 1,
                Err(error) => {
                    tracing::warn!(%error, path = %shown_path(&entry.path()), "not swept from the cache")
                }
            }
        }
        Ok(deleted)
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
}

/// Writes under a name that nobody looks at, makes it durable, then gives it its own name.
fn write_copy(folder: &Path, path: &Path, library: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!(".{}.tmp", Uuid::new_v4()));
    let written = write_new(&temporary, library).and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = written {
        if let Err(error) = std::fs::remove_file(&temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %shown_path(&temporary), "a partial copy is left in the cache");
        }
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(bytes)?;
    // The umask may have taken the owner's bit.
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    file.sync_all()
}

/// Whether the file is a regular one with exactly these bytes, which others cannot write.
fn is_sound(path: &Path, library: &[u8]) -> bool {
    let Ok((mut file, metadata)) = open_regular(path) else {
        return false;
    };
    let same_size = metadata.len() == library.len() as u64;
    same_size && check_path(path, path).is_ok() && has_bytes(&mut file, library).unwrap_or(false)
}

fn has_bytes(file: &mut File, mut expected: &[u8]) -> io::Result<bool> {
    let mut chunk = [0; 64 * 1024];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            return Ok(expected.is_empty());
        }
        match expected.split_at_checked(read) {
            Some((same, rest)) if same == &chunk[..read] => expected = rest,
            _ => return Ok(false),
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> Refusal {
    Refusal::CacheFailed {
        path: shown_path(path),
        detail: shown(&error.to_string()),
    }
}
