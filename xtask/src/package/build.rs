//! Building one plugin with cargo, so that its bytes do not depend on this machine.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{Profile, plugin::PluginSource};
use crate::{
    artifacts::{self, Artifact, MESSAGE_FORMAT},
    workspace::{cargo, cargo_home, repository, rustc},
};

/// Builds the plugin and answers its library.
///
/// # Errors
/// If cargo fails, or no `cdylib` came out, which cargo does not hold for a failure.
pub fn build(source: &PluginSource, target: &str, profile: Profile) -> Result<Vec<u8>> {
    let artifacts = artifacts::build(&mut command(source, target, profile)?)?;
    let library = artifacts
        .iter()
        .find_map(|artifact| library_of(artifact, &source.cargo.id));
    let Some(library) = library else {
        bail!(
            "expected a `cdylib`, found that none came out; is `crate-type = [\"cdylib\"]` in the `[lib]` of its \
             `Cargo.toml`, and can {target} build one?"
        );
    };
    fs::read(library).with_context(|| format!("cannot read `{}`", library.display()))
}

fn command(source: &PluginSource, target: &str, profile: Profile) -> Result<Command> {
    let mut command = cargo();
    command
        .args(["build", "--locked"])
        .args(MESSAGE_FORMAT)
        .args(["--profile", profile.as_str()])
        .args(["--package", &source.cargo.id])
        .arg("--manifest-path")
        .arg(source.cargo.directory().join("Cargo.toml"));
    let is_ours = repository().canonicalize()? == source.workspace_root.canonicalize()?;
    match profile {
        Profile::Release => reproducible(&mut command, source, target)?,
        // Beside all else that is built here: most of what it needs is there already.
        Profile::Dev if is_ours => {}
        Profile::Dev => drop(command.arg("--target-dir").arg(own_directory())),
    }
    Ok(command)
}

fn own_directory() -> PathBuf {
    repository().join("target/package")
}

/// Keeps everything out that is this machine's alone.
fn reproducible(command: &mut Command, source: &PluginSource, target: &str) -> Result<()> {
    command
        .args(["--target", target])
        // The flags below would throw away what other builds left in theirs.
        .arg("--target-dir")
        .arg(own_directory())
        .env("CARGO_ENCODED_RUSTFLAGS", flags(source)?)
        .env("CARGO_INCREMENTAL", "0");
    // What would change the flags, or the profile, from outside.
    for name in ["RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PROFILE_RELEASE_") {
            command.env_remove(name);
        }
    }
    Ok(())
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

/// The library, if that is what was built: the plugin's own, not one of a dependency.
fn library_of<'a>(artifact: &'a Artifact, package_id: &str) -> Option<&'a Path> {
    let is_cdylib = artifact.target.crate_types.iter().any(|kind| kind == "cdylib");
    if artifact.package_id != package_id || !is_cdylib {
        return None;
    }
    artifact
        .filenames
        .iter()
        .map(PathBuf::as_path)
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
        let found = |package: &str, kind: &str, file: &str| {
            let artifact: Artifact = serde_json::from_value(serde_json::json!({
                "package_id": package, "filenames": [file], "executable": null,
                "profile": {"test": false}, "target": {"name": "me", "kind": [kind], "crate_types": [kind]},
            }))
            .expect("is one");
            library_of(&artifact, "me").map(Path::to_owned)
        };
        assert_eq!(found("me", "cdylib", "/t/libme.so"), Some("/t/libme.so".into()));
        assert_eq!(found("me", "lib", "/t/libme.rlib"), None);
        assert_eq!(found("other", "cdylib", "/t/libother.so"), None);
    }
}
