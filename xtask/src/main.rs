//! The one door to everything that is done with this repository: `cargo xtask COMMAND`. Progress goes to stderr, data to
//! stdout.
//!
//! Each command is a file of its own, with a struct of its arguments and a method `run`; a new one is a `mod`, a variant of
//! [`Command`] and a line in [`Command::run`].

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::package;

/// The one door to everything that is done with this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Package(package::Package),
}

impl Command {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Package(package) => package.run(),
        }
    }
}

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
