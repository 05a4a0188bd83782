//! The journal: what each change replaced, in the order of the changes. Its reader is in `xtask/src/torture/power_cut/journal.rs`.
//!
//! ```text
//!   kind u8 │ inode u64 │ a u64 │ b u64 │ lengths of two texts, u32 each │ the texts        (little-endian)
//! ```

use std::ffi::{CStr, c_int};

use crate::system::{give_up, openat, status, write};

/// Stands for "no grave".
pub const NONE: u64 = u64::MAX;

/// A change, or what makes changes last. A place is the number of bytes before it in the journal.
pub enum Entry<'a> {
    /// The file had this size, and these bytes from `offset` on, where the change lies.
    Changed { offset: u64, size: u64, bytes: &'a [u8] },
    /// The file was not there.
    Created { path: &'a [u8] },
    /// The file was there; its grave has this number.
    Unlinked { grave: u64, path: &'a [u8] },
    /// The file was at `from`; what was at `to`, if something was, lies in the grave.
    Renamed {
        grave: u64,
        from: &'a [u8],
        to: &'a [u8],
    },
    /// What was done to the file, or in the directory, before the place `up_to` lasts.
    Synced { up_to: u64 },
}

pub struct Journal(c_int);

impl Journal {
    pub fn open(path: &CStr) -> Self {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        match openat(libc::AT_FDCWD, path.as_ptr(), flags, 0o600) {
            fd if fd >= 0 => Self(fd),
            _ => give_up("cannot open the journal"),
        }
    }

    /// The next place. Asked of the file: a child of the process may write to it, too.
    pub fn place(&self) -> u64 {
        status(self.0).map_or(0, |status| status.st_size.cast_unsigned())
    }

    pub fn add(&self, inode: u64, entry: &Entry<'_>) {
        let none: &[u8] = &[];
        let (kind, a, b, first, second) = match *entry {
            Entry::Changed { offset, size, bytes } => (1, offset, size, bytes, none),
            Entry::Created { path } => (2, 0, 0, path, none),
            Entry::Unlinked { grave, path } => (3, grave, 0, path, none),
            Entry::Renamed { grave, from, to } => (4, grave, 0, from, to),
            Entry::Synced { up_to } => (5, up_to, 0, none, none),
        };
        let mut bytes = vec![kind];
        for number in [inode, a, b] {
            bytes.extend(number.to_le_bytes());
        }
        for text in [first, second] {
            let Ok(length) = u32::try_from(text.len()) else {
                give_up("a change is too large for the journal")
            };
            bytes.extend(length.to_le_bytes());
        }
        bytes.extend(first);
        bytes.extend(second);
        self.write(&bytes);
    }

    fn write(&self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match usize::try_from(write(self.0, rest.as_ptr().cast(), rest.len())) {
                Ok(written) if written > 0 => rest = &rest[written..],
                _ => give_up("cannot write the journal"),
            }
        }
    }
}
