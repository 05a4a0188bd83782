//! The files of checkpoints: one for each chain, notes one after another, bounded.
//!
//! A file that would get longer than [`MAX_BYTES`] becomes the one before (`acme.1.txt`), which is replaced: some thousand
//! checkpoints are kept of each chain, the newest always. An older one says nothing that a newer one does not, as each hash holds
//! all records before it; where older ones matter, copy them elsewhere.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    thread,
};

use crate::{
    domain::TenantId,
    engine::checkpoint::{Checkpoint, Note, VerifierKey, read_notes, tenant_of},
};

/// About six hundred checkpoints: two days of one every five minutes, and verifying all takes a moment.
const MAX_BYTES: u64 = 128 * 1024;
/// A file that is far longer was not written here; it is not read into memory whole.
const MAX_READ_BYTES: u64 = 4 * MAX_BYTES;
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// How many files are written and synced beside each other: the filesystem writes down together what is synced at once, and more than this
/// gained nothing when measured.
const SYNCED_AT_ONCE: usize = 16;

/// When a file was begun.
enum Begun {
    /// With this note.
    Anew,
    /// With an earlier one.
    Before,
}

/// The files of checkpoints of a home.
#[derive(Debug, Clone)]
pub struct CheckpointFiles {
    directory: PathBuf,
}

/// What is kept of one chain.
#[derive(Debug, Default)]
pub struct Kept {
    /// The notes, oldest first. Not proved.
    pub notes: Vec<Note>,
    /// What is in the files and is no note. A last note that was cut, as by a crash, is none of them.
    pub faults: Vec<String>,
}

impl Kept {
    /// The newest checkpoint that `key` signed.
    pub fn last(&self, key: &VerifierKey) -> Option<Checkpoint> {
        let mut newest_first = self.notes.iter().rev();
        newest_first.find_map(|note| note.checkpoint(key).ok())
    }
}

impl CheckpointFiles {
    /// Those in this directory, which need not be there yet.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// Where the checkpoints of a chain are appended.
    pub fn path(&self, tenant: &TenantId) -> PathBuf {
        self.directory.join(format!("{tenant}.txt"))
    }

    /// Where those before are. No tenant has a dot in its name.
    fn path_before(&self, tenant: &TenantId) -> PathBuf {
        self.directory.join(format!("{tenant}.1.txt"))
    }

    /// Whose checkpoints there are, sorted.
    ///
    /// # Errors
    /// If the directory is there and cannot be read.
    pub fn tenants(&self) -> io::Result<Vec<TenantId>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut tenants = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let stem = name.to_str().and_then(|name| name.strip_suffix(".txt"));
            let tenant = stem.map(|stem| stem.strip_suffix(".1").unwrap_or(stem));
            tenants.extend(tenant.and_then(tenant_of));
        }
        tenants.sort();
        tenants.dedup();
        Ok(tenants)
    }

    /// What is kept of a chain.
    ///
    /// # Errors
    /// If a file is there and cannot be read.
    pub fn read(&self, tenant: &TenantId) -> io::Result<Kept> {
        let mut kept = Kept::default();
        for path in [self.path_before(tenant), self.path(tenant)] {
            let Some(bytes) = read_bounded(&path)? else {
                continue;
            };
            let read = read_notes(&bytes);
            kept.notes.extend(read.notes);
            let fault = read.fault.filter(|fault| !fault.is_cut);
            kept.faults.extend(fault.map(|fault| {
                let (shown, line) = (path.display(), fault.line);
                format!("`{shown}`, line {line}: expected a signed note; found something else")
            }));
        }
        Ok(kept)
    }

    /// Appends a note to the file of each of these chains, no two of which are the same, and syncs them; answers what became of each, in
    /// order. What a crash left of a note before is cut off first. Blocks.
    ///
    /// # Errors
    /// Of a chain, if the system refuses. The note may be there then, in part; the next one puts that right.
    pub fn append_all(&self, notes: &[(TenantId, Note)]) -> Vec<io::Result<()>> {
        let each = notes.len().div_ceil(SYNCED_AT_ONCE).max(1);
        let append = |some: &[(TenantId, Note)]| -> Vec<_> {
            let appended = some.iter().map(|(tenant, note)| self.append(tenant, note));
            appended.collect()
        };
        let appended = match notes.len() <= each {
            true => append(notes),
            false => thread::scope(|scope| {
                let parts: Vec<_> = notes
                    .chunks(each)
                    .map(|some| scope.spawn(move || append(some)))
                    .collect();
                let done = parts.into_iter().map(|part| part.join());
                done.flat_map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                    .collect()
            }),
        };
        // New names are to be as durable as what has them, and one sync does for all.
        let is_any_new = appended.iter().any(|one| matches!(one, Ok(Begun::Anew)));
        let unsynced = match is_any_new {
            true => File::open(&self.directory)
                .and_then(|directory| directory.sync_all())
                .err(),
            false => None,
        };
        let judged = |one| match (one, &unsynced) {
            (Ok(Begun::Anew), Some(error)) => Err(io::Error::new(error.kind(), error.to_string())),
            (appended, _) => appended.map(drop),
        };
        appended.into_iter().map(judged).collect()
    }

    /// Appends a note and syncs it, but not the name of a file that is new.
    fn append(&self, tenant: &TenantId, note: &Note) -> io::Result<Begun> {
        let path = self.path(tenant);
        let text = format!("{note}\n");
        let complete = read_bounded(&path)?.map(|bytes| read_notes(&bytes));
        let is_new = complete.is_none();
        let length = complete.as_ref().map_or(0, |read| read.complete_bytes as u64);
        // What is no note is evidence: it is set aside with the rest and not written over.
        let is_foreign = complete
            .and_then(|read| read.fault)
            .is_some_and(|fault| !fault.is_cut);
        let is_full = !is_new && length + text.len() as u64 > MAX_BYTES;
        if is_new {
            self.make_directory()?;
        } else if is_full || is_foreign {
            fs::rename(&path, self.path_before(tenant))?;
        }
        let begins_anew = is_new || is_full || is_foreign;
        write_at(&path, if begins_anew { 0 } else { length }, text.as_bytes())?;
        Ok(if begins_anew { Begun::Anew } else { Begun::Before })
    }

    fn make_directory(&self) -> io::Result<()> {
        if self.directory.is_dir() {
            return Ok(());
        }
        // Several may do it at once.
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&self.directory)?;
        fs::set_permissions(&self.directory, Permissions::from_mode(DIRECTORY_MODE))
    }
}

fn write_at(path: &Path, begin: u64, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(FILE_MODE)
        .open(path)?;
    file.set_len(begin)?;
    file.seek(SeekFrom::Start(begin))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The bytes of a file, if it is there.
fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_READ_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_READ_BYTES {
        let message = format!("`{}` has more than {MAX_READ_BYTES} bytes", path.display());
        return Err(io::Error::other(message));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Hash, Timestamp},
        engine::checkpoint::SigningKey,
    };

    fn key() -> SigningKey {
        SigningKey::from_seed("box".parse().unwrap(), &[7; 32])
    }

    fn note(seq: u64) -> Note {
        let checkpoint = Checkpoint {
            tenant: "acme".parse().unwrap(),
            seq,
            head: Hash::of(&seq.to_be_bytes()),
            signed_at: Timestamp::from_micros(0),
        };
        Note::sign(&checkpoint, &key())
    }

    fn files() -> (tempfile::TempDir, CheckpointFiles, TenantId) {
        let home = tempfile::TempDir::new().unwrap();
        let files = CheckpointFiles::at(home.path().join("audit/checkpoints"));
        (home, files, "acme".parse().unwrap())
    }

    fn append(files: &CheckpointFiles, tenant: &TenantId, note: Note) {
        let appended = files.append_all(&[(tenant.clone(), note)]);
        assert!(matches!(appended[..], [Ok(())]), "{appended:?}");
    }

    fn last(files: &CheckpointFiles, tenant: &TenantId) -> u64 {
        files.read(tenant).unwrap().last(key().public()).unwrap().seq
    }

    #[test]
    fn notes_are_kept_in_order_and_read_again() {
        let (_home, files, acme) = files();
        assert!(files.tenants().unwrap().is_empty());
        for seq in 1..=3 {
            append(&files, &acme, note(seq));
        }
        append(&files, &TenantId::host(), note(9));
        let kept = files.read(&acme).unwrap();
        assert_eq!(kept.notes, [note(1), note(2), note(3)]);
        assert!(kept.faults.is_empty());
        assert_eq!(files.tenants().unwrap(), [acme, TenantId::host()]);
    }

    #[test]
    fn of_many_at_once_each_is_kept_but_those_that_cannot_be() {
        let (_home, files, _) = files();
        let tenant = |number: u64| -> TenantId { format!("t{number:04}").parse().unwrap() };
        let notes = |of: fn(u64) -> u64| {
            (0..1000)
                .map(|number| (tenant(number), note(of(number))))
                .collect::<Vec<_>>()
        };
        assert!(
            files
                .append_all(&notes(|number| number + 1))
                .iter()
                .all(Result::is_ok)
        );
        let blocked = files.path(&tenant(500));
        fs::remove_file(&blocked).unwrap();
        fs::create_dir(&blocked).unwrap();
        let again = files.append_all(&notes(|number| number + 2));
        for (number, appended) in (0..).zip(&again) {
            assert_eq!(appended.is_ok(), number != 500, "{number}: {appended:?}");
            if number != 500 {
                assert_eq!(
                    files.read(&tenant(number)).unwrap().notes,
                    [note(number + 1), note(number + 2)]
                );
            }
        }
    }

    #[test]
    fn what_a_crash_cut_is_written_over_and_is_no_fault() {
        let (_home, files, acme) = files();
        append(&files, &acme, note(1));
        let whole = fs::read(files.path(&acme)).unwrap();
        for cut in 1..whole.len() - 1 {
            fs::write(files.path(&acme), [&whole[..], &whole[..cut]].concat()).unwrap();
            assert!(files.read(&acme).unwrap().faults.is_empty(), "{cut}");
            append(&files, &acme, note(2));
            assert_eq!(files.read(&acme).unwrap().notes, [note(1), note(2)], "{cut}");
        }
    }

    #[test]
    fn the_files_are_bounded_and_the_newest_is_always_there() {
        let (_home, files, acme) = files();
        let many = MAX_BYTES / note(1).to_string().len() as u64 * 3;
        for seq in 1..=many {
            append(&files, &acme, note(seq));
            if seq % 97 == 0 {
                assert_eq!(last(&files, &acme), seq);
            }
        }
        let kept = files.read(&acme).unwrap();
        assert!(kept.notes.windows(2).all(|pair| pair[0] != pair[1]));
        for path in [files.path(&acme), files.path_before(&acme)] {
            assert!(fs::metadata(path).unwrap().len() <= MAX_BYTES);
        }
    }

    #[test]
    fn what_somebody_else_wrote_is_named_and_set_aside() {
        let (_home, files, acme) = files();
        append(&files, &acme, note(1));
        let mut bytes = fs::read(files.path(&acme)).unwrap();
        bytes.extend(b"not\n\na note\n");
        fs::write(files.path(&acme), bytes).unwrap();
        let fault = files.read(&acme).unwrap().faults.remove(0);
        assert!(fault.contains("acme.txt`, line 10"), "{fault}");
        append(&files, &acme, note(2));
        assert_eq!(last(&files, &acme), 2);
        assert_eq!(files.read(&acme).unwrap().faults.len(), 1, "it is still told");
    }
}
