//! Where the repository is, and what cargo says of a workspace: this one, or that of a plugin elsewhere.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// The root of this repository.
pub fn repository() -> PathBuf {
    // Cargo says at run time where the xtask is that it runs; what was compiled in may be another clone that shares the
    // target folder.
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    xtask.parent().map_or(xtask.clone(), Path::to_path_buf)
}

/// `cargo`, the one that runs this if there is one.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// `cargo`, in this repository wherever the command was given.
pub fn cargo_here() -> Command {
    let mut command = cargo();
    command.current_dir(repository());
    command
}

/// Cargo's home: its configuration, and what it installed.
///
/// # Errors
/// If nothing says where it is.
pub fn cargo_home() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").filter(|home| !home.is_empty());
    match home {
        Some(home) => Ok(std::path::absolute(home)?),
        None => Ok(std::env::home_dir()
            .context("cannot find the home directory; set CARGO_HOME")?
            .join(".cargo")),
    }
}

/// What rustc says to `arguments`, for example the sysroot.
///
/// # Errors
/// If it cannot be run, or fails; what it says of that is on stderr.
pub fn rustc(arguments: &[&str]) -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{}`", Path::new(&rustc).display()))?;
    ensure!(output.status.success(), "`rustc {}` failed", arguments.join(" "));
    String::from_utf8(output.stdout).context("expected text of rustc, found other bytes")
}

/// The target triple of the toolchain that runs here.
///
/// # Errors
/// If rustc does not tell.
pub fn host_target() -> Result<String> {
    let told = rustc(&["-vV"])?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("expected `rustc -vV` to name the host, found no such line")?
        .to_owned())
}

/// What `cargo metadata` says.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// All packages of the build, those of the workspace and those that they depend on.
    pub packages: Vec<CargoPackage>,
    /// The ids of those of the workspace.
    pub workspace_members: Vec<String>,
    /// Where the workspace is.
    pub workspace_root: PathBuf,
}

/// A package as cargo sees it.
#[derive(Debug, Clone, Deserialize)]
pub struct CargoPackage {
    /// Names it to cargo, unambiguously.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: semver::Version,
    /// Absent if it lies in a folder of this machine.
    pub source: Option<String>,
    manifest_path: PathBuf,
}

impl CargoPackage {
    /// Where its `Cargo.toml` is.
    pub fn directory(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("/"))
    }
}

impl Metadata {
    /// Asks cargo about the package or workspace in `directory`, built for `target`.
    ///
    /// # Errors
    /// If cargo cannot tell; what it says of that is on stderr.
    pub fn of(directory: &Path, target: &str) -> Result<Self> {
        let manifest_path = directory.join("Cargo.toml");
        ensure!(
            manifest_path.is_file(),
            "expected a package in `{}`, found no `Cargo.toml`",
            directory.display()
        );
        let output = cargo()
            .args(["metadata", "--format-version", "1", "--locked"])
            // Else it would fetch what other systems need.
            .args(["--filter-platform", target, "--manifest-path"])
            .arg(&manifest_path)
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run `cargo metadata`")?;
        ensure!(
            output.status.success(),
            "`cargo metadata` failed for `{}`; without a `Cargo.lock` that fits, run `cargo generate-lockfile` there and keep the file",
            manifest_path.display()
        );
        serde_json::from_slice(&output.stdout).context("cannot read what `cargo metadata` says")
    }

    /// The packages of the workspace itself.
    pub fn members(&self) -> impl Iterator<Item = &CargoPackage> {
        self.packages
            .iter()
            .filter(|package| self.workspace_members.contains(&package.id))
    }
}
