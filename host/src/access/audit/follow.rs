//! The audit of one tenant read as it grows, for people: the oldest first, through every rotation.

use std::{
    collections::VecDeque,
    fs,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{AuditFilter, audit_file, file::put_aside, read::read_line};
use crate::domain::TenantId;

/// What is read of a file at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// A place in a tenant's audit.
#[derive(Debug)]
pub struct AuditFollower {
    newest: PathBuf,
    filter: AuditFilter,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: fs::File,
    inode: u64,
    /// What there is of a line that is still being written.
    begun: Vec<u8>,
}

/// Lines in the order in which they were written, and how many there were that are none.
#[derive(Debug, Default)]
struct Found {
    lines: VecDeque<Value>,
    malformed: usize,
}

impl AuditFollower {
    /// At the beginning of what is kept. The filter's limit is not asked.
    pub fn new(audit: &Path, tenant: &TenantId, filter: AuditFilter) -> Self {
        Self {
            newest: audit_file(audit, tenant),
            filter,
            open: None,
        }
    }

    /// What was written since the last time, the oldest first and at most the newest `keep` lines of it; and how many lines were none.
    /// Blocks for no longer than reading takes.
    ///
    /// # Errors
    /// If a file is there and cannot be read.
    pub fn read(&mut self, keep: usize) -> io::Result<(Vec<Value>, usize)> {
        let mut found = Found::default();
        loop {
            self.read_open(&mut found, keep)?;
            let Some(next) = self.next_file()? else { break };
            // It was put aside after it was read, or before: what came last is read now, and nothing comes after that.
            self.read_open(&mut found, keep)?;
            let cut_off = self.open.take().is_some_and(|open| !open.begun.is_empty());
            found.malformed += usize::from(cut_off);
            self.open = open(&next)?;
            if self.open.is_none() {
                break;
            }
        }
        Ok((found.lines.into(), found.malformed))
    }

    fn read_open(&mut self, found: &mut Found, keep: usize) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let count = open.file.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            for part in chunk[..count].split_inclusive(|byte| *byte == b'\n') {
                open.begun.extend_from_slice(part);
                if let Some(line) = open.begun.strip_suffix(b"\n") {
                    found.add(line, &self.filter, keep);
                    open.begun.clear();
                }
            }
        }
    }

    /// The file after the one that is open; the first if none is.
    fn next_file(&self) -> io::Result<Option<PathBuf>> {
        let mut files = match put_aside(&self.newest) {
            Ok(aside) => aside,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        files.push(self.newest.clone());
        let inode_of = |path: &PathBuf| fs::metadata(path).ok().map(|found| found.ino());
        let own = self.open.as_ref().map(|open| open.inode);
        let position = files
            .iter()
            .position(|path| own.is_some() && inode_of(path) == own);
        // One that was removed meanwhile was older than all that are left.
        let next = position.map_or(0, |position| position + 1);
        Ok(files.into_iter().nth(next).filter(|path| path.exists()))
    }
}

impl Found {
    fn add(&mut self, text: &[u8], filter: &AuditFilter, keep: usize) {
        if text.is_empty() {
            return;
        }
        match read_line(text, filter) {
            Ok(Some(line)) => {
                self.lines.push_back(line);
                if self.lines.len() > keep {
                    self.lines.pop_front();
                }
            }
            Ok(None) => {}
            Err(_) => self.malformed += 1,
        }
    }
}

/// `None`: it was put aside in this moment, and is found under its other name next time.
fn open(path: &Path) -> io::Result<Option<Open>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let inode = file.metadata()?.ino();
    Ok(Some(Open {
        file,
        inode,
        begun: Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    struct Trial {
        audit: tempfile::TempDir,
        tenant: TenantId,
    }

    impl Trial {
        fn new() -> Self {
            let trial = Self {
                audit: tempfile::tempdir().unwrap(),
                tenant: "acme".parse().unwrap(),
            };
            fs::create_dir(trial.audit.path().join("acme")).unwrap();
            trial
        }

        fn newest(&self) -> PathBuf {
            audit_file(self.audit.path(), &self.tenant)
        }

        fn write(&self, text: &str) {
            let file = fs::File::options().create(true).append(true).open(self.newest());
            file.unwrap().write_all(text.as_bytes()).unwrap();
        }

        fn rotate(&self, time: u64) -> PathBuf {
            let aside = self
                .newest()
                .with_file_name(format!("kora_audit_log.{time:020}.jsonl"));
            fs::rename(self.newest(), &aside).unwrap();
            aside
        }

        fn follower(&self) -> AuditFollower {
            AuditFollower::new(self.audit.path(), &self.tenant, AuditFilter::default())
        }
    }

    fn line(number: u64) -> String {
        format!(
            "{{\"emitted_at\":\"2026-11-20T10:00:00.{number:06}Z\",\"seam\":\"mcp.read\",\"source\":\"http\",\"tenant\":\"acme\",\"details\":{{\"n\":{number}}}}}\n"
        )
    }

    fn numbers(follower: &mut AuditFollower, keep: usize) -> (Vec<u64>, usize) {
        let (lines, malformed) = follower.read(keep).unwrap();
        let numbers = lines.iter().map(|line| line["details"]["n"].as_u64().unwrap());
        (numbers.collect(), malformed)
    }

    #[test]
    fn lines_come_once_and_in_order_through_rotations() {
        let trial = Trial::new();
        let mut follower = trial.follower();
        assert_eq!(numbers(&mut follower, 9), (vec![], 0), "there is no file yet");
        trial.write(&line(1));
        trial.rotate(1);
        trial.write(&(line(2) + "garbage\n" + &line(3)));
        assert_eq!(numbers(&mut follower, 9), (vec![1, 2, 3], 1));
        assert_eq!(numbers(&mut follower, 9), (vec![], 0));
        trial.write(&line(4));
        trial.rotate(2);
        trial.write(&line(5));
        trial.rotate(3);
        trial.write(&line(6));
        assert_eq!(numbers(&mut follower, 9), (vec![4, 5, 6], 0));
    }

    #[test]
    fn a_line_that_is_half_written_waits_for_its_end() {
        let trial = Trial::new();
        let mut follower = trial.follower();
        let whole = line(1);
        trial.write(&whole[..20]);
        assert_eq!(numbers(&mut follower, 9), (vec![], 0));
        trial.write(&whole[20..]);
        assert_eq!(numbers(&mut follower, 9), (vec![1], 0));
    }

    #[test]
    fn the_newest_are_kept_and_files_that_were_removed_are_passed_over() {
        let trial = Trial::new();
        trial.write(&(line(1) + &line(2) + &line(3)));
        let mut follower = trial.follower();
        assert_eq!(numbers(&mut follower, 2), (vec![2, 3], 0));
        fs::remove_file(trial.rotate(1)).unwrap();
        trial.write(&line(4));
        assert_eq!(numbers(&mut follower, 9), (vec![4], 0));
    }
}
