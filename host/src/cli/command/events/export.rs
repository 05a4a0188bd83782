//! `kora events export`.

use std::{
    fs::{self, OpenOptions},
    io::{BufWriter, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        offline::store,
        view::text::counted,
    },
    domain::{Clock as _, SystemClock},
    service::{Problem, ProblemKind},
    store::{
        Inspector, Scope,
        export::{ExportError, Exported},
    },
};

/// Events hold what an agent did: the export is as private as the store.
const FILE_MODE: u32 = 0o600;

/// Write events as lines of JSON that anybody can check without this program
///
/// For each chain a header, an event on each line with its exact bytes, and a trailer that shows where the file was cut.
/// Without `--tenant`, all chains one after another. Reads the store itself, whether a daemon runs or not.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArguments {
    /// Only this chain (`host` for the host's own)
    #[arg(long)]
    tenant: Option<String>,
    /// The file to write; refused if it is there. Without it, standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &ExportArguments, context: &mut Context<'_>) -> Outcome {
    let scope = store::scope(arguments.tenant.as_deref(), None, None)?;
    let config = context.config()?;
    let reader = context.store(&config)?;
    match &arguments.output {
        Some(file) => {
            let path = context.path(file);
            let exported = to_file(&*reader, &scope, &path)?;
            context.ui.note(&format!(
                "exported {} of {} to `{}`",
                counted(exported.events, "event"),
                counted(exported.chains, "chain"),
                path.display()
            ))?;
        }
        None => {
            let mut out = BufWriter::new(&mut *context.ui.out);
            write(&*reader, &scope, &mut out)?;
            out.flush()?;
        }
    }
    Ok(Exit::OK)
}

/// The whole export, or no file.
fn to_file(reader: &dyn Inspector, scope: &Scope, path: &Path) -> Result<Exported, Failure> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .map_err(|error| not_made(path, &error))?;
    let mut out = BufWriter::new(file);
    let exported = write(reader, scope, &mut out).and_then(|exported| {
        out.flush()?;
        out.get_ref().sync_all()?;
        Ok(exported)
    });
    if exported.is_err() {
        // Half an export is worse than none; the first error says what went wrong.
        let _left = fs::remove_file(path);
    }
    exported
}

fn write(reader: &dyn Inspector, scope: &Scope, out: &mut dyn Write) -> Result<Exported, Failure> {
    reader
        .export(scope, SystemClock::new().now(), out)
        .map_err(|error| match error {
            ExportError::TenantUnknown { .. } => {
                Problem::new(ProblemKind::NotFound, "events.no_chain", error.to_string()).into()
            }
            ExportError::Store(error) => store::problem(&error).into(),
            ExportError::Write(error) => Failure::Output(error),
        })
}

fn not_made(path: &Path, error: &std::io::Error) -> Problem {
    let shown = path.display();
    if error.kind() == ErrorKind::AlreadyExists {
        let message = format!("`{shown}` is there already and is not overwritten");
        return Problem::new(ProblemKind::Conflict, "events.export_exists", message)
            .hint("name another file with `--output FILE`");
    }
    Problem::new(
        ProblemKind::Unavailable,
        "events.export_refused",
        format!("cannot make `{shown}`: {error}"),
    )
}
