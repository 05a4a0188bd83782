//! The one door to everything that is done with this repository: `cargo xtask COMMAND`. Progress goes to stderr, data to
//! stdout.
//!
//! Each command is a file of its own, with a struct of its arguments and a method `run`; a new one is a `mod`, a variant of
//! `Command` and a line in `Command::run`. It is a library so that tests can pack plugins, and cut the power, as
//! the command does.

mod artifacts;
mod bench;
mod ci;
mod conformance;
mod daemon;
mod demo;
mod home;
mod new_plugin;
pub mod package;
mod process;
mod run;
mod schemathesis;
mod socket;
mod test;
mod tidy;
pub mod torture;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The one door to everything that is done with this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Run),
    Demo(demo::Demo),
    Test(test::Test),
    Ci(ci::Ci),
    Tidy(tidy::Tidy),
    Package(package::Package),
    NewPlugin(new_plugin::NewPlugin),
    Bench(bench::Bench),
    Schemathesis(schemathesis::Schemathesis),
    Conformance(conformance::Conformance),
    Torture(torture::Torture),
}

impl Command {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Run(run) => run.run(),
            Self::Demo(demo) => demo.run(),
            Self::Test(test) => test.run(),
            Self::Ci(ci) => ci.run(),
            Self::Tidy(tidy) => tidy.run(),
            Self::Package(package) => package.run(),
            Self::NewPlugin(new) => new.run(),
            Self::Bench(bench) => bench.run(),
            Self::Schemathesis(schemathesis) => schemathesis.run(),
            Self::Conformance(conformance) => conformance.run(),
            Self::Torture(torture) => torture.run(),
        }
    }
}

/// This machine lacks what it takes.
const CANNOT_BEGIN: u8 = 2;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<process::AlreadyTold>() => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            match error.is::<process::NotInstalled>() {
                true => ExitCode::from(CANNOT_BEGIN),
                false => ExitCode::FAILURE,
            }
        }
    }
}
