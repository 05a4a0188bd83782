//! The store from before on its way out of its place. It gets a second name first and loses the first one at the very step at which the
//! new store takes it, so at every moment the store's own name leads to a store, whole.
//!
//! ```text
//!   kora.db ─ old                                  nothing was changed
//!   kora.db ─ old ─ kora.db.before-TIME            not yet: who comes next, a host or a restore, takes the second name back
//!   kora.db ─ new   kora.db.before-TIME ─ old      done
//! ```
//!
//! Not an exchange of two names in one step: the file that is exchanged has the same name before and after, and of one that is left behind
//! nobody could tell whether it is the old store or the new one. Two names of one file are an answer.
//!
//! What SQLite could not fold into a damaged file goes along while there are two names, and comes back with them.

use std::{
    fs, io,
    io::ErrorKind,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::domain::Timestamp;

/// What is added to the store's name, before the time in microseconds.
const BEFORE: &str = ".before-";

/// What belongs to the database whose name it begins with. It would be taken for a part of the new one.
const COMPANIONS: [&str; 2] = ["-wal", "-journal"];

/// The index of the log: made anew by who opens the database.
const INDEX: &str = "-shm";

/// Called before each step, which is not taken if that fails.
pub(super) type Before<'b> = &'b mut dyn FnMut() -> io::Result<()>;

/// A store's file and the name under which it is set aside.
pub(super) struct Aside {
    store: PathBuf,
    name: PathBuf,
}

impl Aside {
    /// Changes nothing yet.
    pub(super) fn at(store: &Path, now: Timestamp) -> Self {
        Self {
            store: store.to_owned(),
            name: with(store, &format!("{BEFORE}{}", now.as_micros())),
        }
    }

    pub(super) fn name(&self) -> &Path {
        &self.name
    }

    /// Gives the file, if there is one, the second name, and moves what belongs to it.
    pub(super) fn add_name(&self, exists: bool, before: Before<'_>) -> io::Result<()> {
        if exists {
            before()?;
            fs::hard_link(&self.store, &self.name)?;
        }
        for suffix in COMPANIONS {
            before()?;
            if_there(fs::rename(with(&self.store, suffix), with(&self.name, suffix)))?;
        }
        before()?;
        if_there(fs::remove_file(with(&self.store, INDEX)))
    }

    /// The store is as it was before [`add_name`](Self::add_name), or before as much of it as was done. Does nothing if the second name
    /// is that of another file: then it is the only one that the store from before has.
    pub(super) fn take_back(&self) -> io::Result<()> {
        if !is_one_file(&self.store, &self.name)? {
            return Ok(());
        }
        for suffix in COMPANIONS {
            if_there(fs::rename(with(&self.name, suffix), with(&self.store, suffix)))?;
        }
        fs::remove_file(&self.name)
    }
}

/// Takes back what restores that were killed had begun to set aside of the store at `store`. Call it with the store's lock held: a restore
/// that is under way looks the same.
pub(in crate::store::sqlite) fn take_back_left(store: &Path) -> io::Result<()> {
    let names = match fs::metadata(store) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?.nlink(),
    };
    let (Some(directory), Some(file), true) = (store.parent(), store.file_name(), names > 1) else {
        return Ok(());
    };
    let begin = [file.as_encoded_bytes(), BEFORE.as_bytes()].concat();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let time = name.as_encoded_bytes().strip_prefix(&*begin);
        if !time.is_some_and(|time| !time.is_empty() && time.iter().all(u8::is_ascii_digit)) {
            continue;
        }
        let left = Aside {
            store: store.to_owned(),
            name: directory.join(name),
        };
        left.take_back()?;
        tracing::info!(store = %store.display(), "a restore was killed before it took place: the store is the one from before it");
    }
    Ok(())
}

/// The same name with something behind it.
pub(super) fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn is_one_file(one: &Path, other: &Path) -> io::Result<bool> {
    let id = |path| match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(|found| Some((found.dev(), found.ino()))),
    };
    let one = id(one)?;
    Ok(one.is_some() && one == id(other)?)
}

fn if_there(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
