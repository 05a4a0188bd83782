//! Building one plugin with cargo, so that its bytes do not depend on this machine.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::{Profile, plugin::PluginSource};
use crate::workspace::{cargo, repository, rustc};

/// Builds the plugin and answers its library.
///
/// # Errors
/// If cargo fails, or no `cdylib` came out, which cargo does not hold for a failure.
pub fn build(source: &PluginSource, target: &str, profile: Profile) -> Result<Vec<u8>> {
    let mut child = command(source, target, profile)?
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run `cargo build`")?;
    let messages = child.stdout.take().context("cargo has no output")?;
    let mut library = None;
    for line in BufReader::new(messages).lines() {
        library = library_of(&line?, &source.cargo.id).or(library);
    }
    ensure!(
        child.wait()?.success(),
        "`cargo build` failed; what it says is above"
    );
    let Some(library) = library else {
        bail!(
            "expected a `cdylib`, found that none came out; is `crate-type = [\"cdylib\"]` in the `[lib]` of its \
             `Cargo.toml`, and can {target} build one?"
        );
    };
    fs::read(&library).with_context(|| format!("cannot read `{}`", library.display()))
}

fn command(source: &PluginSource, target: &str, profile: Profile) -> Result<Command> {
    let mut command = cargo();
    command
        .args(["build", "--locked", "--message-format", "json-render-diagnostics"])
        .args(["--profile", profile.as_str(), "--target", target])
        .args(["--package", &source.cargo.id])
        .arg("--manifest-path")
        .arg(source.cargo.directory().join("Cargo.toml"))
        // Its own, since the flags below would throw away what other builds left there.
        .arg("--target-dir")
        .arg(repository().join("target/package"))
        .env("CARGO_ENCODED_RUSTFLAGS", flags(source)?)
        .env("CARGO_INCREMENTAL", "0");
    // What would change the flags, or the profile, from outside.
    for name in ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    if profile == Profile::Release {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PROFILE_RELEASE_") {
                command.env_remove(name);
            }
        }
    }
    Ok(command)
}

/// Gives every place of this machine that could get into the library a name of its own.
fn flags(source: &PluginSource) -> Result<OsString> {
    let mut places: Vec<(PathBuf, String)> = vec![
        (rustc(&["--print", "sysroot"])?.trim().into(), "/rust".to_owned()),
        (cargo_home()?, "/cargo".to_owned()),
        (source.workspace_root.clone(), "/src".to_owned()),
    ];
    for package in &source.local_packages {
        if !package.directory().starts_with(&source.workspace_root) {
            let name = format!("/src-{}-{}", package.name, package.version);
            places.push((package.directory().to_owned(), name));
        }
    }
    Ok(remapping(places))
}

/// The arguments, divided as cargo wants them. Of several that fit, rustc takes the last: the longest path.
fn remapping(mut places: Vec<(PathBuf, String)>) -> OsString {
    let resolved: Vec<_> = places
        .iter()
        .filter_map(|(path, name)| Some((path.canonicalize().ok()?, name.clone())))
        .collect();
    places.extend(resolved);
    places.sort_by_key(|(path, _)| path.as_os_str().len());
    places.dedup();
    let mut flags = OsString::new();
    for (path, name) in places {
        if !flags.is_empty() {
            flags.push("\x1f");
        }
        flags.push("--remap-path-prefix=");
        flags.push(path);
        flags.push("=");
        flags.push(name);
    }
    flags
}

fn cargo_home() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").filter(|home| !home.is_empty());
    match home {
        Some(home) => Ok(std::path::absolute(home)?),
        None => Ok(std::env::home_dir()
            .context("cannot find the home directory; set CARGO_HOME")?
            .join(".cargo")),
    }
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    target: Option<BuiltTarget>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct BuiltTarget {
    crate_types: Vec<String>,
}

/// The library, if that is what cargo tells of: the plugin's own, not one of a dependency.
fn library_of(line: &str, package_id: &str) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    let is_cdylib = message
        .target
        .is_some_and(|target| target.crate_types.iter().any(|kind| kind == "cdylib"));
    if message.reason != "compiler-artifact" || message.package_id != package_id || !is_cdylib {
        return None;
    }
    message
        .filenames
        .into_iter()
        .find(|path| path.extension().is_some_and(|ending| ending == "so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_path_is_remapped_last_because_rustc_takes_the_last_that_fits() {
        let places = vec![
            ("/nowhere/work/cargo".into(), "/cargo".to_owned()),
            ("/nowhere/work".into(), "/src".to_owned()),
        ];
        let expected =
            "--remap-path-prefix=/nowhere/work=/src\x1f--remap-path-prefix=/nowhere/work/cargo=/cargo";
        assert_eq!(remapping(places), expected);
    }

    #[test]
    fn only_the_cdylib_of_the_plugin_itself_counts() {
        let line = |package: &str, kind: &str, file: &str| {
            serde_json::json!({
                "reason": "compiler-artifact", "package_id": package,
                "target": {"crate_types": [kind]}, "filenames": [file],
            })
            .to_string()
        };
        assert_eq!(
            library_of(&line("me", "cdylib", "/t/libme.so"), "me"),
            Some("/t/libme.so".into())
        );
        assert_eq!(library_of(&line("me", "lib", "/t/libme.rlib"), "me"), None);
        assert_eq!(library_of(&line("other", "cdylib", "/t/libother.so"), "me"), None);
        assert_eq!(
            library_of("{\"reason\":\"build-finished\",\"success\":true}", "me"),
            None
        );
        assert_eq!(library_of("a line of something else", "me"), None);
    }
}
