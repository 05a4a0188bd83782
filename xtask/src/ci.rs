//! `cargo xtask ci`: what continuous integration runs, step by step, the quick ones first. All of them run, whatever fails.

mod references;

use std::{process::Command, time::Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{process, test::Test, tidy::Tidy, workspace::cargo_here};

/// Run what continuous integration runs
///
/// Formatting, the house rules, clippy, the documentation of our packages, the generated references, `cargo deny` where it is
/// installed, and the tests. All steps run; those that failed are named at the end.
#[derive(Args)]
pub struct Ci {
    /// Leave the tests out; they are built all the same
    #[arg(long)]
    without_tests: bool,
    /// Write the generated references anew instead of comparing them
    #[arg(long)]
    bless: bool,
}

impl Ci {
    /// Runs the steps in order.
    pub fn run(self) -> Result<()> {
        let mut failed = Vec::new();
        let mut step = |name, run: &dyn Fn() -> Result<()>| {
            if !succeeds(name, run) {
                failed.push(name);
            }
        };
        step("formatting", &|| {
            process::run(cargo_here().args(["fmt", "--all", "--check"]))
                .context("not formatted; `cargo fmt --all` does it")
        });
        step("house rules", &|| Tidy::default().run());
        step("clippy", &|| process::run(&mut clippy()));
        step("documentation", &|| process::run(&mut documentation()));
        step("references", &|| references::check(self.bless));
        step("dependencies", &dependencies);
        if self.without_tests {
            eprintln!("── the tests are left out");
        } else {
            step("tests", &|| Test::default().run());
        }
        ensure!(failed.is_empty(), "these steps failed: {}", failed.join(", "));
        Ok(())
    }
}

/// Says what begins, how long it took, and what it has failed by.
fn succeeds(name: &str, run: &dyn Fn() -> Result<()>) -> bool {
    let began = Instant::now();
    eprintln!("── {name}");
    let result = run();
    let took = began.elapsed().as_secs_f64();
    match &result {
        Ok(()) => eprintln!("── {name}: ok, {took:.1} s"),
        Err(error) => eprintln!("── {name}: failed, {took:.1} s: {error:#}"),
    }
    result.is_ok()
}

/// With what `cargo xtask bench` builds, which no test does. Of the packages outside this workspace it wants nothing besides, so
/// that nothing is built twice.
fn clippy() -> Command {
    let mut command = cargo_here();
    command.args(["clippy", "--workspace", "--all-targets", "--locked"]);
    command.args(["--features", "kora-tests/bench", "--"]);
    // For clippy alone: as `RUSTFLAGS`, all dependencies would be built once more.
    command.args(["-D", "warnings"]);
    command
}

fn documentation() -> Command {
    let mut command = cargo_here();
    command.args(["doc", "--workspace", "--no-deps", "--locked"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

/// Licences, sources and what is banned; of advisories the database would have to be fetched.
fn dependencies() -> Result<()> {
    if !process::has_cargo_command("deny") {
        eprintln!("left out: `cargo deny` is not installed");
        return Ok(());
    }
    process::run(cargo_here().args(["deny", "--locked", "check", "bans", "licenses", "sources"]))
}
