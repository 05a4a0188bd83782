//! A disk whose power can be cut, for tests: loaded with `LD_PRELOAD` into the process under test, it writes down what each change
//! below one directory replaces, until a sync makes that change last.
//!
//! ```text
//!   process ── pwrite ──▶ this library ── what stood there ──▶ journal        (survives `kill -9`, as the page cache does)
//!                              │
//!                              ├── the change itself ──▶ kernel
//!              fsync ──────────┴── the sync itself, then "settled up to here" ──▶ journal
//! ```
//!
//! Whoever cuts the power (`cargo xtask torture power-cut`) kills the process and takes back changes that were not settled,
//! some or all of them: what a disk without power may have kept. Data of a file last once that file was synced; that a file
//! was made, removed or renamed lasts once its directory was, which is less than common file systems promise and all that the
//! standard does.
//!
//! It sees what goes through the C library's functions named in `calls`, on files and directories that exist below the directory
//! under their own name. It does not see mapped memory, `copy_file_range`, `fallocate`, hard links, or files that are
//! moved in from elsewhere. The `-shm` files of SQLite are mapped, made anew from the log, and left alone.
//!
//! | variable | meaning |
//! |---|---|
//! | `POWERCUT_DIRECTORY` | the directory; without it nothing is intercepted |
//! | `POWERCUT_JOURNAL` | the journal, outside of it on the same file system; the folder `<journal>.graves` keeps removed files |
//! | `POWERCUT_DISK_LIES` | if set, no sync settles anything: a disk that says "done" and is not |

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("the arguments of the system calls are those of Linux on 64 bits");

mod calls;
mod disk;
mod journal;
mod system;
