//! `cargo xtask new-plugin`: a plugin to begin with, made from the example of the author's guide under another name.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::{package::is_plugin_name, process::quoted, workspace::repository};

const EXAMPLE: &str = "docs/example-plugin";
/// Its name, as it stands in its files in two forms.
const EXAMPLE_NAME: &str = "greeter";
const EXAMPLE_TYPE: &str = "Greeter";
/// Where its `Cargo.toml` finds the SDK.
const EXAMPLE_SDK: &str = "../../plugin-api";
/// What a build leaves there is none of it.
const BUILD_FOLDER: &str = "target";

/// Begin a plugin: a copy of the example of the author's guide, under a name of its own
///
/// It is a workspace of its own, with an identity, a daemon, a listener, settings and tests; take away what you do not need.
/// docs/plugin-authors.md explains every line of it.
#[derive(Args)]
pub struct NewPlugin {
    /// Its name: lower-case letters, digits and `_`, the first a letter
    name: String,
    /// Where to put it: a folder that is not there yet [default: NAME, beside this repository]
    dir: Option<PathBuf>,
}

impl NewPlugin {
    /// Copies and renames.
    pub fn run(self) -> Result<()> {
        let repository = repository().canonicalize()?;
        let beside = repository.parent().unwrap_or(&repository).join(&self.name);
        let directory = std::path::absolute(self.dir.unwrap_or(beside))?;
        make(&repository, &self.name, &directory)?;
        let shown = quoted(&directory.display().to_string());
        println!("{shown}");
        eprintln!(
            "\nIt is there. Next, in {repository}:\n\n  cargo test --manifest-path {shown}/Cargo.toml\n  \
             cargo xtask package --manifest-path {shown} --out $KORA_HOME/plugins\n",
            repository = quoted(&repository.display().to_string())
        );
        Ok(())
    }
}

fn make(repository: &Path, name: &str, directory: &Path) -> Result<()> {
    ensure!(
        is_plugin_name(name),
        "expected a name of lower-case letters, digits and `_`, the first a letter, found `{name}`"
    );
    ensure!(
        !directory.exists(),
        "expected nothing at `{}`, found something; name another folder",
        directory.display()
    );
    let rename = Renaming {
        name,
        type_name: &camel_case(name),
        sdk: &repository.join("plugin-api").display().to_string(),
    };
    copy(&repository.join(EXAMPLE), directory, &rename)
        .with_context(|| format!("cannot make `{}`", directory.display()))
}

struct Renaming<'a> {
    name: &'a str,
    type_name: &'a str,
    sdk: &'a str,
}

impl Renaming<'_> {
    fn apply(&self, file: &str, text: &str) -> Result<String> {
        let renamed = text
            .replace(EXAMPLE_NAME, self.name)
            .replace(EXAMPLE_TYPE, self.type_name);
        match file {
            "Cargo.toml" => {
                ensure!(
                    renamed.contains(EXAMPLE_SDK),
                    "expected `{EXAMPLE_SDK}` in `{EXAMPLE}/{file}`"
                );
                Ok(renamed.replace(EXAMPLE_SDK, self.sdk))
            }
            "Cargo.lock" => sorted_lock(&renamed),
            _ => Ok(renamed),
        }
    }
}

fn copy(from: &Path, to: &Path, rename: &Renaming<'_>) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let file = entry.file_name();
        let (source, target) = (entry.path(), to.join(&file));
        if entry.file_type()?.is_dir() {
            if file != BUILD_FOLDER {
                copy(&source, &target, rename)?;
            }
            continue;
        }
        let text =
            fs::read_to_string(&source).with_context(|| format!("cannot read `{}`", source.display()))?;
        fs::write(&target, rename.apply(&file.to_string_lossy(), &text)?)?;
    }
    Ok(())
}

/// Cargo takes a lock file for outdated whose packages are in another order than it would write them.
fn sorted_lock(text: &str) -> Result<String> {
    const PACKAGE: &str = "\n[[package]]\n";
    let mut parts = text.split(PACKAGE);
    let (Some(head), mut packages) = (parts.next(), parts.map(str::trim_end).collect::<Vec<_>>()) else {
        bail!("expected packages in the lock file, found none");
    };
    // The name stands first, then the version.
    packages.sort_by_key(|package| package.lines().next().map(str::to_owned));
    let packages: Vec<_> = packages
        .iter()
        .map(|package| format!("{PACKAGE}{package}\n"))
        .collect();
    Ok(head.to_owned() + &packages.concat())
}

fn camel_case(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_plugin_has_its_own_name_everywhere_and_finds_the_sdk() {
        let folder = tempfile::tempdir().expect("a directory");
        let directory = folder.path().join("deep/weather_watch");
        make(&repository(), "weather_watch", &directory).expect("is made");
        let read = |file: &str| fs::read_to_string(directory.join(file)).expect("is there");
        for file in [
            "Cargo.toml",
            "Cargo.lock",
            "plugin.toml",
            "src/lib.rs",
            "src/identity.rs",
            "src/daemon.rs",
        ] {
            assert!(!read(file).to_lowercase().contains(EXAMPLE_NAME), "{file}");
        }
        let manifest = read("plugin.toml");
        assert!(
            manifest.contains("name = \"weather_watch\"\n") && manifest.contains("weather_watch.greeted")
        );
        assert!(read("src/lib.rs").contains("export_plugin!(WeatherWatch, manifest"));
        let cargo: toml::Table = read("Cargo.toml").parse().expect("is TOML");
        let sdk = cargo["dependencies"]["kora-plugin-api"]["path"]
            .as_str()
            .expect("is text");
        assert!(Path::new(sdk).join("src/lib.rs").is_file(), "{sdk}");
    }

    #[test]
    fn the_lock_file_is_in_the_order_of_names_and_keeps_two_versions_in_theirs() {
        let text = "# head\nversion = 4\n\n[[package]]\nname = \"c\"\nversion = \"1\"\n\n[[package]]\nname = \"c\"\nversion = \"2\"\n\n[[package]]\nname = \"a\"\n";
        let sorted = "# head\nversion = 4\n\n[[package]]\nname = \"a\"\n\n[[package]]\nname = \"c\"\nversion = \"1\"\n\n[[package]]\nname = \"c\"\nversion = \"2\"\n";
        assert_eq!(sorted_lock(text).expect("sorts"), sorted);
        let example = fs::read_to_string(repository().join(EXAMPLE).join("Cargo.lock")).expect("is there");
        assert_eq!(sorted_lock(&example).expect("sorts"), example);
    }

    #[test]
    fn a_bad_name_and_a_folder_that_is_there_are_refused() {
        let folder = tempfile::tempdir().expect("a directory");
        let error = make(&repository(), "Weather", &folder.path().join("new")).expect_err("is refused");
        assert!(error.to_string().contains("found `Weather`"), "{error}");
        let error = make(&repository(), "weather", folder.path()).expect_err("is refused");
        assert!(error.to_string().contains("expected nothing at"), "{error}");
    }
}
