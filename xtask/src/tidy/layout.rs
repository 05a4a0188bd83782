//! What must be in the repository and how: the lock file, the entry of continuous integration, versions that agree, sources that
//! everybody can reach.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::{
    Finding,
    sources::{Source, required},
};

const LOCK: &str = "Cargo.lock";
const CI: &str = ".ci/run";
/// Written so in every lock file, whatever mirror it was fetched from.
const PUBLIC_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Tables of cargo's configuration that send everybody elsewhere.
const ELSEWHERE: [&str; 3] = ["source", "registries", "registry"];

/// What is missing or does not agree.
///
/// # Errors
/// If a file that must be there is not, or cannot be read.
pub fn check(sources: &[Source]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    if !required(sources, LOCK)?.is_tracked {
        findings.push(Finding::new(
            LOCK,
            0,
            "expected it to be committed, found that git does not track it",
        ));
    }
    if !required(sources, CI)?.is_executable {
        let what = "expected a file that can be run, found another; `git update-index --chmod=+x` changes it";
        findings.push(Finding::new(CI, 0, what));
    }
    for source in sources {
        match source.path.rsplit('/').next() {
            Some("Cargo.lock") => findings.extend(check_lock(source)),
            Some("plugin.toml") => findings.extend(check_version(source, sources)?),
            _ if source.path.contains(".cargo/config") => findings.extend(check_cargo_config(source)?),
            _ => {}
        }
    }
    Ok(findings)
}

fn check_lock(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().enumerate();
    let foreign = lines.filter_map(|(index, line)| {
        let origin = line.strip_prefix("source = \"")?.trim_end_matches('"');
        (origin != PUBLIC_REGISTRY).then(|| {
            let what = format!("expected packages of the public registry alone, found `{origin}`");
            Finding::new(&source.path, index + 1, what)
        })
    });
    foreign.collect()
}

fn check_cargo_config(source: &Source) -> Result<Vec<Finding>> {
    let config: toml::Table =
        toml::from_str(&source.text).with_context(|| format!("cannot read `{}`", source.path))?;
    let found = ELSEWHERE.iter().filter(|table| config.contains_key(**table));
    Ok(found
        .map(|table| {
            Finding::new(
                &source.path,
                0,
                format!("expected no `[{table}]`: it is for one machine"),
            )
        })
        .collect())
}

#[derive(Deserialize)]
struct CargoManifest {
    package: Option<Package>,
    workspace: Option<Workspace>,
}

#[derive(Deserialize)]
struct Package {
    version: Option<Version>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Version {
    Own(String),
    OfWorkspace {},
}

#[derive(Deserialize)]
struct Workspace {
    package: Option<WorkspacePackage>,
}

#[derive(Deserialize)]
struct WorkspacePackage {
    version: Option<String>,
}

#[derive(Deserialize)]
struct PluginManifest {
    version: String,
}

/// The two files beside each other name one version.
fn check_version(source: &Source, sources: &[Source]) -> Result<Option<Finding>> {
    let cargo_path = format!("{}Cargo.toml", source.path.trim_end_matches("plugin.toml"));
    let unreadable = |path: &str| format!("cannot read `{path}`");
    let plugin: PluginManifest = toml::from_str(&source.text).with_context(|| unreadable(&source.path))?;
    let cargo: CargoManifest =
        toml::from_str(&required(sources, &cargo_path)?.text).with_context(|| unreadable(&cargo_path))?;
    let version = match cargo.package.and_then(|package| package.version) {
        Some(Version::Own(version)) => version,
        Some(Version::OfWorkspace {}) => workspace_version(sources)?,
        None => String::new(),
    };
    Ok((plugin.version != version).then(|| {
        let what = format!(
            "expected the version `{version}` of `{cargo_path}`, found `{}`",
            plugin.version
        );
        Finding::new(&source.path, 0, what)
    }))
}

fn workspace_version(sources: &[Source]) -> Result<String> {
    let manifest: CargoManifest = toml::from_str(&required(sources, "Cargo.toml")?.text)?;
    let package = manifest.workspace.and_then(|workspace| workspace.package);
    package
        .and_then(|package| package.version)
        .context("expected `workspace.package.version` in `Cargo.toml`, found none")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace.package]\nversion = \"0.2.0\"";

    fn findings(plugin: &str, cargo: &str, lock: &str, is_executable: bool) -> Vec<String> {
        let source = |path: &str, text: &str| Source {
            path: path.to_owned(),
            text: text.to_owned(),
            is_tracked: true,
            is_executable,
        };
        let sources = [
            source("Cargo.toml", ROOT),
            source("Cargo.lock", lock),
            source(".ci/run", ""),
            source("p/plugin.toml", plugin),
            source("p/Cargo.toml", cargo),
        ];
        let findings = check(&sources).expect("can be read");
        findings.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_plugin_has_the_version_of_its_package_its_own_or_the_workspaces() {
        let (one, two) = ("version = \"0.1.0\"", "version = \"0.2.0\"");
        let own = "[package]\nname = \"p\"\nversion = \"0.1.0\"";
        let workspaces = "[package]\nname = \"p\"\nversion.workspace = true";
        assert!(findings(one, own, "", true).is_empty());
        assert!(findings(two, workspaces, "", true).is_empty());
        assert_eq!(
            findings(two, own, "", true),
            ["p/plugin.toml: expected the version `0.1.0` of `p/Cargo.toml`, found `0.2.0`"]
        );
        assert_eq!(findings(one, workspaces, "", true).len(), 1);
    }

    #[test]
    fn a_package_from_elsewhere_than_the_public_registry_is_found() {
        let lock = format!(
            "[[package]]\nsource = \"{PUBLIC_REGISTRY}\"\n[[package]]\nsource = \"git+https://a.b/c#1\""
        );
        let cargo = "[package]\nversion = \"1.0.0\"";
        assert_eq!(
            findings("version = \"1.0.0\"", cargo, &lock, true),
            ["Cargo.lock:4: expected packages of the public registry alone, found `git+https://a.b/c#1`"]
        );
    }

    #[test]
    fn what_continuous_integration_runs_can_be_run() {
        let cargo = "[package]\nversion = \"1.0.0\"";
        let findings = findings("version = \"1.0.0\"", cargo, "", false);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with(".ci/run: "), "{findings:?}");
    }

    #[test]
    fn a_lock_file_that_is_not_committed_is_found() {
        let source = |path: &str, is_tracked| Source {
            path: path.to_owned(),
            is_tracked,
            is_executable: true,
            text: String::new(),
        };
        let findings = check(&[source("Cargo.lock", false), source(".ci/run", true)]).expect("can be read");
        assert_eq!(findings.len(), 1);
        assert!(check(&[source(".ci/run", true)]).is_err());
    }

    #[test]
    fn cargo_is_not_sent_elsewhere() {
        let source = |text: &str| Source {
            path: ".cargo/config.toml".to_owned(),
            text: text.to_owned(),
            ..Source::default()
        };
        assert!(
            check_cargo_config(&source("[alias]\nx = \"y\""))
                .expect("reads")
                .is_empty()
        );
        assert_eq!(
            check_cargo_config(&source("[source.crates-io]\nx = 1"))
                .expect("reads")
                .len(),
            1
        );
    }
}
