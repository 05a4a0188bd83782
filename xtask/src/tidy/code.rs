//! What code must not hold, and where `unsafe` may stand.

use anyhow::{Context as _, Result, ensure};

use super::{
    Finding,
    arrows::quoted,
    rust::{RustFile, What},
};

const PAGE: &str = "ARCHITECTURE.md";
/// The paragraph of the page that names the places.
const UNSAFE_PARAGRAPH: &str = "`unsafe` stands in ";
/// Its macros are expanded where one cannot know which lints they trip, so that `expect` would fail in turn.
const MAY_ALLOW: &str = "plugin-api/abi/";
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// The files, and folders, in which `unsafe` may stand, as the page names them.
///
/// # Errors
/// If it names none.
pub fn unsafe_places(page: &str) -> Result<Vec<String>> {
    let paragraph = page
        .split("\n\n")
        .find(|paragraph| paragraph.starts_with(UNSAFE_PARAGRAPH))
        .with_context(|| format!("expected a paragraph `{UNSAFE_PARAGRAPH}…` in {PAGE}, found none"))?;
    let places = quoted(&paragraph[UNSAFE_PARAGRAPH.len()..]);
    ensure!(
        !places.is_empty(),
        "expected files in `…` in that paragraph of {PAGE}, found none"
    );
    Ok(places)
}

/// What the file holds and should not.
pub fn check(file: &RustFile, unsafe_places: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for fact in &file.facts {
        let what = match &fact.what {
            What::Attribute(name) if name == "allow" && !file.path.starts_with(MAY_ALLOW) => {
                "expected `#[expect(…, reason = \"…\")]`, found `#[allow(…)]`".to_owned()
            }
            What::Attribute(name) if name == "ignore" => {
                "expected a test that runs, found `#[ignore]`".to_owned()
            }
            What::Macro(name) if UNFINISHED.contains(&name.as_str()) => {
                format!("expected finished code, found `{name}!`")
            }
            What::Path(path) if fact.in_tests && is_sleep(path) => {
                "expected a test that polls with a deadline, found `thread::sleep`".to_owned()
            }
            What::Unsafe if !unsafe_places.iter().any(|place| is_within(&file.path, place)) => {
                format!("expected `unsafe` only where {PAGE} says, found it here")
            }
            _ => continue,
        };
        findings.push(Finding::new(&file.path, fact.line, what));
    }
    findings
}

/// Places of the page where no `unsafe` stands any more.
pub fn unused_places(places: &[String], with_unsafe: &[String]) -> Vec<Finding> {
    let is_used = |place: &&String| with_unsafe.iter().any(|path| is_within(path, place));
    let unused = places.iter().filter(|place| !is_used(place));
    unused
        .map(|place| {
            Finding::new(
                PAGE,
                0,
                format!("names `{place}` for its `unsafe`, found none there"),
            )
        })
        .collect()
}

fn is_within(path: &str, place: &str) -> bool {
    let place = place.trim_end_matches('/');
    path.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_sleep(path: &[String]) -> bool {
    matches!(path, [.., module, function] if module == "thread" && function == "sleep")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str) -> Vec<String> {
        let file = RustFile::parse(path, text).expect("is Rust");
        let findings = check(
            &file,
            &["host/src/library.rs".to_owned(), "tests/plugins/raw".to_owned()],
        );
        findings.iter().map(Finding::to_string).collect()
    }

    #[test]
    fn what_code_must_not_hold_is_found_with_its_line() {
        let text = "#[allow(dead_code)]\nfn f() { todo!(); std::dbg!(1);\nunimplemented!(\"x\") }\n#[ignore = \"slow\"]\nfn g() {}";
        let findings = check_text("host/src/a.rs", text);
        assert_eq!(findings.len(), 5, "{findings:?}");
        assert_eq!(
            findings[0],
            "host/src/a.rs:1: expected `#[expect(…, reason = \"…\")]`, found `#[allow(…)]`"
        );
        assert_eq!(
            findings[3],
            "host/src/a.rs:3: expected finished code, found `unimplemented!`"
        );
    }

    #[test]
    fn only_tests_must_not_sleep() {
        let text = "use std::thread::{self, sleep};\nfn f() { thread::sleep(X) }";
        assert!(check_text("host/src/a.rs", text).is_empty());
        assert!(check_text("tests/plugins/misbehave/src/lib.rs", text).is_empty());
        assert_eq!(check_text("tests/it/boot.rs", text).len(), 2);
        assert!(check_text("tests/it/boot.rs", "use tokio::time::sleep;").is_empty());
    }

    #[test]
    fn unsafe_stands_only_in_the_places_that_the_page_names() {
        let text = "fn f() { unsafe { g() } }";
        assert!(check_text("host/src/library.rs", text).is_empty());
        assert!(check_text("tests/plugins/raw/src/lib.rs", text).is_empty());
        assert_eq!(check_text("tests/plugins/raw2/src/lib.rs", text).len(), 1);
        assert_eq!(check_text("host/src/library.rs.rs", text).len(), 1);
    }

    #[test]
    fn the_page_names_the_places_and_none_in_vain() {
        let page = "A.\n\n`unsafe` stands in `a.rs`, and\namong tests in `b/c`; nowhere else.\n\nB `d`.";
        let places = unsafe_places(page).expect("names some");
        assert_eq!(places, ["a.rs", "b/c"]);
        let findings = unused_places(&places, &["b/c/lib.rs".to_owned()]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].what.contains("`a.rs`"));
        assert!(unsafe_places("`unsafe` is bad.").is_err());
    }
}
