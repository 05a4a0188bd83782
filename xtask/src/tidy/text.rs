//! What holds for every file of text: its form, and that it says nothing of the machine it was written on.

use super::{Finding, sources::Source};
use crate::workspace::repository;

/// A file that is longer is read in pieces by nobody.
const MAX_LINES: usize = 600;
/// Layouts as a library prints them: they are compared byte for byte.
const VERBATIM: &str = "plugin-api/abi/frozen/";
/// Folders under which people and build machines keep their own.
const MACHINE_FOLDERS: [&str; 5] = ["home", "root", "Users", "builds", "workspace"];
/// A user as an example shows one.
const EXAMPLE_USER: &str = "kora";

/// What is wrong with the file.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_rust = source.path.ends_with(".rs");
    if is_rust && !source.text.starts_with("//!") {
        findings.push(Finding::new(
            &source.path,
            1,
            "expected `//!` and what the module is responsible for, found something else",
        ));
    }
    let lines = source.text.lines().count();
    if is_rust && lines > MAX_LINES {
        let what = format!("has {lines} lines, more than {MAX_LINES}: is it one thing?");
        findings.push(Finding::warning(&source.path, what));
    }
    if source.path.starts_with(VERBATIM) {
        return findings;
    }
    if !source.text.is_empty() && !source.text.ends_with('\n') {
        findings.push(Finding::new(
            &source.path,
            lines,
            "expected a line end at the end, found none",
        ));
    }
    let clone = repository().display().to_string();
    for (index, line) in source.text.lines().enumerate() {
        if let Some(what) = fault_of_line(line, &clone) {
            findings.push(Finding::new(&source.path, index + 1, what));
        }
    }
    findings
}

fn fault_of_line(line: &str, clone: &str) -> Option<String> {
    if line.ends_with([' ', '\t', '\r']) {
        return Some("found white space at the end of the line".to_owned());
    }
    let found = machine_path(line).or_else(|| line.contains(clone).then(|| clone.to_owned()))?;
    Some(format!("expected no path of a machine, found `{found}`"))
}

fn machine_path(line: &str) -> Option<String> {
    MACHINE_FOLDERS.iter().find_map(|folder| {
        let begin = format!("/{folder}/");
        line.match_indices(&begin).find_map(|(at, _)| {
            let is_root = !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}*".contains(c));
            let is_example = line[at + begin.len()..].starts_with(EXAMPLE_USER);
            (is_root && !is_example).then(|| begin.clone())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str) -> Vec<String> {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
            ..Source::default()
        };
        check(&source).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_module_begins_with_what_it_is_responsible_for() {
        assert!(check_text("a.rs", "//! Does it.\n").is_empty());
        assert_eq!(check_text("a.rs", "// Does it.\n").len(), 1);
        assert!(check_text("a.md", "Text.\n").is_empty());
    }

    #[test]
    fn a_long_module_is_a_warning() {
        let text = format!("//! Long.\n{}", "x\n".repeat(MAX_LINES));
        assert_eq!(
            check_text("a.rs", &text),
            ["warning: a.rs: has 601 lines, more than 600: is it one thing?"]
        );
    }

    #[test]
    fn white_space_at_an_end_is_found_but_in_what_is_verbatim() {
        assert_eq!(
            check_text("a.md", "a \nb\n"),
            ["a.md:1: found white space at the end of the line"]
        );
        assert_eq!(
            check_text("a.md", "a\nb"),
            ["a.md:2: expected a line end at the end, found none"]
        );
        assert!(check_text("plugin-api/abi/frozen/a.txt", "a \nb").is_empty());
    }

    #[test]
    fn a_path_of_a_machine_is_found_and_an_example_is_not() {
        for folder in MACHINE_FOLDERS {
            assert_eq!(
                check_text("a.md", &format!("see /{folder}/ada/kora\n")).len(),
                1,
                "{folder}"
            );
        }
        assert_eq!(
            check_text("a.md", &format!("in {}\n", repository().display())).len(),
            1
        );
        for text in [
            "/home/kora/plugins",
            "target/workspace/x",
            "~/home/x",
            "https://a.b/c",
        ] {
            assert!(check_text("a.md", &format!("{text}\n")).is_empty(), "{text}");
        }
    }
}
