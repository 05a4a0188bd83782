//! An unpacked folder with the content of a package.

use std::{
    collections::VecDeque,
    fs::DirEntry,
    path::{Path, PathBuf},
};

use super::{
    Contents, Limits,
    collect::{Checksums, Collection},
    refuse_entry,
};
use crate::plugin::{
    directory::is_temporary,
    policy::open_regular,
    refusal::{Refusal, shown_path},
};

/// Reads a folder. Temporary files and links in it are no part of the plugin.
///
/// `check` judges each level that is read, before it is read.
pub(in crate::plugin) fn read_folder(
    folder: &Path,
    limits: &Limits,
    check: impl Fn(&Path) -> Result<(), Refusal>,
) -> Result<Contents, Refusal> {
    let mut collection = Collection::new(limits);
    let mut waiting = VecDeque::from([folder.to_owned()]);
    while let Some(level) = waiting.pop_front() {
        for entry in list(&level, limits)? {
            let path = entry.path();
            let kind = entry
                .file_type()
                .map_err(|error| Refusal::unreadable(&path, &error))?;
            if kind.is_symlink() || is_temporary(&entry.file_name()) {
                tracing::debug!(path = %shown_path(&path), "a link or temporary file in a plugin's folder is ignored");
                continue;
            }
            check(&path)?;
            let name = name_below(folder, &path)?;
            if kind.is_dir() {
                collection.add_folder(&name)?;
                waiting.push_back(path);
            } else {
                let (file, metadata) = open_regular(&path)?;
                collection.add_file(&name, metadata.len(), file, |error| {
                    Refusal::unreadable(&path, &error)
                })?;
            }
        }
    }
    let collected = collection.finish(Checksums::Optional)?;
    Ok(Contents {
        digest: collected.library_digest,
        library: collected.library,
        library_digest: collected.library_digest,
        packing: Some(collected.packing),
    })
}

/// In the order of names, so that an error names the same file each time; at most one more than may be.
fn list(level: &Path, limits: &Limits) -> Result<Vec<DirEntry>, Refusal> {
    let entries = std::fs::read_dir(level)
        .and_then(|entries| entries.take(limits.entries + 1).collect::<Result<Vec<_>, _>>());
    let mut entries = entries.map_err(|error| Refusal::unreadable(level, &error))?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

fn name_below(folder: &Path, path: &Path) -> Result<String, Refusal> {
    let below: PathBuf = path.strip_prefix(folder).unwrap_or(path).to_owned();
    below
        .into_os_string()
        .into_string()
        .map_err(|name| refuse_entry(&name.to_string_lossy(), "a name that is not UTF-8"))
}
