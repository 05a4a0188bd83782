//! What is asked of the kernel: past the functions of the C library that `calls` takes the place of, which would come back here.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};

use libc::{iovec, off_t, stat};

/// A file that lies open: closed when dropped.
pub struct Open(c_int);

impl Open {
    /// Opens it, if that is possible.
    pub fn at(directory: c_int, path: *const c_char, flags: c_int) -> Option<Self> {
        let fd = openat(directory, path, flags | libc::O_CLOEXEC, 0);
        (fd >= 0).then_some(Self(fd))
    }

    /// Its number.
    pub const fn fd(&self) -> c_int {
        self.0
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: the number came from `openat` and nobody else has it.
        let _closed = unsafe { libc::close(self.0) };
    }
}

/// `openat(2)`.
pub fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: the kernel reads the path and answers EFAULT where there is none; nothing of this process is written.
    let fd = unsafe { libc::syscall(libc::SYS_openat, directory, path, flags, mode) };
    narrow(fd)
}

/// `write(2)`.
pub fn write(fd: c_int, bytes: *const c_void, count: usize) -> isize {
    // SAFETY: the kernel reads the bytes and answers EFAULT where there are none; nothing of this process is written.
    let written = unsafe { libc::syscall(libc::SYS_write, fd, bytes, count) };
    written as isize
}

/// `pwrite(2)`.
pub fn pwrite(fd: c_int, bytes: *const c_void, count: usize, offset: off_t) -> isize {
    // SAFETY: as for `write`.
    let written = unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, count, offset) };
    written as isize
}

/// `writev(2)`.
pub fn writev(fd: c_int, parts: *const iovec, count: c_int) -> isize {
    // SAFETY: as for `write`; the kernel checks each part.
    let written = unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) };
    written as isize
}

/// `pwritev(2)`.
pub fn pwritev(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> isize {
    // SAFETY: as for `writev`. On 64 bits the offset is whole in the first of its two arguments.
    let written = unsafe { libc::syscall(libc::SYS_pwritev, fd, parts, count, offset, 0) };
    written as isize
}

/// `ftruncate(2)`.
pub fn ftruncate(fd: c_int, size: off_t) -> c_int {
    // SAFETY: takes and gives no memory.
    narrow(unsafe { libc::syscall(libc::SYS_ftruncate, fd, size) })
}

/// `fsync(2)`.
pub fn fsync(fd: c_int) -> c_int {
    // SAFETY: takes and gives no memory.
    narrow(unsafe { libc::syscall(libc::SYS_fsync, fd) })
}

/// `fdatasync(2)`.
pub fn fdatasync(fd: c_int) -> c_int {
    // SAFETY: takes and gives no memory.
    narrow(unsafe { libc::syscall(libc::SYS_fdatasync, fd) })
}

/// `unlinkat(2)`.
pub fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    // SAFETY: as for `openat`.
    narrow(unsafe { libc::syscall(libc::SYS_unlinkat, directory, path, flags) })
}

/// `renameat2(2)`.
pub fn renameat2(
    from_directory: c_int,
    from: *const c_char,
    to_directory: c_int,
    to: *const c_char,
    flags: libc::c_uint,
) -> c_int {
    // SAFETY: as for `openat`.
    narrow(unsafe { libc::syscall(libc::SYS_renameat2, from_directory, from, to_directory, to, flags) })
}

/// A descriptor, or a status: both are small.
fn narrow(answer: c_long) -> c_int {
    c_int::try_from(answer).unwrap_or(-1)
}

/// What the file is.
pub fn status(fd: c_int) -> Option<stat> {
    let mut found = std::mem::MaybeUninit::<stat>::zeroed();
    // SAFETY: the pointer is to a `stat` of our own.
    let answer = unsafe { libc::fstat(fd, found.as_mut_ptr()) };
    // SAFETY: zeroed at first, which is a `stat` as well, and filled by the kernel.
    (answer == 0).then(|| unsafe { found.assume_init() })
}

/// Whether it is an ordinary file. May be asked within a handler of signals: it takes no lock and no memory.
pub fn is_regular(fd: c_int) -> bool {
    status(fd).is_some_and(|status| status.st_mode & libc::S_IFMT == libc::S_IFREG)
}

/// Where the next `write` goes.
pub fn position(fd: c_int, size: u64) -> u64 {
    // SAFETY: takes and gives no memory.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags & libc::O_APPEND != 0 {
        return size;
    }
    // SAFETY: takes and gives no memory.
    let position = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) };
    u64::try_from(position).unwrap_or(size)
}

/// The path by which the kernel knows what lies open.
pub fn path_of(fd: c_int) -> Option<Vec<u8>> {
    let link = proc_path(fd);
    let mut path = vec![0_u8; libc::PATH_MAX as usize];
    // SAFETY: the kernel writes at most as many bytes as are there.
    let length = unsafe { libc::readlink(link.as_ptr(), path.as_mut_ptr().cast(), path.len()) };
    path.truncate(usize::try_from(length).ok()?);
    Some(path)
}

/// What stands in a file that lies open in whatever way, from `offset` on, at most `length` bytes of it.
pub fn read(fd: c_int, offset: u64, length: u64) -> Option<Vec<u8>> {
    if length == 0 {
        return Some(Vec::new());
    }
    // It may be open for writing alone.
    let file = Open::at(libc::AT_FDCWD, proc_path(fd).as_ptr(), libc::O_RDONLY)?;
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        let at = off_t::try_from(offset).ok()? + off_t::try_from(filled).ok()?;
        // SAFETY: the kernel writes at most as many bytes as are there.
        let count = unsafe { libc::pread(file.fd(), rest.as_mut_ptr().cast(), rest.len(), at) };
        match usize::try_from(count).ok()? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Some(bytes)
}

/// Gives a file a second name.
pub fn link(from: &CStr, to: &CStr) -> bool {
    // SAFETY: both are texts that end with a zero.
    let answer = unsafe { libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), 0) };
    answer == 0
}

/// Ends the process: a test that goes on with a journal that is not whole would prove nothing.
pub fn give_up(why: &str) -> ! {
    let line = format!("powercut: {why}\n");
    write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len());
    std::process::abort()
}

fn proc_path(fd: c_int) -> CString {
    CString::new(format!("/proc/self/fd/{fd}")).unwrap_or_default()
}
