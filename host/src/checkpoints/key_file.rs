//! The key on disk: made once, whole, and for its owner alone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use secrecy::zeroize::Zeroizing;

use crate::engine::checkpoint::{InvalidKey, KeyName, SigningKey};

const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
/// A key has some hundred bytes; a file that is longer is something else.
const MAX_BYTES: u64 = 1024;

/// Where the key is.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Others than its owner could have read it, or written it.
    #[error(
        "the key `{}` has mode {mode:04o}: expected a file that only its owner can read, 0600", .path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is somebody else's.
    #[error("the key `{}` belongs to user {found}: expected this user, {expected}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: u32,
        /// Who runs this.
        expected: u32,
    },
    /// It is no key.
    #[error("`{}` holds no key: {cause}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: InvalidKey,
    },
    /// There is one of another name.
    #[error("there is a key already, and its name is `{found}`: expected `{expected}`")]
    OtherName {
        /// The name that it has.
        found: String,
        /// The name that was asked for.
        expected: String,
    },
    /// The system refused.
    #[error("the key `{}` cannot be {action}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// `read` or `made`.
        action: &'static str,
        /// What it said.
        error: io::Error,
    },
}

/// The name of a key that is made without one: that of this machine.
pub fn name_of_machine() -> KeyName {
    KeyName::near(&rustix::system::uname().nodename().to_string_lossy())
}

impl KeyFile {
    /// The key in the file at `path`, which need not be there yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key, if there is one.
    ///
    /// # Errors
    /// If it cannot be read, is no key, or could have been read by others.
    pub fn read(&self) -> Result<Option<SigningKey>, KeyFileError> {
        let failed = |error| self.failed("read", error);
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        self.check(&file.metadata().map_err(failed)?)?;
        let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES as usize));
        file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
        let key = SigningKey::from_secret_text(text.trim_end());
        key.map(Some).map_err(|cause| KeyFileError::Invalid {
            path: self.path.clone(),
            cause,
        })
    }

    /// The key; if there is none, one of this name is made. Two that make one at the same time get the same.
    ///
    /// # Errors
    /// As [`read`](Self::read), or if none can be made.
    pub fn read_or_make(&self, name: &KeyName) -> Result<SigningKey, KeyFileError> {
        if let Some(key) = self.read()? {
            return Ok(key);
        }
        let made = self.make(name).map_err(|error| self.failed("made", error))?;
        match made {
            Some(key) => Ok(key),
            // Somebody else was quicker.
            None => self
                .read()?
                .ok_or_else(|| self.failed("read", ErrorKind::NotFound.into())),
        }
    }

    /// As [`read_or_make`](Self::read_or_make), but the key must have this name.
    ///
    /// # Errors
    /// As there, or if there is one of another name.
    pub fn named(&self, name: &KeyName) -> Result<SigningKey, KeyFileError> {
        let key = self.read_or_make(name)?;
        if key.public().name() == name {
            Ok(key)
        } else {
            Err(KeyFileError::OtherName {
                found: key.public().name().to_string(),
                expected: name.to_string(),
            })
        }
    }

    fn check(&self, found: &fs::Metadata) -> Result<(), KeyFileError> {
        let (mode, expected) = (found.mode() & 0o7777, rustix::process::geteuid().as_raw());
        let path = || self.path.clone();
        if found.uid() != expected {
            let found = found.uid();
            return Err(KeyFileError::Foreign {
                path: path(),
                found,
                expected,
            });
        }
        if mode & 0o077 != 0 {
            return Err(KeyFileError::Open { path: path(), mode });
        }
        Ok(())
    }

    /// Makes the file, whole or not at all. None if there was one by then.
    fn make(&self, name: &KeyName) -> io::Result<Option<SigningKey>> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(directory)?;
        let mut seed = Zeroizing::new([0; 32]);
        let mut random = File::open("/dev/urandom")?;
        random.read_exact(&mut *seed)?;
        let key = SigningKey::from_seed(name.clone(), &seed);
        let mut unlike = [0; 8];
        random.read_exact(&mut unlike)?;
        let new = self
            .path
            .with_extension(format!("{:016x}.new", u64::from_ne_bytes(unlike)));
        let made = self.write_and_link(&new, &key);
        // Whether it has its name now or not: this one is of no use any more.
        fs::remove_file(&new).or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        if !made? {
            return Ok(None);
        }
        File::open(directory)?.sync_all()?;
        Ok(Some(key))
    }

    /// Writes under a name that nobody has, then gives it the right one: a link, unlike a renaming, never replaces anything.
    fn write_and_link(&self, new: &Path, key: &SigningKey) -> io::Result<bool> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(new)?;
        file.write_all(key.secret_text().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        match fs::hard_link(new, &self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn failed(&self, action: &'static str, error: io::Error) -> KeyFileError {
        KeyFileError::Io {
            path: self.path.clone(),
            action,
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn in_a_home() -> (tempfile::TempDir, KeyFile) {
        let home = tempfile::TempDir::new().unwrap();
        let file = KeyFile::at(home.path().join("keys/checkpoint.key"));
        (home, file)
    }

    fn name() -> KeyName {
        "box".parse().unwrap()
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_is_the_same_ever_after() {
        let (_home, file) = in_a_home();
        assert!(file.read().unwrap().is_none());
        let made = file.read_or_make(&name()).unwrap();
        let again = file.read_or_make(&"other".parse().unwrap()).unwrap();
        assert_eq!(made.public(), again.public());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(file.path()), FILE_MODE);
        let directory = file.path().parent().unwrap();
        assert_eq!(mode(directory), DIRECTORY_MODE);
        assert_eq!(
            fs::read_dir(directory).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn many_that_make_one_at_once_get_the_same() {
        let (_home, file) = in_a_home();
        let make = || file.read_or_make(&name()).unwrap().public().to_string();
        let keys: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let (_home, file) = in_a_home();
        file.read_or_make(&name()).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            let refused = file.read_or_make(&name()).unwrap_err();
            assert!(matches!(refused, KeyFileError::Open { .. }), "{refused}");
        }
    }

    #[test]
    fn what_is_no_key_is_neither_taken_nor_replaced_nor_shown() {
        let (_home, file) = in_a_home();
        file.read_or_make(&name()).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        let changed = text.replace("+box+", "+fox+");
        fs::write(file.path(), &changed).unwrap();
        let refused = file.read_or_make(&name()).unwrap_err().to_string();
        assert!(refused.contains("holds no key") && !refused.contains(text.rsplit('+').next().unwrap()));
        assert_eq!(fs::read_to_string(file.path()).unwrap(), changed);
    }

    #[test]
    fn a_key_of_another_name_is_not_renamed() {
        let (_home, file) = in_a_home();
        file.named(&name()).unwrap();
        file.named(&name()).unwrap();
        let refused = file.named(&"other".parse().unwrap()).unwrap_err();
        assert!(matches!(refused, KeyFileError::OtherName { .. }), "{refused}");
    }
}
