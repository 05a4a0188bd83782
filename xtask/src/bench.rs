//! `cargo xtask bench`: builds what is measured as it ships, and lets `kora-bench` (in `tests/src/bench`) measure it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::workspace::{cargo, repository};

/// Measure the budgets side by side, in one run
///
/// Everything is built with the release profile, and each bench holds a figure against another one of the same run; see
/// `docs/benchmarks.md`. Exits 0 whether the budgets hold or not, unless `--enforce` is given; 1 if something cannot be built or
/// measured.
#[derive(Args)]
pub struct Bench {
    /// Only these: boundary, identity, append, verify, scale, mcp, admission, start, idle, tenants, or a row such as `append/store`
    #[arg(value_name = "NAME", value_parser = bench_or_row)]
    names: Vec<String>,
    /// Print one JSON object a line, for each figure
    #[arg(long)]
    json: bool,
    /// Shorter slices and fewer rounds: to see whether it works, not for figures
    #[arg(long)]
    quick: bool,
    /// Exit 1 if a budget does not hold
    #[arg(long)]
    enforce: bool,
}

/// The benches of `kora-bench`, which says the same of a name only once it is built.
const BENCHES: [&str; 10] = [
    "boundary",
    "identity",
    "append",
    "verify",
    "scale",
    "mcp",
    "admission",
    "start",
    "idle",
    "tenants",
];

fn bench_or_row(name: &str) -> Result<String, String> {
    let bench = name.split('/').next().unwrap_or_default();
    if BENCHES.contains(&bench) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "expected one of {}, or a row of one of them",
        BENCHES.join(", ")
    ))
}

/// One cargo invocation for each library: together they would share their features, and not be what ships.
const LIBRARIES: [&[&str]; 3] = [
    &["--package", "kora-plugin-kora"],
    &["--package", "kora-plugin-marvin"],
    &["--package", "kora-bench-boundary", "--example", "bench_boundary"],
];

const HOST: &[&str] = &[
    "--package",
    "kora-host",
    "--package",
    "kora-tests",
    "--features",
    "kora-tests/bench",
    "--bin",
    "kora",
    "--bin",
    "kora-bench",
];

/// What `kora-bench` exits with where the budgets are enforced. If it cannot measure, it exits with 2.
const BUDGET_DOES_NOT_HOLD: i32 = 1;

impl Bench {
    /// Builds, then measures.
    pub fn run(self) -> Result<()> {
        let target = repository().join("target");
        LIBRARIES
            .iter()
            .chain([&HOST])
            .try_for_each(|what| build(&target, what))?;
        let release = target.join("release");
        let libraries = gather(&release)?;
        let mut command = std::process::Command::new(release.join("kora-bench"));
        command
            .arg("--kora")
            .arg(release.join("kora"))
            .arg("--libraries")
            .arg(libraries)
            .arg("--scratch")
            .arg(target.join("bench"))
            .args(self.names);
        for (is_set, flag) in [
            (self.json, "--json"),
            (self.quick, "--quick"),
            (self.enforce, "--enforce"),
        ] {
            command.args(is_set.then_some(flag));
        }
        let status = command.status().context("cannot run `kora-bench`")?;
        match status.code() {
            Some(0) => Ok(()),
            Some(BUDGET_DOES_NOT_HOLD) if self.enforce => bail!("a budget does not hold"),
            _ => bail!("`kora-bench` did not measure everything; what it says is above ({status})"),
        }
    }
}

fn build(target: &Path, what: &[&str]) -> Result<()> {
    let status = cargo()
        .args(["build", "--release", "--locked"])
        .args(what)
        .arg("--manifest-path")
        .arg(repository().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .context("cannot run `cargo build`")?;
    ensure!(status.success(), "`cargo build` failed; what it says is above");
    Ok(())
}

/// Puts the libraries side by side.
fn gather(release: &Path) -> Result<PathBuf> {
    let libraries = release.join("libraries");
    std::fs::create_dir_all(&libraries)?;
    for (from, name) in [
        (release.to_owned(), "libkora.so"),
        (release.to_owned(), "libmarvin.so"),
        (release.join("examples"), "libbench_boundary.so"),
    ] {
        let from = from.join(name);
        std::fs::copy(&from, libraries.join(name))
            .with_context(|| format!("expected a library at `{}`, found none", from.display()))?;
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_that_there_is_not_is_refused_before_anything_is_built() {
        assert_eq!(bench_or_row("append/store"), Ok("append/store".to_owned()));
        let refused = bench_or_row("nonsense").unwrap_err();
        assert!(BENCHES.iter().all(|bench| refused.contains(bench)), "{refused}");
    }

    #[test]
    fn the_benches_are_those_that_are_measured() {
        let source = include_str!("../../tests/src/bench/main.rs");
        let table = source
            .split("const BENCHES")
            .nth(1)
            .and_then(|rest| rest.split("];").next());
        let names = table
            .unwrap()
            .lines()
            .filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next());
        assert_eq!(names.collect::<Vec<_>>(), BENCHES);
    }
}
