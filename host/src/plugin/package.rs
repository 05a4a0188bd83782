//! What was dropped, read into memory: a bare library, an unpacked folder, or a package file.
//!
//! All three end as the same [`Contents`]. Nothing is ever unpacked to disk, so no path inside an archive is opened; only the
//! library leaves, and only into the cache. Whether its manifest is any good is not judged here.

mod archive;
mod collect;
mod folder;
#[cfg(test)]
mod tests;

use std::{io::Read, path::Path};

use super::{
    policy::open_regular,
    refusal::{Refusal, shown, shown_path},
};
use crate::domain::Digest;

const MANIFEST_FILE: &str = "plugin.toml";
const CHECKSUMS_FILE: &str = "SHA256SUMS";

/// How large a plugin may be. The host holds one library at a time in memory while it judges it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of a library. A debug build with all its dependencies is some twenty megabytes.
    pub library_bytes: u64,
    /// Of a package file.
    pub package_bytes: u64,
    /// Of all that an archive unpacks to, its headers included.
    pub unpacked_bytes: u64,
    /// Of a file beside the library: licences, a README.
    pub other_file_bytes: u64,
    /// Files and folders in a package or folder.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            library_bytes: 256 * MIB,
            package_bytes: 256 * MIB,
            unpacked_bytes: 320 * MIB,
            other_file_bytes: 4 * MIB,
            entries: 256,
        }
    }
}

/// What was dropped, without its packing.
pub(super) struct Contents {
    /// Of the file that was dropped; of the library where that was a folder.
    pub digest: Digest,
    pub library: Vec<u8>,
    pub library_digest: Digest,
    /// What a folder or package says beside its library.
    pub packing: Option<Packing>,
}

/// What a folder or package says beside its library.
pub(super) struct Packing {
    /// `plugin.toml`.
    pub manifest: Vec<u8>,
    /// The library's file name.
    pub library_name: String,
}

/// Reads a bare library.
pub(super) fn read_library(path: &Path, limits: &Limits) -> Result<Contents, Refusal> {
    let (file, metadata) = open_regular(path)?;
    let library = read_bounded(path, file, metadata.len(), limits.library_bytes)?;
    let digest = Digest::of(&library);
    Ok(Contents {
        digest,
        library,
        library_digest: digest,
        packing: None,
    })
}

pub(super) use self::{archive::read_package, folder::read_folder};

/// Reads a file whole; `size_bytes` is what it claims, and what it holds in truth is bounded all the same.
fn read_bounded(path: &Path, file: impl Read, size_bytes: u64, limit_bytes: u64) -> Result<Vec<u8>, Refusal> {
    let too_large = |found_bytes| Refusal::TooLarge {
        path: shown_path(path),
        limit_bytes,
        found_bytes,
    };
    if size_bytes > limit_bytes {
        return Err(too_large(size_bytes));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or_default());
    file.take(limit_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Refusal::unreadable(path, &error))?;
    if bytes.len() as u64 > limit_bytes {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

fn refuse_entry(entry: &str, found: &str) -> Refusal {
    Refusal::EntryRefused {
        entry: shown(entry),
        found: found.to_owned(),
    }
}
