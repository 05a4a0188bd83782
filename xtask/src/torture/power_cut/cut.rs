//! The cut: from what the page cache held and what was synced, what a disk without power may have kept.
//!
//! Changes of names (made, removed, renamed) survive up to a moment, in their order, as a journal of a file system keeps them.
//! Data survive up to that moment as well, or page by page: each page of a file is then either as it was synced or as it was
//! at that moment, and so is its size.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{
    Chance,
    journal::{Change, What, unsettled},
};

/// What the disk does with what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// Forgets all of it.
    Everything,
    /// Forgets what came after a moment.
    Suffix,
    /// Keeps pages of this many bytes by chance, of what came before a moment.
    Pages(usize),
}

impl Damage {
    /// One of them.
    pub fn by(chance: &mut Chance) -> Self {
        let all = [
            Self::Everything,
            Self::Suffix,
            Self::Pages(512),
            Self::Pages(4096),
        ];
        all[chance.up_to(all.len() - 1)]
    }
}

/// What a cut found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Changes that no sync had settled.
    pub unsettled: usize,
    /// The first of them, which came before the moment.
    pub before: usize,
    /// Files whose data or size are others now.
    pub files_changed: usize,
}

/// Where files lie that were removed.
pub fn graves(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".graves");
    name.into()
}

/// Cuts the power of `directory`: nobody may use it.
///
/// # Errors
/// If the journal is none, or the system refuses.
pub fn cut(directory: &Path, journal: &Path, damage: Damage, chance: &mut Chance) -> Result<Cut> {
    let changes = unsettled(journal)?;
    let before = match damage {
        Damage::Everything => 0,
        Damage::Suffix | Damage::Pages(_) => chance.up_to(changes.len()),
    };
    let graves = graves(journal);
    for change in changes[before..].iter().rev() {
        take_back_name(change, &graves)?;
    }
    let mut files_changed = 0;
    for (inode, path) in files(directory)? {
        let of_file = |changes: &[Change]| changes.iter().any(|change| change.inode == inode);
        if of_file(&changes) {
            let found = fs::read(&path)?;
            let kept = kept(found.clone(), inode, &changes, before, damage, chance);
            if kept != found {
                files_changed += 1;
                fs::write(&path, kept).with_context(|| format!("cannot write `{}`", path.display()))?;
            }
        }
    }
    Ok(Cut {
        unsettled: changes.len(),
        before,
        files_changed,
    })
}

/// The process may have been killed before the change was made: then there is nothing to take back.
fn take_back_name(change: &Change, graves: &Path) -> Result<()> {
    let raise = |grave: &u64, path: &Path| {
        fs::hard_link(graves.join(grave.to_string()), path)
            .with_context(|| format!("cannot bring back `{}`", path.display()))
    };
    match &change.what {
        What::Created { path } if path.exists() => fs::remove_file(path)?,
        What::Unlinked { grave, path } if !path.exists() => raise(grave, path)?,
        What::Renamed { grave, from, to } if inode_of(to) == Some(change.inode) => {
            fs::rename(to, from)?;
            if let Some(grave) = grave {
                raise(grave, to)?;
            }
        }
        What::Created { .. } | What::Unlinked { .. } | What::Renamed { .. } | What::Changed { .. } => {}
    }
    Ok(())
}

fn inode_of(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|found| found.ino())
}

/// The files below a directory, by inode.
fn files(directory: &Path) -> Result<BTreeMap<u64, PathBuf>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                files.insert(entry.metadata()?.ino(), entry.path());
            }
        }
    }
    Ok(files)
}

/// What a disk without power keeps of a file that holds `found`.
fn kept(
    found: Vec<u8>,
    inode: u64,
    changes: &[Change],
    before: usize,
    damage: Damage,
    chance: &mut Chance,
) -> Vec<u8> {
    let at_the_moment = taken_back(found, inode, &changes[before..]);
    let Damage::Pages(page_bytes) = damage else {
        return at_the_moment;
    };
    let synced = taken_back(at_the_moment.clone(), inode, &changes[..before]);
    by_pages(&synced, &at_the_moment, page_bytes, chance)
}

/// The file before these changes.
fn taken_back(file: Vec<u8>, inode: u64, changes: &[Change]) -> Vec<u8> {
    let of_file = changes.iter().rev().filter(|change| change.inode == inode);
    of_file.fold(file, |mut file, change| {
        if let What::Changed { offset, size, bytes } = &change.what {
            let end = offset + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            file[*offset..end].copy_from_slice(bytes);
            file.resize(*size, 0);
        }
        file
    })
}

fn by_pages(synced: &[u8], newer: &[u8], page_bytes: usize, chance: &mut Chance) -> Vec<u8> {
    let size = if chance.once_in(2) { synced } else { newer }.len();
    let mut file = vec![0; size];
    for (number, page) in file.chunks_mut(page_bytes).enumerate() {
        let at = number * page_bytes;
        let (older, newer) = (part(synced, at, page.len()), part(newer, at, page.len()));
        // Chance is asked only where it matters, so that a large file does not use it up.
        let chosen = if older != newer && chance.once_in(2) {
            newer
        } else {
            older
        };
        page[..chosen.len()].copy_from_slice(chosen);
    }
    file
}

fn part(file: &[u8], at: usize, length: usize) -> &[u8] {
    let begin = at.min(file.len());
    &file[begin..(at + length).min(file.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(offset: usize, size: usize, bytes: &[u8]) -> Change {
        Change {
            inode: 1,
            what: What::Changed {
                offset,
                size,
                bytes: bytes.to_vec(),
            },
        }
    }

    #[test]
    fn what_changed_is_taken_back_newest_first_size_included() {
        // "abc", then "aXYZ", then cut to "aX".
        let changes = [changed(1, 3, b"bc"), changed(2, 4, b"YZ")];
        assert_eq!(taken_back(b"aX".to_vec(), 1, &changes[1..]), b"aXYZ");
        assert_eq!(taken_back(b"aX".to_vec(), 1, &changes), b"abc");
        assert_eq!(taken_back(b"aX".to_vec(), 2, &changes), b"aX");
    }

    #[test]
    fn each_page_is_the_one_or_the_other_and_so_is_the_size() {
        let (synced, newer) = ([b'o'; 10], [b'n'; 14]);
        let mut sizes = std::collections::BTreeSet::new();
        let mut mixed = false;
        for seed in 0..64 {
            let file = by_pages(&synced, &newer, 4, &mut Chance::of_seed(seed));
            sizes.insert(file.len());
            for page in file.chunks(4) {
                let whole = page.iter().all(|byte| *byte == page[0]);
                // The last page of the synced size ends within one: its rest was never written.
                assert!(whole || page == b"oo\0\0", "{file:?}");
            }
            mixed |= file.contains(&b'o') && file.contains(&b'n');
        }
        assert!(mixed && sizes.into_iter().eq([10, 14]));
    }

    #[test]
    fn a_name_that_was_not_settled_goes_and_what_was_removed_comes_back() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let [directory, graves] = ["data", "graves"].map(|name| folder.path().join(name));
        let [new, old, gone] = ["new", "old", "gone"].map(|name| directory.join(name));
        for folder in [&directory, &graves] {
            fs::create_dir(folder).expect("makes a folder");
        }
        fs::write(&new, "renamed").expect("writes");
        for (grave, content) in [("7", "replaced"), ("8", "removed")] {
            fs::write(graves.join(grave), content).expect("writes");
        }
        let (inode, from, to) = (inode_of(&new).expect("is there"), old.clone(), new.clone());
        let whats = [
            What::Created { path: old.clone() },
            What::Renamed {
                grave: Some(7),
                from,
                to,
            },
            What::Unlinked {
                grave: 8,
                path: gone.clone(),
            },
        ];
        for what in whats.into_iter().rev() {
            take_back_name(&Change { inode, what }, &graves).expect("takes back");
        }
        assert!(!old.exists());
        assert_eq!(fs::read(new).expect("reads"), b"replaced");
        assert_eq!(fs::read(gone).expect("reads"), b"removed");
    }
}
