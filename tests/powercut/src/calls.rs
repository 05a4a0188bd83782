//! The functions of the C library that this library takes the place of. Each asks the kernel for the same.
//!
//! `open` and its like are variadic in C. On x86-64 and aarch64 Linux their arguments lie in the same registers as those of a
//! function with three or four; where no mode was given, what lies there is passed on to the kernel, which does not look at it.

use std::{
    ffi::{CStr, c_char, c_int, c_uint, c_void},
    slice,
};

use libc::{iovec, mode_t, off_t};

use crate::{
    disk::{Range, disk},
    system,
};

/// For whom the file was opened, if there is a disk and the change is one to a file of the file system.
fn changing<T>(fd: c_int, range: impl FnOnce(u64) -> Range, change: impl FnOnce() -> T) -> T {
    // First of all: pipes are written by handlers of signals, which must meet no lock.
    if !system::is_regular(fd) {
        return change();
    }
    match disk() {
        Some(disk) => disk.change(fd, range, change),
        None => change(),
    }
}

fn opening(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & (libc::O_CREAT | libc::O_TRUNC) != 0;
    match disk().filter(|_| writes && flags & libc::O_PATH == 0) {
        Some(disk) => disk.open(directory, path, flags, mode),
        None => system::openat(directory, path, flags, mode),
    }
}

fn removing(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    let remove = || system::unlinkat(directory, path, flags);
    match disk().filter(|_| flags & libc::AT_REMOVEDIR == 0) {
        Some(disk) => disk.unlink(directory, path, remove),
        None => remove(),
    }
}

fn renaming(from: (c_int, *const c_char), to: (c_int, *const c_char), flags: c_uint) -> c_int {
    let rename = || system::renameat2(from.0, from.1, to.0, to.1, flags);
    match disk().filter(|_| !to.1.is_null()) {
        Some(disk) => {
            // SAFETY: whoever calls `rename` passes a text that ends with a zero, as its documentation demands.
            let path = unsafe { CStr::from_ptr(to.1) };
            disk.rename(from, (to.0, path), rename)
        }
        None => rename(),
    }
}

fn syncing(fd: c_int, sync: impl FnOnce() -> c_int) -> c_int {
    match disk() {
        Some(disk) => disk.sync(fd, sync),
        None => sync(),
    }
}

/// The bytes of all parts together.
fn length_of(parts: *const iovec, count: c_int) -> u64 {
    let count = usize::try_from(count).unwrap_or(0);
    if parts.is_null() || count == 0 {
        return 0;
    }
    // SAFETY: whoever calls `writev` passes as many parts as they say, as its documentation demands.
    let parts = unsafe { slice::from_raw_parts(parts, count) };
    parts.iter().map(|part| part.iov_len as u64).sum()
}

const fn at(offset: off_t) -> u64 {
    // A negative one is refused by the kernel, whatever was written down before.
    if offset < 0 { 0 } else { offset.cast_unsigned() }
}

// Each of these names is one of the C library's, with its signature: the loader binds the calls of the process to it.
// SAFETY (of every `no_mangle` below): the function does what the one of that name is documented to do.

#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    opening(libc::AT_FDCWD, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    opening(libc::AT_FDCWD, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    opening(directory, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn openat64(directory: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    opening(directory, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn write(fd: c_int, bytes: *const c_void, count: usize) -> isize {
    let range = |size| (system::position(fd, size), count as u64);
    changing(fd, range, || system::write(fd, bytes, count))
}

#[unsafe(no_mangle)]
extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> isize {
    let range = |size| (system::position(fd, size), length_of(parts, count));
    changing(fd, range, || system::writev(fd, parts, count))
}

#[unsafe(no_mangle)]
extern "C" fn pwrite(fd: c_int, bytes: *const c_void, count: usize, offset: off_t) -> isize {
    let range = |_| (at(offset), count as u64);
    changing(fd, range, || system::pwrite(fd, bytes, count, offset))
}

#[unsafe(no_mangle)]
extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, count: usize, offset: off_t) -> isize {
    pwrite(fd, bytes, count, offset)
}

#[unsafe(no_mangle)]
extern "C" fn pwritev(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> isize {
    let range = |_| (at(offset), length_of(parts, count));
    changing(fd, range, || system::pwritev(fd, parts, count, offset))
}

#[unsafe(no_mangle)]
extern "C" fn pwritev64(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> isize {
    pwritev(fd, parts, count, offset)
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, size: off_t) -> c_int {
    let range = |old: u64| (at(size).min(old), u64::MAX);
    changing(fd, range, || system::ftruncate(fd, size))
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, size: off_t) -> c_int {
    ftruncate(fd, size)
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    removing(libc::AT_FDCWD, path, 0)
}

#[unsafe(no_mangle)]
extern "C" fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    removing(directory, path, flags)
}

#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    renaming((libc::AT_FDCWD, from), (libc::AT_FDCWD, to), 0)
}

#[unsafe(no_mangle)]
extern "C" fn renameat(
    from_directory: c_int,
    from: *const c_char,
    to_directory: c_int,
    to: *const c_char,
) -> c_int {
    renaming((from_directory, from), (to_directory, to), 0)
}

#[unsafe(no_mangle)]
extern "C" fn renameat2(
    from_directory: c_int,
    from: *const c_char,
    to_directory: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    renaming((from_directory, from), (to_directory, to), flags)
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    syncing(fd, || system::fsync(fd))
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    syncing(fd, || system::fdatasync(fd))
}
