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
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        self.parsed()
    }

    /// What it printed as JSON, whatever its exit code.
    ///
    /// # Panics
    /// If it printed something else.
    #[track_caller]
    pub fn parsed(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The same, if it succeeded.
    ///
    /// # Panics
    /// If it failed.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The problem that it told, as `--json` shows it on standard error.
    ///
    /// # Panics
    /// If it succeeded, or printed data.
    #[track_caller]
    pub fn problem(&self) -> Value {
        assert!(self.code != 0 && self.stdout.is_empty(), "{self:?}");
        let error: Value = serde_json::from_str(&self.stderr).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        error["error"].clone()
    }
}

/// The tenants `acme`, for whom `kora` speaks, and `globex`, for whom `marvin` does.
const TWO_TENANTS: &str = r#"
[tenants.acme]
identity = "kora"
[tenants.globex]
identity = "marvin"
"#;

impl TestHome {
    /// An empty home with the tenants `acme` (identity `kora`) and `globex` (identity `marvin`) in its configuration.
    pub fn new() -> Self {
        Self::with_config(TWO_TENANTS)
    }

    /// An empty home with this configuration.
    pub fn with_config(config: &str) -> Self {
        let home = Self::missing();
        for name in ["", "plugins"] {
            let path = home.path().join(name);
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        home.configure(config);
        home
    }

    /// A place for a home, where there is none yet.
    pub fn missing() -> Self {
        // A short path: that of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new()
            .prefix("kora-it-")
            .tempdir_in("/tmp")
            .unwrap();
        Self { folder }
    }

    /// Replaces the configuration.
    pub fn configure(&self, config: &str) {
        fs::write(self.path().join("kora.toml"), config).unwrap();
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Everything that hosts of this home have logged.
    pub fn daemon_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.beside("daemon.log")).unwrap()).into_owned()
    }

    /// A path beside the home, removed with it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its plugin directory.
    pub fn plugins(&self) -> PathBuf {
        self.path().join("plugins")
    }

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.path().join("data/kora.db")
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
        self.command_of(Path::new(env!("CARGO_BIN_EXE_kora-under-test")), arguments)
    }

    /// Another build of the command, likewise.
    pub fn command_of(&self, executable: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(executable);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("KORA_HOME", self.path())
            // Hosts of tests run side by side: none may take a port that another wants.
            .env("KORA_HTTP_LISTEN", "127.0.0.1:0")
            .env("KORA_WEBHOOKS_LISTEN", "127.0.0.1:0")
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs the command to its end.
    pub fn kora(&self, arguments: &[&str]) -> Finished {
        finish(self.command(arguments))
    }

    /// Runs the command to its end and reads what it printed as JSON.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        self.kora(&with_json(arguments)).json()
    }

    /// Runs the command to its end, which is to be a failure, and answers the problem that it told.
    #[track_caller]
    pub fn problem(&self, arguments: &[&str]) -> Value {
        self.kora(&with_json(arguments)).problem()
    }

    /// Starts a host and waits until it has booted.
    #[track_caller]
    pub fn start(&self) -> RunningHost<'_> {
        let host = RunningHost::spawn(self, &[]);
        host.wait_until_running();
        host
    }
}

/// Runs a command to its end.
pub fn finish(mut command: Command) -> Finished {
    let output = command.output().unwrap();
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn with_json<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(["--json"]).collect()
}
