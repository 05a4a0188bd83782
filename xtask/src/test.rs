//! `cargo xtask test`: all tests, with `cargo nextest` where it is installed and `cargo test` where not. Installs nothing.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::{
    process::{self, AlreadyTold},
    workspace::cargo_here,
};

/// Run the tests
///
/// Doctests first, then all others with `cargo nextest` where it is installed and with `cargo test` where not: the same tests.
/// All of them run, whatever fails, and the last that is printed is the runner's own summary.
#[derive(Args, Default)]
pub struct Test {
    /// Only tests whose name holds one of these
    filter: Vec<String>,
}

impl Test {
    /// Builds once, and runs.
    pub fn run(self) -> Result<()> {
        let doctests = process::run(&mut doctests(&self.filter));
        if let Err(error) = &doctests {
            eprintln!("error: {error:#}");
        }
        let mut tests = match Runner::installed() {
            Runner::Nextest => nextest(&self.filter),
            Runner::Cargo => cargo_test(&self.filter),
        };
        // What the runner says last is what a reader looks for: nothing is added to it.
        let tests = process::run(&mut tests);
        doctests.and(tests).map_err(|_| AlreadyTold.into())
    }
}

enum Runner {
    Nextest,
    Cargo,
}

impl Runner {
    fn installed() -> Self {
        if process::has_cargo_command("nextest") {
            Self::Nextest
        } else {
            Self::Cargo
        }
    }
}

/// Of the whole workspace, because the packages of a smaller choice have other features and would be built once more.
fn doctests(filter: &[String]) -> Command {
    let mut command = cargo_here();
    command.args(["test", "--workspace", "--doc", "--no-fail-fast", "--quiet", "--"]);
    command.args(filter);
    command
}

fn nextest(filter: &[String]) -> Command {
    let mut command = cargo_here();
    command.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
    command.args(filter);
    command
}

fn cargo_test(filter: &[String]) -> Command {
    let mut command = cargo_here();
    command.args(["test", "--no-fail-fast"]).args(TARGETS).arg("--");
    command.args(filter);
    command
}

/// What `cargo nextest` runs: everything but the doctests, which come last otherwise.
const TARGETS: [&str; 2] = ["--workspace", "--tests"];

/// Builds all tests and what they need, as the runners do, without running any.
pub fn build_command() -> Command {
    let mut command = cargo_here();
    command.args(["test", "--no-run"]).args(TARGETS);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_reaches_every_runner_as_a_filter_and_not_as_an_option() {
        let filter = ["swap".to_owned(), "rollback".to_owned()];
        let ends = [doctests(&filter), nextest(&filter), cargo_test(&filter)].map(|command| {
            let shown = process::shown(&command);
            shown.ends_with(" swap rollback").then_some(shown)
        });
        let [Some(doctests), Some(_), Some(cargo_test)] = ends else {
            panic!("a filter is missing")
        };
        assert!(doctests.contains(" -- ") && cargo_test.contains(" -- "));
    }
}
