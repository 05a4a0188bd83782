//! The library that is loaded into the process under test: where it is, what it is told, and where its journal lies.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{
    Chance,
    cut::{self, Cut, Damage},
};
use crate::{artifacts, workspace::cargo_here};

/// One directory whose power can be cut, again and again.
#[derive(Debug)]
pub struct Shim {
    library: OsString,
    directory: PathBuf,
    journal: PathBuf,
    lies: OsString,
}

impl Shim {
    /// Watches `directory`, which is made if it is not there, and keeps its journal in the folder `beside`, which must lie on the
    /// same file system outside of it. `library` is what the package `kora-powercut` builds to.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn new(library: &Path, directory: &Path, beside: &Path) -> Result<Self> {
        let make = |folder: &Path| {
            fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))
        };
        make(directory)?;
        make(beside)?;
        let shim = Self {
            library: library.into(),
            // As the kernel names it.
            directory: directory.canonicalize()?,
            journal: beside.canonicalize()?.join("journal"),
            lies: OsString::new(),
        };
        shim.begin_anew()?;
        Ok(shim)
    }

    /// From now on the disk says "synced" and is not.
    pub fn lie(&mut self) {
        self.lies = "yes".into();
    }

    /// What the process under test finds in its environment.
    pub fn variables(&self) -> [(&'static str, &OsStr); 4] {
        [
            ("LD_PRELOAD", &self.library),
            ("POWERCUT_DIRECTORY", self.directory.as_os_str()),
            ("POWERCUT_JOURNAL", self.journal.as_os_str()),
            ("POWERCUT_DISK_LIES", &self.lies),
        ]
    }

    /// Takes back what was not synced; the process must be gone. What is there then counts as synced.
    ///
    /// # Errors
    /// If the journal is none, or the system refuses.
    pub fn cut(&mut self, damage: Damage, chance: &mut Chance) -> Result<Cut> {
        let cut = cut::cut(&self.directory, &self.journal, damage, chance)?;
        self.begin_anew()?;
        Ok(cut)
    }

    fn begin_anew(&self) -> Result<()> {
        fs::write(&self.journal, [])?;
        let graves = cut::graves(&self.journal);
        if graves.exists() {
            fs::remove_dir_all(&graves)?;
        }
        Ok(fs::create_dir(&graves)?)
    }
}

/// Builds the library and answers where it is.
///
/// # Errors
/// If the build fails.
pub fn build() -> Result<PathBuf> {
    eprintln!("building what cuts the power (dev)");
    let artifacts = artifacts::build(
        cargo_here()
            .args(["build", "--package", "kora-powercut"])
            .args(artifacts::MESSAGE_FORMAT),
    )?;
    artifacts
        .into_iter()
        .filter(|artifact| artifact.target.name == "powercut")
        .flat_map(|artifact| artifact.filenames)
        .find(|file| file.extension().is_some_and(|extension| extension == "so"))
        .context("expected a library `powercut` of the build, found none")
}
