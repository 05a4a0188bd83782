//! What cargo builds: its messages, read for the files that came out.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::{process, workspace::cargo_here};

/// The argument with which cargo tells of them. Warnings and errors stay readable, on stderr.
pub const MESSAGE_FORMAT: [&str; 2] = ["--message-format", "json-render-diagnostics"];

/// Something that was built, or was there already.
#[derive(Debug, Deserialize)]
pub struct Artifact {
    /// Of which package, as cargo names it.
    pub package_id: String,
    /// Of which target of it.
    pub target: BuiltTarget,
    /// How it was built.
    pub profile: BuiltProfile,
    /// The files.
    pub filenames: Vec<PathBuf>,
    /// The file that can be run, if it is one.
    pub executable: Option<PathBuf>,
}

/// A target of a package.
#[derive(Debug, Deserialize)]
pub struct BuiltTarget {
    /// Its name.
    pub name: String,
    /// `bin`, `lib`, `test` and so on.
    pub kind: Vec<String>,
    /// `bin`, `cdylib` and so on.
    pub crate_types: Vec<String>,
}

/// How a target was built.
#[derive(Debug, Deserialize)]
pub struct BuiltProfile {
    /// As an executable that runs its unit tests.
    pub test: bool,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
}

/// Runs a `cargo build`, or another that builds, with [`MESSAGE_FORMAT`] among its arguments, and answers what came out.
///
/// # Errors
/// If it fails; what it says is on stderr.
pub fn build(command: &mut Command) -> Result<Vec<Artifact>> {
    let shown = process::shown(command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run `{shown}`"))?;
    let messages = child.stdout.take().context("cargo has no output")?;
    let mut artifacts = Vec::new();
    for line in BufReader::new(messages).lines() {
        artifacts.extend(read(&line?));
    }
    ensure!(child.wait()?.success(), "`{shown}` failed; what it says is above");
    Ok(artifacts)
}

/// Other messages, and lines of build scripts, are passed over.
fn read(line: &str) -> Option<Artifact> {
    let message: Message = serde_json::from_str(line).ok()?;
    (message.reason == "compiler-artifact").then(|| serde_json::from_str(line).ok())?
}

/// The executable of that name among them.
///
/// # Errors
/// If there is none.
pub fn executable(artifacts: &[Artifact], name: &str) -> Result<PathBuf> {
    artifacts
        .iter()
        .filter(|artifact| is_binary(artifact, name))
        .find_map(|artifact| artifact.executable.clone())
        .with_context(|| format!("expected an executable `{name}` of the build, found none"))
}

fn is_binary(artifact: &Artifact, name: &str) -> bool {
    artifact.target.name == name
        && artifact.target.kind.iter().any(|kind| kind == "bin")
        && !artifact.profile.test
}

/// Builds the command `kora` and answers where it is.
///
/// With the profile `dev`: it is there in a third of the time, and what needs speed in it is compiled with optimisation in that
/// profile too.
///
/// # Errors
/// If the build fails.
pub fn build_kora() -> Result<PathBuf> {
    eprintln!("building kora (dev)");
    let artifacts = build(
        cargo_here()
            .args(["build", "--package", "kora-host", "--bin", "kora"])
            .args(MESSAGE_FORMAT),
    )?;
    executable(&artifacts, "kora")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn line(reason: &str, kind: &str, is_test: bool, executable: Option<&str>) -> String {
        serde_json::json!({
            "reason": reason, "package_id": "p", "filenames": [], "executable": executable,
            "target": {"name": "kora", "kind": [kind], "crate_types": [kind]}, "profile": {"test": is_test},
        })
        .to_string()
    }

    #[test]
    fn only_messages_of_what_was_built_count() {
        assert!(read(&line("compiler-artifact", "bin", false, None)).is_some());
        for other in [
            &line("build-script-executed", "bin", false, None),
            "a line of something else",
            r#"{"reason":"build-finished","success":true}"#,
        ] {
            assert!(read(other).is_none(), "{other}");
        }
    }

    #[test]
    fn the_executable_is_that_of_the_binary_and_not_of_its_unit_tests() {
        let lines = [
            line("compiler-artifact", "lib", false, None),
            line("compiler-artifact", "bin", true, Some("/t/kora-0123")),
            line("compiler-artifact", "bin", false, Some("/t/kora")),
        ];
        let artifacts: Vec<_> = lines.iter().filter_map(|line| read(line)).collect();
        assert_eq!(
            executable(&artifacts, "kora").expect("is there"),
            Path::new("/t/kora")
        );
        assert!(executable(&artifacts, "other").is_err());
    }
}
