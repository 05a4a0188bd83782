//! What the suite found: its summary, and the checks that failed.

use std::{collections::BTreeSet, fmt, fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// A scenario of the summary.
#[derive(Debug, PartialEq, Eq)]
struct Scenario {
    name: String,
    passed: u32,
    failed: u32,
    /// Whether it counts for the set: extensions and what came after a release do not.
    is_scored: bool,
    /// The checks that failed, with what was found.
    failures: Vec<String>,
}

/// All of a set of requirements.
pub struct Report {
    scenarios: Vec<Scenario>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    id: String,
    status: String,
    #[serde(default)]
    error_message: Option<String>,
}

impl Report {
    /// Reads what the suite printed, and the folder into which it wrote its checks.
    ///
    /// # Errors
    /// If there is no summary, or a file cannot be read.
    pub fn read(printed: &str, out: &Path) -> Result<Self> {
        let mut scenarios = summary(printed);
        ensure!(
            !scenarios.is_empty(),
            "expected a summary of the suite, found:\n{printed}"
        );
        for scenario in scenarios.iter_mut().filter(|scenario| scenario.failed > 0) {
            scenario.failures = failures(out, &scenario.name)?;
        }
        Ok(Self { scenarios })
    }

    /// What counts, failed, and is not among these; and what is among them and did not fail.
    pub fn surprises(&self, explained: &[&str], set: &str) -> Vec<String> {
        let scored = self.scenarios.iter().filter(|scenario| scenario.is_scored);
        let surprising =
            scored.filter(|scenario| (scenario.failed > 0) != explained.contains(&scenario.name.as_str()));
        surprising
            .map(|scenario| match scenario.failed {
                0 => format!("{set}/{} (explained, and passed)", scenario.name),
                _ => format!("{set}/{}", scenario.name),
            })
            .collect()
    }
}

fn summary(printed: &str) -> Vec<Scenario> {
    let (_, summary) = printed.split_once("=== SUMMARY ===").unwrap_or_default();
    let (scored, rest) = summary.split_once("Not scored").unwrap_or((summary, ""));
    let unscored: BTreeSet<&str> = rest
        .lines()
        .filter_map(|line| marked(line)?.split(' ').next())
        .collect();
    let scenario = |line| {
        let (name, counts) = marked(line)?.split_once(": ")?;
        let (passed, failed) = counts.split_once(" passed, ")?;
        Some(Scenario {
            name: name.to_owned(),
            passed: passed.parse().ok()?,
            failed: failed.split(' ').next()?.parse().ok()?,
            is_scored: !unscored.contains(name),
            failures: Vec::new(),
        })
    };
    scored.lines().filter_map(scenario).collect()
}

/// What stands behind the mark of a line.
fn marked(line: &str) -> Option<&str> {
    let line = line.trim();
    line.strip_prefix("✓ ").or_else(|| line.strip_prefix("✗ "))
}

fn failures(out: &Path, scenario: &str) -> Result<Vec<String>> {
    let folder = fs::read_dir(out)
        .with_context(|| format!("cannot read `{}`", out.display()))?
        .flatten()
        .find(|entry| is_of(&entry.file_name().to_string_lossy(), scenario))
        .with_context(|| {
            format!(
                "expected results of `{scenario}` in `{}`, found none",
                out.display()
            )
        })?;
    let text = fs::read_to_string(folder.path().join("checks.json"))?;
    let checks: Vec<Check> = serde_json::from_str(&text).context("cannot read the checks of the suite")?;
    let failed = checks.into_iter().filter(|check| check.status == "FAILURE");
    let shown = failed.map(|check| format!("{}: {}", check.id, check.error_message.unwrap_or_default()));
    Ok(shown.collect())
}

/// A folder is named after its scenario and the time.
fn is_of(folder: &str, scenario: &str) -> bool {
    let rest = folder
        .strip_prefix("server-")
        .and_then(|rest| rest.strip_prefix(scenario));
    rest.and_then(|rest| rest.strip_prefix('-'))
        .is_some_and(|time| time.starts_with(|first: char| first.is_ascii_digit()))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (is_scored, what) in [(true, "scored"), (false, "not scored")] {
            let of_them = || {
                self.scenarios
                    .iter()
                    .filter(|scenario| scenario.is_scored == is_scored)
            };
            let passed: u32 = of_them().map(|scenario| scenario.passed).sum();
            let failed: u32 = of_them().map(|scenario| scenario.failed).sum();
            writeln!(
                f,
                "{what}: {} scenarios, {passed} checks passed, {failed} failed",
                of_them().count()
            )?;
            for scenario in of_them().filter(|scenario| scenario.failed > 0) {
                writeln!(f, "  ✗ {}", scenario.name)?;
                for failure in &scenario.failures {
                    writeln!(f, "      {failure}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "running
=== SUMMARY ===
✓ ping: 2 passed, 0 failed
✗ tools-call: 1 passed, 1 failed
✗ tasks: 1 passed, 8 failed

Total: 4 passed, 9 failed

Not scored for 2026-07-28: 1 scenario(s) run, 1 failing. These do not affect conformance.
  ✗ tasks (extension)
";

    #[test]
    fn a_summary_tells_what_counts() {
        let scenarios = summary(PRINTED);
        let counted: Vec<_> = scenarios
            .iter()
            .map(|scenario| (scenario.name.as_str(), scenario.failed, scenario.is_scored))
            .collect();
        assert_eq!(
            counted,
            [("ping", 0, true), ("tools-call", 1, true), ("tasks", 8, false)]
        );
        let report = Report { scenarios };
        assert_eq!(report.surprises(&[], "s"), ["s/tools-call"]);
        assert_eq!(report.surprises(&["tools-call"], "s"), [] as [&str; 0]);
        assert_eq!(
            report.surprises(&["tools-call", "ping"], "s"),
            ["s/ping (explained, and passed)"]
        );
        assert!(is_of("server-tools-call-2026-01-01", "tools-call"));
        assert!(!is_of("server-tools-call-error-2026-01-01", "tools-call"));
    }
}
