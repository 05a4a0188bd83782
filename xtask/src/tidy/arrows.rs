//! Who imports whom among the modules of the host: the table in ARCHITECTURE.md, and what the code does.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};

use super::{
    Finding,
    rust::{RustFile, What, module_path},
};

const PAGE: &str = "ARCHITECTURE.md";
const HOST: &str = "host/src/";
/// The first cells of the table.
const HEAD: [&str; 2] = ["module", "may import"];
const EVERYTHING: &str = "everything";
const NOTHING: &str = "nothing";

/// What the table says.
#[derive(Debug)]
pub struct Arrows {
    allowed: BTreeMap<String, Allowed>,
}

#[derive(Debug, PartialEq, Eq)]
enum Allowed {
    Everything,
    /// Modules, or parts of one: each a path without `crate`.
    Only(Vec<Vec<String>>),
}

/// The module of the host that the file belongs to; none for the root of the crate and for files elsewhere.
pub fn module_of(path: &str) -> Option<String> {
    module_path(path.strip_prefix(HOST)?).into_iter().next()
}

impl Arrows {
    /// Reads the table of the page.
    ///
    /// # Errors
    /// If there is none, or a row cannot be read.
    pub fn read(page: &str) -> Result<Self> {
        let mut lines = page.lines().map(cells);
        lines
            .find(|cells| cells.as_slice() == HEAD)
            .with_context(|| format!("expected a table `{}` in {PAGE}, found none", HEAD.join(" | ")))?;
        let mut allowed = BTreeMap::new();
        for cells in lines.skip(1).take_while(|cells| !cells.is_empty()) {
            let [module, imports] = cells.as_slice() else {
                anyhow::bail!("expected rows of two cells in the table of {PAGE}, found {cells:?}");
            };
            let modules = quoted(module);
            ensure!(
                !modules.is_empty(),
                "expected a module in `…`, found {module:?} in {PAGE}"
            );
            for module in modules {
                allowed.insert(module, Allowed::read(imports)?);
            }
        }
        Ok(Self { allowed })
    }

    /// What the file imports and may not. Tests may import what they like.
    pub fn check(&self, file: &RustFile) -> Vec<Finding> {
        let Some(module) = module_of(&file.path) else {
            return Vec::new();
        };
        let Some(Allowed::Only(allowed)) = self.allowed.get(&module) else {
            return Vec::new();
        };
        let mut told = BTreeSet::new();
        let mut findings = Vec::new();
        for fact in file.facts.iter().filter(|fact| !fact.in_tests) {
            let What::Path(path) = &fact.what else { continue };
            let Some(imported) = self.imported(path).filter(|imported| imported[0] != module) else {
                continue;
            };
            let is_allowed = allowed.iter().any(|allowed| imported.starts_with(allowed));
            if !is_allowed && told.insert((fact.line, imported)) {
                let what = format!(
                    "`{module}` imports `{}`, which the table in {PAGE} does not allow",
                    imported.join("::")
                );
                findings.push(Finding::new(&file.path, fact.line, what));
            }
        }
        findings
    }

    /// The path without `crate`, if it leads into a module of the host.
    fn imported<'a>(&self, path: &'a [String]) -> Option<&'a [String]> {
        let (first, rest) = path.split_first()?;
        (first == "crate" && self.allowed.contains_key(rest.first()?)).then_some(rest)
    }

    /// The modules that there are, against those of the table.
    pub fn check_modules(&self, modules: &[String]) -> Vec<Finding> {
        let there: BTreeSet<_> = modules.iter().collect();
        let missing = there
            .iter()
            .filter(|module| !self.allowed.contains_key(**module))
            .map(|module| format!("expected a row for the module `{module}` of the host, found none"));
        let gone = self
            .allowed
            .keys()
            .filter(|module| !there.contains(module))
            .map(|module| format!("expected modules of the host, found a row for `{module}`, which is none"));
        missing
            .chain(gone)
            .map(|what| Finding::new(PAGE, 0, what))
            .collect()
    }
}

impl Allowed {
    fn read(cell: &str) -> Result<Self> {
        let paths = quoted(cell);
        match cell {
            EVERYTHING => return Ok(Self::Everything),
            NOTHING => {}
            _ => ensure!(
                !paths.is_empty(),
                "expected modules in `…`, `{NOTHING}` or `{EVERYTHING}` in the table of {PAGE}, found {cell:?}"
            ),
        }
        let names = |path: &String| path.split("::").map(str::to_owned).collect();
        Ok(Self::Only(paths.iter().map(names).collect()))
    }
}

/// The cells of a row of a table; none of another line.
fn cells(line: &str) -> Vec<&str> {
    let row = line
        .trim()
        .strip_prefix('|')
        .and_then(|row| row.strip_suffix('|'));
    row.map(|row| row.split('|').map(str::trim).collect())
        .unwrap_or_default()
}

/// What stands in backquotes.
pub fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Before.\n\n| module | may import |\n|---|---|\n| `domain` | nothing |\n| `state`, `tenants` | `domain` |\n| `store` | `domain` |\n| `cli` | `domain`, `store::verify` |\n| `app` | everything |\n\nAfter.";

    fn check(path: &str, text: &str) -> Vec<String> {
        let arrows = Arrows::read(TABLE).expect("reads");
        let file = RustFile::parse(path, text).expect("is Rust");
        arrows.check(&file).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn an_import_that_the_table_does_not_allow_is_found_with_its_line() {
        let text = "use crate::domain::A;\nfn f() { crate::store::open(); super::cli::x(); }";
        assert_eq!(
            check("host/src/state.rs", text),
            [
                "host/src/state.rs:2: `state` imports `store::open`, which the table in ARCHITECTURE.md does not allow",
                "host/src/state.rs:2: `state` imports `cli::x`, which the table in ARCHITECTURE.md does not allow",
            ]
        );
        assert_eq!(check("host/src/domain/ids.rs", "use crate::state::A;").len(), 1);
    }

    #[test]
    fn a_part_of_a_module_can_be_allowed_alone() {
        let text = "use crate::store::{verify::{A, B}, verify};";
        assert!(check("host/src/cli/events.rs", text).is_empty());
        assert_eq!(
            check("host/src/cli/events.rs", "use crate::store::sqlite::A;").len(),
            1
        );
    }

    #[test]
    fn tests_may_import_what_they_like() {
        assert!(check("host/src/state/tests/pausing.rs", "use crate::app::A;").is_empty());
        assert!(
            check(
                "host/src/state.rs",
                "#[cfg(test)]\nmod tests { use crate::app::A; }"
            )
            .is_empty()
        );
    }

    #[test]
    fn own_parts_other_crates_the_root_and_who_may_import_everything_are_no_matter() {
        for path in [
            "host/src/app/boot.rs",
            "host/src/lib.rs",
            "xtask/src/main.rs",
            "plugins/kora/src/lib.rs",
        ] {
            assert!(check(path, "use crate::store::A;").is_empty(), "{path}");
        }
        assert!(
            check(
                "host/src/store/a.rs",
                "use crate::store::b; use std::store::c; use crate::no_module::d;"
            )
            .is_empty()
        );
    }

    #[test]
    fn a_module_without_a_row_and_a_row_without_a_module_are_found() {
        let arrows = Arrows::read(TABLE).expect("reads");
        let modules = ["domain", "state", "tenants", "store", "app", "mcp"].map(str::to_owned);
        let findings: Vec<_> = arrows
            .check_modules(&modules)
            .into_iter()
            .map(|f| f.what)
            .collect();
        assert_eq!(
            findings,
            [
                "expected a row for the module `mcp` of the host, found none",
                "expected modules of the host, found a row for `cli`, which is none"
            ]
        );
    }

    #[test]
    fn a_page_without_the_table_is_an_error() {
        assert!(Arrows::read("| a | b |\n|---|---|\n| `domain` | nothing |").is_err());
        assert!(Arrows::read("| module | may import |\n|---|---|\n| `domain` | whatever |").is_err());
    }
}
