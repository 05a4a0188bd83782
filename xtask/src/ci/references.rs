//! The generated references: what the command says of itself, beside what the repository holds.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    artifacts::{self, MESSAGE_FORMAT},
    process, test,
    workspace::repository,
};

/// The pages by the word with which the command prints them.
const PAGES: [(&str, &str); 4] = [
    ("cli", "docs/reference/cli.md"),
    ("config", "docs/reference/config.md"),
    ("tools", "docs/reference/tools.md"),
    ("openapi", "docs/reference/openapi.json"),
];

/// The same command as `kora`, which the tests build and run: for these pages nothing more is built.
const COMMAND: &str = "kora-under-test";

/// Compares them with what the command prints, or writes them.
///
/// # Errors
/// If the command cannot be built, or a page is not what it prints.
pub fn check(bless: bool) -> Result<()> {
    let mut build = test::build_command();
    let artifacts = artifacts::build(build.args(["--quiet", "--locked"]).args(MESSAGE_FORMAT))?;
    let command = artifacts::executable(&artifacts, COMMAND)?;
    let mut outdated = Vec::new();
    for (word, page) in PAGES {
        let expected = process::output(Command::new(&command).args(["reference", word]))?;
        let path = repository().join(page);
        if fs::read_to_string(&path).ok().as_ref() == Some(&expected) {
            continue;
        }
        if bless {
            write(&path, &expected)?;
            eprintln!("wrote {page}");
        } else {
            outdated.push(page);
        }
    }
    if !outdated.is_empty() {
        bail!(
            "expected what the command says of itself in {}, found something else; `cargo xtask ci --bless` writes it",
            outdated.join(" and ")
        );
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
