//! A file that takes the place of a store, and is stopped at any step on the way.

use std::{
    fs, io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;

use super::{
    super::{SqliteOptions, SqliteStore},
    aside::{Before, with},
    claim::Claim,
};
use crate::{
    domain::{SystemClock, Timestamp},
    store::{Store as _, StoreError, conformance::append, transfer::TransferError},
};

const OLD_EVENTS: u64 = 5;
const NEW_EVENTS: u64 = 3;

/// A store, or what is left of one, and a file that is to take its place.
struct Desk {
    directory: TempDir,
}

impl Desk {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let desk = Self { directory };
        desk.fill(&desk.store(), OLD_EVENTS);
        desk.fill(&desk.built(), NEW_EVENTS);
        fs::remove_file(with(&desk.built(), ".lock")).unwrap();
        desk
    }

    /// One whose store cannot be read, with a log that cannot be folded into it.
    fn damaged() -> Self {
        let desk = Self::new();
        fs::write(desk.store(), [b'x'; 4096]).unwrap();
        fs::write(with(&desk.store(), "-wal"), [b'y'; 4096]).unwrap();
        desk
    }

    fn store(&self) -> PathBuf {
        // As a lock knows it.
        self.directory.path().canonicalize().unwrap().join("kora.db")
    }

    fn built(&self) -> PathBuf {
        with(&self.store(), ".restoring")
    }

    fn fill(&self, path: &Path, events: u64) {
        self.run(async {
            let store = open(path).unwrap();
            append(&store, "host", events).await;
            store.close().await;
        });
    }

    /// A host starts on it, and finds so many events.
    fn events(&self, path: &Path) -> u64 {
        self.run(async {
            let store = open(path).unwrap();
            let heads = store.heads().await.unwrap();
            store.close().await;
            heads[0].seq
        })
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(work)
    }

    fn put(&self, before: Before<'_>) -> Result<Option<PathBuf>, TransferError> {
        let now = Timestamp::from_micros(1);
        let claim = Claim::take(&self.store(), now)?;
        claim.put_in_steps(&self.built(), now, before)
    }

    /// Ended before the step of that number, as by a signal that nobody can catch; none, if there are not so many.
    fn killed_at(&self, step: usize) -> Option<()> {
        let mut steps = 0..step;
        let end = || match steps.next() {
            Some(_) => Ok(()),
            None => panic::resume_unwind(Box::new("killed")),
        };
        let ended = panic::catch_unwind(AssertUnwindSafe(|| self.put(&mut { end })));
        ended.is_err().then_some(())
    }

    /// Names and contents, but for the lock, and for the index that whoever looks at a log makes anew.
    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = self.directory.path().read_dir().unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, fs::read(path).unwrap())
            })
            .filter(|(name, _)| !name.ends_with(".lock") && !name.ends_with("-shm"))
            .collect();
        files.sort();
        files
    }

    fn names(&self) -> Vec<String> {
        self.files().into_iter().map(|(name, _)| name).collect()
    }

    fn aside(&self) -> PathBuf {
        with(&self.store(), ".before-1")
    }
}

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, SqliteOptions::default(), Arc::new(SystemClock::new()))
}

/// Fails before the step of that number.
fn failing_at(step: usize) -> impl FnMut() -> io::Result<()> {
    let mut steps = 0..step;
    move || steps.next().map(drop).ok_or_else(|| io::Error::other("injected"))
}

#[test]
fn a_restore_that_fails_at_any_step_leaves_the_old_store_or_says_that_the_new_one_may_be_there() {
    let mut in_doubt = 0;
    for step in 0.. {
        let desk = Desk::new();
        let before = desk.names();
        match desk.put(&mut failing_at(step)) {
            Ok(_) => {
                assert!(step > 4, "it failed nowhere");
                break;
            }
            Err(TransferError::File { .. }) => {
                assert_eq!(desk.names(), before, "step {step}");
                assert_eq!(desk.events(&desk.store()), OLD_EVENTS, "step {step}");
                assert_eq!(in_doubt, 0, "step {step}");
            }
            Err(error @ TransferError::InDoubt { .. }) => {
                in_doubt += 1;
                assert!(error.to_string().contains("kora.db.before-1"), "{error}");
                assert_eq!(desk.events(&desk.store()), NEW_EVENTS);
                assert_eq!(desk.events(&desk.aside()), OLD_EVENTS);
            }
            Err(error) => panic!("step {step}: {error}"),
        }
    }
    assert_eq!(in_doubt, 1);
}

#[test]
fn a_host_starts_after_a_restore_that_was_killed_at_any_step() {
    let (mut old, mut new) = (0, 0);
    for step in 0.. {
        let desk = Desk::new();
        if desk.killed_at(step).is_none() {
            break;
        }
        match desk.events(&desk.store()) {
            OLD_EVENTS => {
                old += 1;
                assert_eq!(desk.names(), ["kora.db", "kora.db.restoring"], "step {step}");
            }
            events => {
                new += 1;
                assert_eq!(events, NEW_EVENTS, "step {step}");
                assert_eq!(desk.events(&desk.aside()), OLD_EVENTS);
            }
        }
    }
    assert!(old > 3 && new == 1, "{old}, {new}");
}

#[test]
fn the_next_restore_takes_back_what_a_killed_one_left_of_a_damaged_store() {
    for step in 0.. {
        let desk = Desk::damaged();
        let before = desk.files();
        if desk.killed_at(step).is_none() {
            break;
        }
        drop(Claim::take(&desk.store(), Timestamp::from_micros(2)).unwrap());
        if desk.files() == before {
            continue;
        }
        assert_eq!(desk.events(&desk.store()), NEW_EVENTS, "step {step}");
        for (suffix, byte) in [("", b'x'), ("-wal", b'y')] {
            assert_eq!(
                fs::read(with(&desk.aside(), suffix)).unwrap(),
                [byte; 4096],
                "step {step}"
            );
        }
    }
}

#[test]
fn a_second_name_that_is_no_restores_is_left_and_refused() {
    let desk = Desk::new();
    for other in ["other.db", "kora.db.before-the-move", "kora.db.before-"] {
        let other = desk.store().with_file_name(other);
        fs::hard_link(desk.store(), &other).unwrap();
        let error = open(&desk.store()).unwrap_err();
        assert!(error.to_string().contains("has 2 names"), "{error}");
        fs::remove_file(other).unwrap();
    }
    assert_eq!(desk.events(&desk.store()), OLD_EVENTS);
}
