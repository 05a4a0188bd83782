//! A home directory in a temporary place, and the command run in it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{RunningHost, library};

/// A home, removed at the end of the test.
pub struct TestHome {
    folder: TempDir,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// What it printed as JSON.
    ///
    /// # Panics
    /// If it failed, or printed something else.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The same, if it succeeded.
    ///
    /// # Panics
    /// If it failed.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl TestHome {
    /// An empty home with the tenants `acme` (identity `kora`) and `globex` (identity `marvin`) in its configuration.
    pub fn new() -> Self {
        Self::with_config(
            r#"
            [tenants.acme]
            identity = "kora"
            [tenants.globex]
            identity = "marvin"
            "#,
        )
    }

    /// An empty home with this configuration.
    pub fn with_config(config: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("kora-it-").tempdir().unwrap();
        let home = Self { folder };
        for name in ["", "plugins", "data", "cache", "run", "audit"] {
            let path = home.path().join(name);
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        home.configure(config);
        home
    }

    /// Replaces the configuration.
    pub fn configure(&self, config: &str) {
        fs::write(self.path().join("kora.toml"), config).unwrap();
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its plugin directory.
    pub fn plugins(&self) -> PathBuf {
        self.path().join("plugins")
    }

    /// Puts the libraries of these plugins into the plugin directory.
    pub fn install(&self, names: &[&str]) {
        for name in names {
            self.drop_file(&format!("lib{name}.so"), &fs::read(library(name)).unwrap());
        }
    }

    /// Puts a file into the plugin directory, whole at once, as a careful user would.
    pub fn drop_file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.plugins().join(name);
        let temporary = self.plugins().join(format!(".{name}.tmp"));
        fs::write(&temporary, bytes).unwrap();
        fs::set_permissions(&temporary, fs::Permissions::from_mode(0o644)).unwrap();
        fs::rename(&temporary, &path).unwrap();
        path
    }

    /// The command in this home, with nothing of the environment but the path.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kora-under-test"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("KORA_HOME", self.path())
            .args(arguments)
            .current_dir(self.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub fn kora(&self, arguments: &[&str]) -> Finished {
        let output = self.command(arguments).output().unwrap();
        Finished {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs the command to its end and reads what it printed as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let with_json: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        self.kora(&with_json).json()
    }

    /// Starts a host and waits until it has booted.
    pub fn start(&self) -> RunningHost<'_> {
        let host = RunningHost::spawn(self, &[]);
        host.wait_until_running();
        host
    }
}
