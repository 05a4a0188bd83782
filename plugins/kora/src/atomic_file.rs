//! Writing a file so that a reader sees the old content or the new, never half of one, also after a power cut.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// Puts `bytes` at `path`: written beside it, synced, renamed. The directory is made if it is missing.
///
/// # Errors
/// With the path and what went wrong. What was there before is still there.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, bytes)
        .map_err(|e| io::Error::new(e.kind(), format!("cannot write `{}`: {e}", path.display())))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("expected the path of a file"));
    };
    fs::create_dir_all(directory)?;
    let mut temporary_name = std::ffi::OsString::from(".");
    temporary_name.push(name);
    temporary_name.push(".tmp");
    let temporary = directory.join(temporary_name);
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // Best effort: the next write truncates what is left over.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The rename itself is durable only once the directory is.
    File::open(directory)?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("deep").join("file.json");
        write(&path, b"old and long").expect("writes");
        write(&path, b"new").expect("writes again");
        assert_eq!(fs::read(&path).expect("reads"), b"new");
        let names: Vec<_> = fs::read_dir(path.parent().expect("has a parent"))
            .expect("lists")
            .collect();
        assert_eq!(names.len(), 1);
    }

    #[test]
    fn a_failure_names_the_path_and_keeps_what_was_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let occupied = directory.path().join("occupied");
        fs::create_dir_all(occupied.join("child")).expect("makes a directory where the file should be");
        let error = write(&occupied, b"new").expect_err("cannot replace a directory");
        assert!(error.to_string().contains("occupied"), "{error}");
        assert!(occupied.join("child").is_dir());
        assert_eq!(fs::read_dir(directory.path()).expect("lists").count(), 1);
    }
}
