//! The home: the one directory that holds what a host is and knows. Finding it and naming what lies in it; nothing here
//! touches the disk or the process's environment.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The variable that names the home.
pub const HOME_VARIABLE: &str = "KORA_HOME";

/// The directory under the user's own when nothing names another.
const DEFAULT_DIRECTORY: &str = ".kora";

/// There is no telling where the home is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no home: expected `--home DIR`, the variable `KORA_HOME`, or a user's directory to hold `.kora`; found none of them"
)]
pub struct HomeUnknown;

/// Where a host's files are. Always absolute if the current directory that it was made with was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

/// What decides where the home is.
pub struct HomeInputs<'a> {
    /// `--home`.
    pub flag: Option<&'a Path>,
    /// Looks a variable up.
    pub environment: &'a dyn Fn(&str) -> Option<OsString>,
    /// The directory of the user who runs this.
    pub user_directory: Option<&'a Path>,
    /// What a relative path begins at.
    pub current_directory: &'a Path,
}

impl Home {
    /// `--home`, else `KORA_HOME`, else `.kora` in the user's directory. An empty value counts as none.
    ///
    /// # Errors
    /// If none of them is there.
    pub fn resolve(inputs: &HomeInputs<'_>) -> Result<Self, HomeUnknown> {
        let named = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
        let root = inputs
            .flag
            .and_then(named)
            .or_else(|| (inputs.environment)(HOME_VARIABLE).and_then(|value| named(Path::new(&value))))
            .or_else(|| {
                inputs
                    .user_directory
                    .and_then(named)
                    .map(|own| own.join(DEFAULT_DIRECTORY))
            })
            .ok_or(HomeUnknown)?;
        Ok(Self::at(inputs.current_directory.join(root)))
    }

    /// The home at `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `path` as it is meant in the configuration: relative ones begin at the home.
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// `kora.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.join("kora.toml")
    }

    /// `callers.toml`.
    pub fn callers_file(&self) -> PathBuf {
        self.join("callers.toml")
    }

    /// `plugins/`, unless the configuration names another directory.
    pub fn plugins(&self) -> PathBuf {
        self.join("plugins")
    }

    /// `data/`: what must not be lost.
    pub fn data(&self) -> PathBuf {
        self.join("data")
    }

    /// `data/known-epoch`: the epoch of the store that this home knows. Beside the store and not in it: what is restored with the store
    /// would know nothing better.
    pub fn known_epoch(&self) -> PathBuf {
        self.join("data/known-epoch")
    }

    /// `data/spool.jsonl`: events that wait because the store was away.
    pub fn spool(&self) -> PathBuf {
        self.join("data/spool.jsonl")
    }

    /// `cache/`: what can be made anew.
    pub fn cache(&self) -> PathBuf {
        self.join("cache")
    }

    /// `audit/`.
    pub fn audit(&self) -> PathBuf {
        self.join("audit")
    }

    /// The key that signs checkpoints. Not in `data/`, so that a backup of that does not hold it.
    pub fn checkpoint_key(&self) -> PathBuf {
        self.join("keys/checkpoint.key")
    }

    /// What was signed, a file for each chain.
    pub fn checkpoints(&self) -> PathBuf {
        self.join("audit/checkpoints")
    }

    /// `run/`: what is there only while the host runs.
    pub fn run(&self) -> PathBuf {
        self.join("run")
    }

    /// The socket on which the local operator talks to the host.
    pub fn socket(&self) -> PathBuf {
        self.join("run/kora.sock")
    }

    /// The file whose lock says that a host runs here.
    pub fn lock_file(&self) -> PathBuf {
        self.join("run/kora.lock")
    }

    /// Which member of the hosts on one store this home was last. Not in `data/`, so that a copy of that is not taken for it.
    pub fn member_file(&self) -> PathBuf {
        self.join("run/kora.member")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        flag: Option<&str>,
        variable: Option<&str>,
        user: Option<&str>,
    ) -> Result<PathBuf, HomeUnknown> {
        let environment = |name: &str| variable.filter(|_| name == HOME_VARIABLE).map(OsString::from);
        Home::resolve(&HomeInputs {
            flag: flag.map(Path::new),
            environment: &environment,
            user_directory: user.map(Path::new),
            current_directory: Path::new("/here"),
        })
        .map(|home| home.root().to_owned())
    }

    #[test]
    fn the_flag_wins_over_the_variable_and_that_over_the_user() {
        let user = Some("/users/ada");
        assert_eq!(resolve(Some("/f"), Some("/e"), user).unwrap(), Path::new("/f"));
        assert_eq!(resolve(None, Some("/e"), user).unwrap(), Path::new("/e"));
        assert_eq!(resolve(None, None, user).unwrap(), Path::new("/users/ada/.kora"));
        assert_eq!(
            resolve(None, Some(""), user).unwrap(),
            Path::new("/users/ada/.kora")
        );
        assert_eq!(resolve(None, None, None), Err(HomeUnknown));
    }

    #[test]
    fn a_relative_home_begins_at_the_current_directory() {
        assert_eq!(
            resolve(Some("demo"), None, None).unwrap(),
            Path::new("/here/demo")
        );
    }

    #[test]
    fn a_configured_path_begins_at_the_home_unless_it_is_absolute() {
        let home = Home::at("/srv/kora");
        assert_eq!(home.join("data/kora.db"), Path::new("/srv/kora/data/kora.db"));
        assert_eq!(home.join("/elsewhere/kora.db"), Path::new("/elsewhere/kora.db"));
        assert_eq!(home.socket(), Path::new("/srv/kora/run/kora.sock"));
    }
}
