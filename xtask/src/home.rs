//! A home for a host: made with `kora init`, with the two plugins and the two tenants that `run` and `demo` show.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::{fs::DirBuilderExt as _, net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    package::{self, Profile},
    process,
    workspace::repository,
};

/// The plugins of the tour. Compiled with the profile `dev`: it takes half the time, and they do not leave this machine.
pub const PLUGINS: [&str; 2] = ["kora", "marvin"];

/// What the tour adds to the configuration.
pub const TENANTS: &str = "
# Whom this host serves, and who speaks for them when they are first added. Afterwards the store decides, and
# `kora identity swap` changes it.
[tenants.acme]
identity = \"kora\"

[tenants.globex]
identity = \"marvin\"
# The daemons of the plugin `kora` act for it too.
plugins = [\"kora\"]
";

/// A home may hold what an agent did: it is its owner's alone.
const DIRECTORY_MODE: u32 = 0o700;

/// A folder, and the command that makes a home of it.
#[derive(Debug, Clone)]
pub struct Home {
    /// The folder.
    pub root: PathBuf,
    /// The command `kora`.
    pub kora: PathBuf,
}

impl Home {
    /// The command in this home. What the environment says of hosts is meant for others, but for how to log.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.kora);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("KORA_") && !text.starts_with("KORA_LOG_") {
                command.env_remove(&name);
            }
        }
        command.env("KORA_HOME", &self.root).args(arguments);
        command
    }

    /// The control socket of the host that runs here.
    pub fn socket(&self) -> PathBuf {
        self.root.join("run/kora.sock")
    }

    /// Where plugins are dropped.
    pub fn plugins(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// Its configuration.
    pub fn config_file(&self) -> PathBuf {
        self.root.join("kora.toml")
    }

    /// Makes what is missing, and answers whether it is a new home.
    ///
    /// # Errors
    /// If the system or `kora init` refuses.
    pub fn make(&self) -> Result<bool> {
        let is_new = !self.config_file().exists();
        // Before anything is put into it.
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(&self.root)
            .with_context(|| format!("cannot make `{}`", self.root.display()))?;
        self.quietly(&["init"])?;
        Ok(is_new)
    }

    /// Adds the two tenants to the configuration.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add_tenants(&self) -> Result<()> {
        let file = self.config_file();
        OpenOptions::new()
            .append(true)
            .open(&file)
            .and_then(|mut config| config.write_all(TENANTS.as_bytes()))
            .with_context(|| format!("cannot write `{}`", file.display()))
    }

    /// Fails if a host runs here.
    ///
    /// # Errors
    /// That one runs.
    pub fn ensure_nobody_runs(&self) -> Result<()> {
        if UnixStream::connect(self.socket()).is_ok() {
            bail!(
                "a host runs in `{}` already; stop it first: Ctrl-C in its terminal",
                self.root.display()
            );
        }
        Ok(())
    }

    /// Removes it, if it is there.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn remove(&self) -> Result<()> {
        if !self.root.exists() {
            return Ok(());
        }
        fs::remove_dir_all(&self.root).with_context(|| format!("cannot remove `{}`", self.root.display()))
    }

    /// Runs the command to its end. What it prints to stdout is not shown.
    ///
    /// # Errors
    /// If it does not end well.
    pub fn quietly(&self, arguments: &[&str]) -> Result<()> {
        let mut command = self.command(arguments);
        process::output(command.arg("--json").stdin(Stdio::null())).map(drop)
    }
}

/// Builds plugins of this repository into packages, in the profile `dev`, and answers where they are.
///
/// # Errors
/// If one cannot be built.
pub fn dev_packages(names: &[&str]) -> Result<Vec<PathBuf>> {
    let out = repository().join("target/packages-dev");
    names
        .iter()
        .map(|name| package::package(name, Profile::Dev, &out))
        .collect()
}

/// The path as an argument.
///
/// # Errors
/// If it is no text, which no path is that cargo builds in.
pub fn as_argument(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("expected a path that is text, found `{}`", path.display()))
}
