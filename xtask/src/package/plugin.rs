//! Which plugins there are, and what of each goes into its package beside the library.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::manifest::Manifest;
use crate::workspace::{CargoPackage, Metadata};

const MANIFEST_FILE: &str = "plugin.toml";
/// A file whose name begins like this is a licence.
const LICENCE_NAMES: [&str; 4] = ["LICENSE", "LICENCE", "COPYING", "NOTICE"];
/// Where the plugins are that ship.
const SHIPPED: &str = "plugins";

/// A plugin before it is built.
pub struct PluginSource {
    /// As cargo sees it.
    pub cargo: CargoPackage,
    /// Where its workspace is.
    pub workspace_root: PathBuf,
    /// Packages of its build that lie in a folder of this machine: the plugin itself, and path dependencies.
    pub local_packages: Vec<CargoPackage>,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The same as it is written.
    pub manifest_text: String,
    /// Licence texts by file name.
    pub licences: BTreeMap<String, Vec<u8>>,
}

/// The plugin of that name in the repository, or all that ship.
pub fn inside(repository: &Path, target: &str, name: Option<&str>) -> Result<Vec<PluginSource>> {
    let metadata = Metadata::of(repository, target)?;
    let shipped = metadata.workspace_root.join(SHIPPED);
    let mut sources = Vec::new();
    let mut known = Vec::new();
    for package in metadata
        .members()
        .filter(|package| package.directory().join(MANIFEST_FILE).is_file())
    {
        let source = read(&metadata, package)?;
        known.push(source.manifest.name.clone());
        let wanted = match name {
            Some(name) => source.manifest.name == name,
            None => package.directory().starts_with(&shipped),
        };
        if wanted {
            sources.push(source);
        }
    }
    ensure!(
        !sources.is_empty(),
        "expected one of the plugins `{}`, found `{}`",
        known.join("`, `"),
        name.unwrap_or("none")
    );
    sources.sort_by(|a, b| a.manifest.name.cmp(&b.manifest.name));
    Ok(sources)
}

/// The plugin in `directory` (or with that `Cargo.toml`), which has a workspace of its own.
pub fn outside(directory: &Path, target: &str, name: Option<&str>) -> Result<Vec<PluginSource>> {
    let directory = directory
        .canonicalize()
        .with_context(|| format!("cannot find `{}`", directory.display()))?;
    let directory = if directory.ends_with("Cargo.toml") {
        directory.parent().unwrap_or(&directory)
    } else {
        &directory
    };
    let metadata = Metadata::of(directory, target)?;
    let Some(package) = metadata
        .members()
        .find(|package| package.directory() == directory)
    else {
        bail!(
            "expected a package in `{}`, found a workspace without one",
            directory.display()
        );
    };
    let source = read(&metadata, package)?;
    if let Some(name) = name {
        ensure!(
            name == source.manifest.name,
            "expected the plugin `{name}`, found `{}` in `{}`",
            source.manifest.name,
            directory.display()
        );
    }
    Ok(vec![source])
}

fn read(metadata: &Metadata, package: &CargoPackage) -> Result<PluginSource> {
    let path = package.directory().join(MANIFEST_FILE);
    let shown = path.display();
    let manifest_text = fs::read_to_string(&path).with_context(|| format!("cannot read `{shown}`"))?;
    let manifest = Manifest::parse(&manifest_text).with_context(|| format!("cannot use `{shown}`"))?;
    ensure!(
        manifest.version == package.version,
        "`{shown}`: expected the version {} of its `Cargo.toml`, found {}",
        package.version,
        manifest.version
    );
    Ok(PluginSource {
        cargo: package.clone(),
        workspace_root: metadata.workspace_root.clone(),
        local_packages: metadata
            .packages
            .iter()
            .filter(|package| package.source.is_none())
            .cloned()
            .collect(),
        licences: licences(package.directory(), &metadata.workspace_root)?,
        manifest,
        manifest_text,
    })
}

/// The plugin's own, or else those of its workspace.
fn licences(plugin: &Path, workspace_root: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    for directory in [plugin, workspace_root] {
        let found =
            licences_in(directory).with_context(|| format!("cannot read `{}`", directory.display()))?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    bail!(
        "expected a file `LICENSE…` in `{}` or at the root of its workspace, found none; a package carries its licence",
        plugin.display()
    );
}

/// The licence texts in a folder, by file name; there may be none.
pub fn licences_in(directory: &Path) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if LICENCE_NAMES.iter().any(|begin| name.starts_with(begin)) && entry.path().is_file() {
            found.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &Path, name: &str) {
        fs::create_dir_all(directory).expect("makes the directory");
        fs::write(directory.join(name), name).expect("writes");
    }

    #[test]
    fn a_plugins_own_licence_goes_before_that_of_its_workspace() {
        let workspace = tempfile::tempdir().expect("a directory");
        let plugin = workspace.path().join("plugin");
        file(workspace.path(), "LICENSE-MIT");
        file(workspace.path(), "LICENSE-APACHE");
        file(&plugin, "Cargo.toml");
        let names = || -> Vec<_> {
            licences(&plugin, workspace.path())
                .expect("finds some")
                .into_keys()
                .collect()
        };
        assert_eq!(names(), ["LICENSE-APACHE", "LICENSE-MIT"]);
        file(&plugin, "COPYING");
        assert_eq!(names(), ["COPYING"]);
    }

    #[test]
    fn a_plugin_without_a_licence_is_not_packaged() {
        let workspace = tempfile::tempdir().expect("a directory");
        let error = licences(workspace.path(), workspace.path()).expect_err("finds none");
        assert!(
            error.to_string().contains("expected a file `LICENSE…`"),
            "{error}"
        );
    }
}
