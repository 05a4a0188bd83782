//! What is installed for it, below `target`: Node and the suite from npm, the Python client from pip. Versions are pinned, for what is
//! proved with one is not proved with another.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{process, workspace::repository};

/// The suite's release that knows the revision of 2026; the Inspector; and the Node that both need.
const NODE_PACKAGES: [&str; 3] = [
    "node@22",
    "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "@modelcontextprotocol/inspector@2.12.0",
];
const PYTHON_PACKAGES: [&str; 1] = ["mcp==2.3.0"];
/// Holds what was installed into a folder, written when all of it was.
const MARKER: &str = "installed.txt";

fn folder(name: &str) -> PathBuf {
    repository().join("target/conformance").join(name)
}

/// Runs `install` unless the folder holds these packages already.
fn unless_there(folder: &Path, packages: &[&str], install: impl FnOnce() -> Result<()>) -> Result<()> {
    let marker = folder.join(MARKER);
    let wanted = packages.join("\n");
    if fs::read_to_string(&marker).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    install()?;
    fs::write(&marker, wanted).with_context(|| format!("cannot write `{}`", marker.display()))
}

/// Programs of npm, and a Node that is new enough for them.
pub struct Node {
    folder: PathBuf,
}

impl Node {
    /// Installs them, unless they are there.
    ///
    /// # Errors
    /// If npm is missing or fails.
    pub fn installed() -> Result<Self> {
        let folder = folder("node");
        unless_there(&folder, &NODE_PACKAGES, || {
            let mut npm = Command::new("npm");
            npm.args(["install", "--no-audit", "--no-fund", "--prefix"])
                .arg(&folder)
                .args(NODE_PACKAGES);
            process::run(&mut npm).context("npm is needed for this: it comes with Node")
        })?;
        Ok(Self { folder })
    }

    /// One of the programs.
    pub fn command(&self, name: &str) -> Command {
        let modules = self.folder.join("node_modules");
        let mut path = vec![modules.join("node/bin")];
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let mut command = Command::new(modules.join(".bin").join(name));
        // No path of the system's holds a colon; if one did, the old path is kept, and the program says which Node it lacks.
        if let Ok(path) = env::join_paths(path) {
            command.env("PATH", path);
        }
        command
    }
}

/// A Python with the official client.
pub struct Python {
    folder: PathBuf,
}

impl Python {
    /// Installs it, unless it is there.
    ///
    /// # Errors
    /// If Python or its `venv` is missing, or pip fails.
    pub fn installed() -> Result<Self> {
        let folder = folder("python");
        unless_there(&folder, &PYTHON_PACKAGES, || {
            process::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            let mut pip = Command::new(folder.join("bin/pip"));
            process::run(pip.args(["install", "--quiet"]).args(PYTHON_PACKAGES))
        })?;
        Ok(Self { folder })
    }

    /// The interpreter.
    pub fn command(&self) -> Command {
        Command::new(self.folder.join("bin/python"))
    }
}
