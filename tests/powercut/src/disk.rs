//! The directory whose power may be cut: which files are of it, and what is written down before one of them changes.
//!
//! One lock is held from the look at what stands there until the change was made, so the order of the journal is that of the changes.

use std::{
    collections::HashSet,
    ffi::{CStr, CString, OsStr, c_char, c_int},
    os::unix::ffi::OsStrExt as _,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

use libc::stat;

use crate::{
    journal::{Entry, Journal, NONE},
    system::{self, Open, give_up},
};

/// What SQLite makes anew by itself.
const LEFT_ALONE: &[u8] = b"-shm";

pub struct Disk {
    directory: Vec<u8>,
    device: u64,
    graves: Vec<u8>,
    lies: bool,
    state: Mutex<State>,
}

struct State {
    journal: Journal,
    /// Inodes of files that were opened for writing. None comes back as another file: what is removed keeps a name, its grave.
    known: HashSet<u64>,
}

/// A file of the directory.
struct Seen {
    inode: u64,
    size: u64,
    path: Vec<u8>,
}

/// Where a change lies in a file: from which byte on, and how many at most.
pub type Range = (u64, u64);

/// The disk, if this process is to have one. Not to be asked within a handler of signals.
pub fn disk() -> Option<&'static Disk> {
    static DISK: OnceLock<Option<Disk>> = OnceLock::new();
    DISK.get_or_init(Disk::of_environment).as_ref()
}

impl Disk {
    fn of_environment() -> Option<Self> {
        let directory = std::env::var_os("POWERCUT_DIRECTORY")?;
        let journal = std::env::var_os("POWERCUT_JOURNAL").unwrap_or_default();
        let opened = Open::at(libc::AT_FDCWD, text(directory.as_bytes()).as_ptr(), libc::O_PATH);
        let Some(device) = opened.and_then(|opened| Some(system::status(opened.fd())?.st_dev)) else {
            give_up("POWERCUT_DIRECTORY names no directory")
        };
        let graves = [journal.as_bytes(), b".graves/"].concat();
        Some(Self {
            directory: directory.as_bytes().to_vec(),
            device,
            graves,
            lies: std::env::var_os("POWERCUT_DISK_LIES").is_some_and(|value| value != OsStr::new("")),
            state: Mutex::new(State {
                journal: Journal::open(&text(journal.as_bytes())),
                known: HashSet::new(),
            }),
        })
    }

    /// Opens a file for writing.
    pub fn open(&self, directory: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
        let mut state = self.state();
        let before = Open::at(directory, path, libc::O_PATH).and_then(|file| {
            let seen = self.seen(&file)?;
            if flags & libc::O_TRUNC != 0 {
                write_down(&state.journal, file.fd(), &seen, (0, seen.size));
            }
            Some(seen)
        });
        let fd = system::openat(directory, path, flags, mode);
        if fd >= 0
            && let Some(seen) = self.seen_at(fd)
        {
            if before.is_none() {
                state
                    .journal
                    .add(seen.inode, &Entry::Created { path: &seen.path });
            }
            state.known.insert(seen.inode);
        }
        fd
    }

    /// Makes a change to what lies open, once it is written down what it replaces. `range` says where it lies.
    pub fn change<T>(&self, fd: c_int, range: impl FnOnce(u64) -> Range, change: impl FnOnce() -> T) -> T {
        let state = self.state();
        if let Some(status) = system::status(fd)
            && self.is_here(&status)
            && state.known.contains(&status.st_ino)
        {
            let (inode, size) = (status.st_ino, status.st_size.cast_unsigned());
            let seen = Seen {
                inode,
                size,
                path: Vec::new(),
            };
            write_down(&state.journal, fd, &seen, range(size));
        }
        change()
    }

    /// Removes a file.
    pub fn unlink(&self, directory: c_int, path: *const c_char, unlink: impl FnOnce() -> c_int) -> c_int {
        let state = self.state();
        if let Some(seen) = self.look(directory, path) {
            let grave = self.bury(&state.journal, &seen);
            let path = &seen.path;
            state.journal.add(seen.inode, &Entry::Unlinked { grave, path });
        }
        unlink()
    }

    /// Renames a file.
    pub fn rename(
        &self,
        (from_directory, from): (c_int, *const c_char),
        (to_directory, to): (c_int, &CStr),
        rename: impl FnOnce() -> c_int,
    ) -> c_int {
        let state = self.state();
        if let Some(source) = self.look(from_directory, from)
            && let Some(to_path) = place(to_directory, to)
        {
            let target = self.look(to_directory, to.as_ptr());
            let grave = target.map_or(NONE, |target| self.bury(&state.journal, &target));
            let (from, to) = (&source.path[..], &to_path[..]);
            state
                .journal
                .add(source.inode, &Entry::Renamed { grave, from, to });
        }
        rename()
    }

    /// Syncs a file or directory. What is done to it meanwhile is not settled by that.
    pub fn sync(&self, fd: c_int, sync: impl FnOnce() -> c_int) -> c_int {
        let status = system::status(fd).filter(|status| self.is_here(status));
        let is_ours = status.is_some() && system::path_of(fd).is_some_and(|path| self.holds(&path));
        let up_to = self.state().journal.place();
        let answer = sync();
        if let Some(status) = status.filter(|_| answer == 0 && is_ours && !self.lies) {
            self.state().journal.add(status.st_ino, &Entry::Synced { up_to });
        }
        answer
    }

    fn look(&self, directory: c_int, path: *const c_char) -> Option<Seen> {
        self.seen(&Open::at(directory, path, libc::O_PATH | libc::O_NOFOLLOW)?)
    }

    fn seen(&self, file: &Open) -> Option<Seen> {
        self.seen_at(file.fd())
    }

    fn seen_at(&self, fd: c_int) -> Option<Seen> {
        let status = system::status(fd)?;
        let is_file = status.st_mode & libc::S_IFMT == libc::S_IFREG;
        let path = system::path_of(fd).filter(|path| self.holds(path) && !path.ends_with(LEFT_ALONE))?;
        (is_file && self.is_here(&status)).then(|| Seen {
            inode: status.st_ino,
            size: status.st_size.cast_unsigned(),
            path,
        })
    }

    fn is_here(&self, status: &stat) -> bool {
        status.st_dev == self.device
    }

    /// Whether it is the directory, or below it.
    fn holds(&self, path: &[u8]) -> bool {
        path.strip_prefix(&self.directory[..])
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }

    /// Keeps the file where it can be brought back from, and answers the number of its grave.
    fn bury(&self, journal: &Journal, seen: &Seen) -> u64 {
        let number = journal.place();
        let grave = [&self.graves[..], number.to_string().as_bytes()].concat();
        if !system::link(&text(&seen.path), &text(&grave)) {
            give_up("cannot keep a file that is removed");
        }
        number
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_down(journal: &Journal, fd: c_int, seen: &Seen, (offset, length): Range) {
    let length = length.min(seen.size.saturating_sub(offset));
    // What lies open as a path alone can be opened anew, too.
    let Some(bytes) = system::read(fd, offset, length) else {
        give_up("cannot read what a change replaces")
    };
    let size = seen.size;
    let bytes = &bytes[..];
    journal.add(seen.inode, &Entry::Changed { offset, size, bytes });
}

/// The path of something that need not be there yet.
fn place(directory: c_int, path: &CStr) -> Option<Vec<u8>> {
    let path = path.to_bytes();
    let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..=at], &path[at + 1..]),
        None => (&b"."[..], path),
    };
    let parent = Open::at(directory, text(parent).as_ptr(), libc::O_PATH)?;
    Some([&system::path_of(parent.fd())?, &b"/"[..], name].concat())
}

/// As the kernel takes it. None of these holds a zero byte: they come from the kernel or from the environment.
fn text(bytes: &[u8]) -> CString {
    CString::new(bytes).unwrap_or_default()
}
