//! Which files there are: what git tracks, and what is new and not ignored.

use std::{fs, io::ErrorKind, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::process;

/// A file of the repository.
#[derive(Debug, Default)]
pub struct Source {
    /// Its path from the root of the repository.
    pub path: String,
    /// What it holds; of a file that is no text, nothing.
    pub text: String,
    /// Whether git has it, or would with the next `git add`.
    pub is_tracked: bool,
    /// Whether git keeps it as a file that can be run.
    pub is_executable: bool,
}

/// All of them, sorted.
///
/// # Errors
/// If git does not tell, or a file cannot be read.
pub fn list(repository: &Path) -> Result<Vec<Source>> {
    let tracked = git(repository, &["--stage"])?;
    let mut sources: Vec<Source> = tracked.split('\0').filter_map(tracked_source).collect();
    let new = git(repository, &["--others", "--exclude-standard"])?;
    sources.extend(
        new.split('\0')
            .filter(|path| !path.is_empty())
            .map(|path| Source {
                path: path.to_owned(),
                ..Source::default()
            }),
    );
    let mut read = Vec::new();
    for source in sources {
        read.extend(with_text(repository, source)?);
    }
    read.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(read)
}

fn git(repository: &Path, arguments: &[&str]) -> Result<String> {
    process::output(
        Command::new("git")
            .args(["ls-files", "-z"])
            .args(arguments)
            .current_dir(repository),
    )
    .context("expected a clone of the repository, since git says which files belong to it")
}

/// `MODE HASH STAGE<tab>PATH`.
fn tracked_source(line: &str) -> Option<Source> {
    let (attributes, path) = line.split_once('\t')?;
    Some(Source {
        path: path.to_owned(),
        is_tracked: true,
        is_executable: attributes.starts_with("100755"),
        text: String::new(),
    })
}

/// Nothing for a file that was removed and not committed yet, and for a folder of another repository.
fn with_text(repository: &Path, source: Source) -> Result<Option<Source>> {
    match fs::read(repository.join(&source.path)) {
        Ok(bytes) => Ok(Some(Source {
            text: String::from_utf8(bytes).unwrap_or_default(),
            ..source
        })),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::IsADirectory) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", source.path)),
    }
}

/// The file at `path`.
///
/// # Errors
/// If it is not there.
pub fn required<'a>(sources: &'a [Source], path: &str) -> Result<&'a Source> {
    sources
        .iter()
        .find(|source| source.path == path)
        .with_context(|| format!("expected `{path}` in the repository, found none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_listed_with_its_mode_and_a_new_one_too_but_none_that_is_ignored() {
        let repository = tempfile::tempdir().expect("a directory");
        let root = repository.path();
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command
                .args(arguments)
                .current_dir(root)
                .env("GIT_CONFIG_GLOBAL", "/dev/null");
            process::output(&mut command).expect("git does it");
        };
        git(&["init", "--quiet"]);
        for (name, text) in [
            (".gitignore", "ignored"),
            ("b", "text"),
            ("gone", ""),
            ("ignored", ""),
        ] {
            fs::write(root.join(name), text).expect("writes");
        }
        git(&["add", "b", "gone", ".gitignore"]);
        git(&["update-index", "--chmod=+x", "b"]);
        fs::remove_file(root.join("gone")).expect("removes");
        fs::write(root.join("a new file"), [0xff]).expect("writes");
        let listed = list(root).expect("lists");
        let shown: Vec<_> = listed
            .iter()
            .map(|source| {
                (
                    source.path.as_str(),
                    source.text.as_str(),
                    source.is_executable,
                    source.is_tracked,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                (".gitignore", "ignored", false, true),
                ("a new file", "", false, false),
                ("b", "text", true, true)
            ]
        );
    }
}
