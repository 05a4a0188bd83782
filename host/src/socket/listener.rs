//! Taking the socket: its directory and mode, a stale file replaced, another daemon's left alone. Who accepts on it is not
//! decided here.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

use crate::service::{Problem, ProblemKind};

/// The longest path that a Unix socket can have on this system, without the byte that ends it.
pub const MAX_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Why the socket could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The system cannot name it.
    #[error(
        "the path of the control socket has {found} bytes, and the system takes at most {MAX_PATH_BYTES}: `{path}`"
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        found: usize,
    },
    /// Another daemon runs in this home.
    #[error("another daemon answers on `{path}`")]
    Answered {
        /// The path.
        path: PathBuf,
    },
    /// Something else lies where the socket belongs.
    #[error("expected a socket or nothing at `{path}`; found a file of another kind")]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} `{path}`: {cause}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
}

impl From<BindError> for Problem {
    fn from(error: BindError) -> Self {
        let (kind, code, hint) = match &error {
            BindError::PathTooLong { .. } => (
                ProblemKind::BadInput,
                "socket.path_too_long",
                "name a home with a shorter path: `--home DIR` or `KORA_HOME`",
            ),
            BindError::Answered { .. } => (
                ProblemKind::Conflict,
                "socket.taken",
                "stop that daemon first, or give this one another home with `--home DIR`",
            ),
            BindError::NotASocket { .. } => (
                ProblemKind::WrongState,
                "socket.not_a_socket",
                "move that file away",
            ),
            BindError::Io { .. } => (
                ProblemKind::Unavailable,
                "socket.unavailable",
                "see `kora doctor` for the owner and the mode of the home",
            ),
        };
        Self::new(kind, code, error.to_string()).hint(hint)
    }
}

/// The control socket, taken. It is removed when it is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// The file that this one made: another daemon's must not be removed.
    inode: u64,
}

impl ControlSocket {
    /// Takes the socket at `path`, mode 0600 in a directory of mode 0700, which is made if need be. Two daemons that start at the
    /// same moment are kept apart by the home's lock, not by this.
    ///
    /// # Errors
    /// If the path is too long, somebody answers there, something else lies there, or the system refuses.
    ///
    /// # Panics
    /// Outside a tokio runtime with IO.
    pub async fn bind(path: &Path) -> Result<Self, BindError> {
        check_length(path)?;
        if let Some(directory) = path.parent() {
            make_private(directory)?;
        }
        remove_if_stale(path).await?;
        let listener = UnixListener::bind(path).map_err(io_error("make the socket", path))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
            .map_err(io_error("set the mode of", path))?;
        let inode = fs::symlink_metadata(path)
            .map_err(io_error("look at", path))?
            .ino();
        Ok(Self {
            listener,
            path: path.to_owned(),
            inode,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the control socket was left behind");
        }
    }
}

/// # Errors
/// If the system could not name a socket there.
pub(super) fn check_length(path: &Path) -> Result<(), BindError> {
    let found = path.as_os_str().len();
    if found > MAX_PATH_BYTES {
        return Err(BindError::PathTooLong {
            path: path.to_owned(),
            found,
        });
    }
    Ok(())
}

fn make_private(directory: &Path) -> Result<(), BindError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(io_error("make the directory", directory))?;
    let mode = fs::metadata(directory)
        .map_err(io_error("look at", directory))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
            .map_err(io_error("set the mode of", directory))?;
    }
    Ok(())
}

/// A socket that nobody listens on is what a killed daemon leaves.
async fn remove_if_stale(path: &Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => {
            return Err(BindError::NotASocket {
                path: path.to_owned(),
            });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("look at", path)(error)),
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(io_error("remove the stale socket", path))
        }
        // A full queue of connections is an answer, too.
        Ok(_) => Err(BindError::Answered {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(BindError::Answered {
            path: path.to_owned(),
        }),
        Err(error) => Err(io_error("try", path)(error)),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> BindError {
    let path = path.to_owned();
    move |cause| BindError::Io {
        action,
        path: path.clone(),
        cause,
    }
}
