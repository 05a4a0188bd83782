//! What `cargo xtask bench` runs: the budgets of the design, each measured beside what it is held against, in one run.
//!
//! One file for each bench. A bench answers [`Row`]s; what is printed of them is decided here, and the exit code: 2 if something
//! cannot be measured, 1 if a budget does not hold that is enforced. Nothing here is a test: a figure depends on the machine and
//! on who else uses it, a ratio within one run much less.

mod admission;
mod append;
mod boundary;
mod daemon;
mod events;
mod home;
mod identity;
mod mcp;
mod measure;
mod postgres;
mod row;
mod scale;
mod tenants;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use tempfile::TempDir;

use self::row::{Row, table};

/// Measure the budgets side by side, in one run.
#[derive(Parser)]
struct Cli {
    /// Only these benches, or only these rows (`append`, `append/store`). Without any: all
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Shorter slices and fewer rounds: to see whether it works, not for figures
    #[arg(long)]
    quick: bool,
    /// Exit 1 if a budget does not hold
    #[arg(long)]
    enforce: bool,
    /// The `kora` command that is started
    #[arg(long, value_name = "FILE")]
    kora: PathBuf,
    /// Where the libraries of the plugins are
    #[arg(long, value_name = "DIR")]
    libraries: PathBuf,
    /// Where stores and homes are made, and removed again: on the kind of medium that is meant, never in memory
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,
}

/// What a bench needs of its surroundings.
pub struct Surroundings {
    /// Shorter, and worth less.
    pub quick: bool,
    kora: PathBuf,
    libraries: PathBuf,
    scratch: TempDir,
}

impl Surroundings {
    /// `full`, or `quick` where that was asked for.
    pub fn choose<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// The library of a plugin.
    pub fn library(&self, name: &str) -> PathBuf {
        self.libraries.join(format!("lib{name}.so"))
    }

    /// The `kora` command.
    pub fn kora(&self) -> &PathBuf {
        &self.kora
    }

    /// A folder of its own for `what`, removed at the end.
    pub fn folder(&self, what: &str) -> Result<PathBuf> {
        home::private_folder(&self.scratch.path().join(what))
    }
}

/// A bench: its name, and what it measures. The rows' names begin with it and a slash.
type Bench = (&'static str, fn(&Surroundings) -> Result<Vec<Row>>);

const BENCHES: [Bench; 10] = [
    ("boundary", boundary::bench),
    ("identity", identity::bench),
    ("append", append::bench),
    ("verify", verify::bench),
    ("scale", scale::bench),
    ("mcp", mcp::bench),
    ("admission", admission::bench),
    ("start", daemon::bench_start),
    ("idle", daemon::bench_idle),
    ("tenants", tenants::bench),
];

fn main() -> ExitCode {
    // What the bench of MCP holds the host against is this command again, in a process of its own.
    if std::env::args().nth(1).as_deref() == Some(mcp::ARGUMENT) {
        return match mcp::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::from(2)
            }
        };
    }
    match run(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let chosen: Vec<Bench> = BENCHES.into_iter().filter(|(name, _)| cli.wants(name)).collect();
    ensure!(
        !chosen.is_empty(),
        "expected one of `{}`, found `{}`",
        BENCHES.map(|(name, _)| name).join("`, `"),
        cli.names.join("`, `")
    );
    let surroundings = cli.surroundings()?;
    let mut rows = Vec::new();
    for (name, bench) in chosen {
        eprintln!("measuring {name}");
        let measured = bench(&surroundings).with_context(|| format!("cannot measure `{name}`"))?;
        for row in measured.into_iter().filter(|row| cli.wants_row(row)) {
            if cli.json {
                println!("{}", row.json());
            }
            rows.push(row);
        }
    }
    if !cli.json {
        print!("{}", table(&rows));
    }
    let broken = rows.iter().filter(|row| row.holds() == Some(false)).count();
    if broken > 0 {
        eprintln!("{broken} budget(s) did not hold");
    }
    let enforced = cli.enforce && broken > 0;
    Ok(if enforced {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

impl Cli {
    /// A bench is wanted for its own name, or for that of a row of it.
    fn wants(&self, bench: &str) -> bool {
        let is_of = |name: &String| name.split('/').next() == Some(bench);
        self.names.is_empty() || self.names.iter().any(is_of)
    }

    fn wants_row(&self, row: &Row) -> bool {
        let names = |name: &String| row.bench == *name || row.bench.split('/').next() == Some(name);
        self.names.is_empty() || self.names.iter().any(names)
    }

    fn surroundings(&self) -> Result<Surroundings> {
        std::fs::create_dir_all(&self.scratch)
            .with_context(|| format!("cannot make `{}`", self.scratch.display()))?;
        let absolute = |path: &PathBuf| {
            path.canonicalize()
                .with_context(|| format!("expected `{}`, found nothing there", path.display()))
        };
        Ok(Surroundings {
            quick: self.quick,
            kora: absolute(&self.kora)?,
            libraries: absolute(&self.libraries)?,
            scratch: tempfile::Builder::new()
                .prefix("bench-")
                .tempdir_in(absolute(&self.scratch)?)?,
        })
    }
}
