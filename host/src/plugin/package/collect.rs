//! The files of a folder or package, gathered one by one, and judged as a whole: exactly one library, a manifest, and every
//! other file listed with its digest.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
};

use sha2::Digest as _;

use super::{CHECKSUMS_FILE, Limits, MANIFEST_FILE, Packing, refuse_entry};
use crate::{
    domain::Digest,
    plugin::{
        manifest,
        refusal::{Refusal, shown},
    },
};

const MAX_PATH_BYTES: usize = 200;
/// A root folder, a folder of licences, a file, and one to spare.
const MAX_DEPTH: usize = 4;
const MAX_CHECKSUMS_BYTES: usize = 64 * 1024;
const LIBRARY_ENDING: &str = ".so";

/// Whether a list of digests must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Checksums {
    Required,
    /// But if it is there, it must hold.
    Optional,
}

/// Files seen so far, by path.
pub(super) struct Collection<'a> {
    limits: &'a Limits,
    seen: BTreeSet<String>,
    digests: BTreeMap<String, Digest>,
    /// Manifests and checksums, wherever they lie: where the root is, is known only at the end.
    texts: BTreeMap<String, Vec<u8>>,
    library: Option<(String, Vec<u8>)>,
}

/// What they come to.
pub(super) struct Collected {
    pub library: Vec<u8>,
    pub library_digest: Digest,
    pub packing: Packing,
}

impl<'a> Collection<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            seen: BTreeSet::new(),
            digests: BTreeMap::new(),
            texts: BTreeMap::new(),
            library: None,
        }
    }

    /// Notes a folder.
    pub(super) fn add_folder(&mut self, path: &str) -> Result<(), Refusal> {
        self.note(path.strip_suffix('/').unwrap_or(path))
    }

    /// Takes a regular file in. `failed` says what a failure to read means.
    pub(super) fn add_file(
        &mut self,
        path: &str,
        size_bytes: u64,
        content: impl Read,
        failed: impl FnOnce(io::Error) -> Refusal,
    ) -> Result<(), Refusal> {
        self.note(path)?;
        let limit_bytes = self.limit_of(path)?;
        let too_large = |found_bytes| Refusal::TooLarge {
            path: shown(path),
            limit_bytes,
            found_bytes,
        };
        if size_bytes > limit_bytes {
            return Err(too_large(size_bytes));
        }
        let mut content = content.take(limit_bytes + 1);
        let mut kept = Vec::new();
        let mut sha256 = sha2::Sha256::new();
        let read_bytes = if is_library(path) || is_text(path) {
            let read = content.read_to_end(&mut kept);
            sha256.update(&kept);
            read.map(|count| count as u64)
        } else {
            digest_of(&mut content, &mut sha256)
        };
        let read_bytes = read_bytes.map_err(failed)?;
        if read_bytes > limit_bytes {
            return Err(too_large(read_bytes));
        }
        if read_bytes < size_bytes {
            return Err(refuse_entry(
                path,
                &format!("{read_bytes} bytes where {size_bytes} were announced"),
            ));
        }
        self.digests
            .insert(path.to_owned(), Digest::from_bytes(sha256.finalize().into()));
        if is_library(path) {
            self.library = Some((path.to_owned(), kept));
        } else if is_text(path) {
            self.texts.insert(path.to_owned(), kept);
        }
        Ok(())
    }

    /// Notes a path, which must be plain, and new.
    fn note(&mut self, path: &str) -> Result<(), Refusal> {
        check_path(path).map_err(|found| refuse_entry(path, found))?;
        if self.seen.len() == self.limits.entries {
            return Err(Refusal::ArchiveTooLarge {
                what: "files and folders".to_owned(),
                limit: self.limits.entries as u64,
            });
        }
        if !self.seen.insert(path.to_owned()) {
            return Err(refuse_entry(path, "the same path twice"));
        }
        Ok(())
    }

    fn limit_of(&self, path: &str) -> Result<u64, Refusal> {
        if !is_library(path) {
            return Ok(match file_name(path) {
                MANIFEST_FILE => manifest::MAX_BYTES as u64,
                CHECKSUMS_FILE => MAX_CHECKSUMS_BYTES as u64,
                _ => self.limits.other_file_bytes,
            });
        }
        match &self.library {
            None => Ok(self.limits.library_bytes),
            Some((first, _)) => Err(Refusal::SeveralLibraries {
                first: shown(first),
                second: shown(path),
            }),
        }
    }

    /// Judges the whole.
    pub(super) fn finish(mut self, checksums: Checksums) -> Result<Collected, Refusal> {
        let root = self.root()?;
        if let Some(stray) = self.seen.iter().find(|path| is_outside(path, &root)) {
            return Err(refuse_entry(stray, "a path beside its root folder"));
        }
        let below_root = |path: &str| path.strip_prefix(&root).unwrap_or(path).to_owned();
        let missing = |missing: &str| Refusal::PackageIncomplete {
            missing: missing.to_owned(),
        };
        let (library_path, library) = self.library.take().ok_or_else(|| missing("lib<name>.so"))?;
        let library_name = below_root(&library_path);
        if library_name.contains('/') {
            return Err(refuse_entry(&library_path, "the library in a folder of its own"));
        }
        let manifest = self.texts.remove(&format!("{root}{MANIFEST_FILE}"));
        let manifest = manifest.ok_or_else(|| missing(MANIFEST_FILE))?;
        let library_digest = self.digests[&library_path];

        let sums = self.texts.remove(&format!("{root}{CHECKSUMS_FILE}"));
        let digests = self
            .digests
            .iter()
            .map(|(path, digest)| (below_root(path), *digest));
        match sums {
            Some(sums) => check_digests(&sums, digests.collect())?,
            None if checksums == Checksums::Required => return Err(missing(CHECKSUMS_FILE)),
            None => {}
        }
        Ok(Collected {
            library,
            library_digest,
            packing: Packing {
                manifest,
                library_name,
            },
        })
    }

    /// The folder with the manifest, with a slash at its end: the top, or the one folder in which all lies.
    fn root(&self) -> Result<String, Refusal> {
        let manifest = self.texts.keys().filter(|path| file_name(path) == MANIFEST_FILE);
        match manifest.min_by_key(|path| path.split('/').count()) {
            Some(path) if path.split('/').count() <= 2 => {
                Ok(path[..path.len() - MANIFEST_FILE.len()].to_owned())
            }
            _ => Err(Refusal::PackageIncomplete {
                missing: MANIFEST_FILE.to_owned(),
            }),
        }
    }
}

fn is_outside(path: &str, root: &str) -> bool {
    !path.starts_with(root) && path != root.trim_end_matches('/')
}

/// Only plain names with single slashes between them: nothing that could lead elsewhere if someone did unpack it.
fn check_path(path: &str) -> Result<(), &'static str> {
    if path.starts_with('/') {
        return Err("an absolute path");
    }
    if path.len() > MAX_PATH_BYTES || path.split('/').count() > MAX_DEPTH {
        return Err("a path that is too long or too deep");
    }
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return Err("a path with control characters or backslashes");
    }
    for part in path.split('/') {
        match part {
            ".." => return Err("a path with `..`"),
            "" | "." => return Err("a path with an empty part"),
            _ => {}
        }
    }
    Ok(())
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_library(path: &str) -> bool {
    path.ends_with(LIBRARY_ENDING)
}

fn is_text(path: &str) -> bool {
    matches!(file_name(path), MANIFEST_FILE | CHECKSUMS_FILE)
}

fn digest_of(content: &mut impl Read, sha256: &mut sha2::Sha256) -> io::Result<u64> {
    let mut chunk = [0; 16 * 1024];
    let mut total = 0;
    loop {
        match content.read(&mut chunk) {
            Ok(0) => return Ok(total),
            Ok(read) => {
                sha256.update(&chunk[..read]);
                total += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Checks that the list names every file but itself, nothing else, and each with its digest.
fn check_digests(sums: &[u8], mut found: BTreeMap<String, Digest>) -> Result<(), Refusal> {
    let invalid = |detail: String| Refusal::ChecksumsInvalid { detail };
    found.remove(CHECKSUMS_FILE);
    let text = std::str::from_utf8(sums).map_err(|_| invalid("found bytes that are not UTF-8".to_owned()))?;
    for line in text.lines() {
        let (digest, name) = parse_line(line).ok_or_else(|| invalid(format!("found `{}`", shown(line))))?;
        let Some(actual) = found.remove(name) else {
            return Err(invalid(format!(
                "found `{}`, which is not there or listed twice",
                shown(name)
            )));
        };
        if actual != digest {
            return Err(Refusal::ChecksumMismatch {
                file: shown(name),
                expected: digest,
                found: actual,
            });
        }
    }
    match found.keys().next() {
        Some(unlisted) => Err(invalid(format!("found none for `{}`", shown(unlisted)))),
        None => Ok(()),
    }
}

/// As `sha256sum` writes it: digest, a space, a space or `*`, name.
fn parse_line(line: &str) -> Option<(Digest, &str)> {
    let (digest, name) = line.split_once(' ')?;
    let name = name.strip_prefix([' ', '*'])?;
    let name = name.strip_prefix("./").unwrap_or(name);
    Some((digest.parse().ok()?, name))
}
