//! `cargo xtask tidy`: the house rules as a test. Each rule is a file; none of them changes anything.

mod arrows;
mod code;
mod layout;
mod rust;
mod sources;
mod text;

use anyhow::{Result, bail};
use clap::Args;

use self::{rust::RustFile, sources::Source};
use crate::workspace::repository;

/// Check the house rules
///
/// Who imports whom and where `unsafe` may stand, as ARCHITECTURE.md says; what code must not hold (`#[allow]`, `#[ignore]`,
/// `todo!`, `dbg!`, sleeping tests); that modules say what they are for; versions, modes and paths in the files of the
/// repository. Looks at what git tracks and at what is new and not ignored.
///
/// Prints one finding a line, `FILE:LINE: what`. Those that begin with `warning` do not fail.
#[derive(Args, Default)]
pub struct Tidy {}

/// Something that a rule has against a file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the root of the repository.
    pub path: String,
    /// The line, from 1; 0 if it is about the whole file.
    pub line: usize,
    /// What is wrong and what is expected.
    pub what: String,
    /// It is shown and does not fail.
    pub is_warning: bool,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
            is_warning: false,
        }
    }

    fn warning(path: &str, what: impl Into<String>) -> Self {
        Self {
            is_warning: true,
            ..Self::new(path, 0, what)
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.what)
    }
}

impl Tidy {
    /// Looks at every file.
    pub fn run(self) -> Result<()> {
        let sources = sources::list(&repository())?;
        let mut findings = check(&sources)?;
        findings.sort();
        for finding in &findings {
            println!("{finding}");
        }
        let errors = findings.iter().filter(|finding| !finding.is_warning).count();
        let warnings = findings.len() - errors;
        eprintln!(
            "tidy: {} files, {errors} errors, {warnings} warnings",
            sources.len()
        );
        if errors > 0 {
            bail!(
                "{errors} places break a house rule; CONTRIBUTING.md and ARCHITECTURE.md say why they are there"
            );
        }
        Ok(())
    }
}

fn check(sources: &[Source]) -> Result<Vec<Finding>> {
    let architecture = sources::required(sources, "ARCHITECTURE.md")?;
    let arrows = arrows::Arrows::read(&architecture.text)?;
    let unsafe_places = code::unsafe_places(&architecture.text)?;
    let mut findings = layout::check(sources)?;
    let mut modules = Vec::new();
    let mut with_unsafe = Vec::new();
    for source in sources {
        findings.extend(text::check(source));
        if !source.path.ends_with(".rs") {
            continue;
        }
        let file = match RustFile::parse(&source.path, &source.text) {
            Ok(file) => file,
            Err(error) => {
                findings.push(Finding::new(&source.path, 0, error.to_string()));
                continue;
            }
        };
        findings.extend(code::check(&file, &unsafe_places));
        findings.extend(arrows.check(&file));
        if file.has_unsafe() {
            with_unsafe.push(source.path.clone());
        }
        modules.extend(arrows::module_of(&source.path));
    }
    findings.extend(arrows.check_modules(&modules));
    findings.extend(code::unused_places(&unsafe_places, &with_unsafe));
    Ok(findings)
}
