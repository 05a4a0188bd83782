//! `kora store`: a backup of it, back again, and to another place. Works on the store itself; a daemon is not asked.

mod backup;
mod migrate;
mod restore;
mod watched;

use clap::Subcommand;
use serde::Serialize;

pub(in crate::cli) use self::{backup::Backup, migrate::MigratedStore, restore::RestoredStore};
use self::{backup::BackupArguments, migrate::MigrateArguments, restore::RestoreArguments};
use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        offline,
    },
    service::{Problem, ProblemKind},
    store::{StoreError, transfer::TransferError},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum StoreCommand {
    Backup(BackupArguments),
    Restore(RestoreArguments),
    Migrate(MigrateArguments),
}

pub(in crate::cli) fn run(command: StoreCommand, context: &mut Context<'_>) -> Outcome {
    match command {
        StoreCommand::Backup(arguments) => backup::run(&arguments, context),
        StoreCommand::Restore(arguments) => restore::run(&arguments, context),
        StoreCommand::Migrate(arguments) => migrate::run(&arguments, context),
    }
}

/// The release, as it stands in events and backups.
const MADE_BY: &str = concat!("kora-host@", env!("CARGO_PKG_VERSION"));

/// What a copy came to, and what to do next.
#[derive(Debug, Serialize)]
struct WithNext<'a, T> {
    #[serde(flatten)]
    done: &'a T,
    next: Vec<String>,
}

/// The error for people, with what to do.
fn failure(error: &TransferError) -> Failure {
    let (kind, code, hint) = match error {
        TransferError::Store { cause, .. } => return store_failure(error, cause),
        TransferError::File { .. } => (ProblemKind::Unavailable, "backup.file", None),
        TransferError::Exists { .. } => (
            ProblemKind::Conflict,
            "backup.exists",
            Some("name another file with `--out`, or overwrite it with `--force`"),
        ),
        TransferError::NoBackup { .. } => (ProblemKind::BadInput, "backup.not_one", None),
        TransferError::NotWhole { .. } => (
            ProblemKind::BadInput,
            "backup.not_whole",
            Some("take another copy of it, or another backup: nothing was written"),
        ),
        TransferError::BackupTooNew { .. } => (ProblemKind::BadInput, "backup.too_new", None),
        TransferError::Broken { .. } => (
            ProblemKind::WrongState,
            "store.broken",
            Some(
                "nothing was written; `kora events verify` names the first bad record of each chain of a store",
            ),
        ),
        TransferError::NotEmpty { .. } => (ProblemKind::Conflict, "store.not_empty", None),
        TransferError::InUse { .. } => (ProblemKind::WrongState, "store.held", None),
        TransferError::InDoubt { .. } => return Failure::unreachable(in_doubt(error)),
        TransferError::Differs { .. } | TransferError::Stopped => {
            (ProblemKind::Internal, "store.differs", None)
        }
    };
    let problem = Problem::new(kind, code, error.to_string());
    hint.into_iter().fold(problem, Problem::hint).into()
}

fn in_doubt(error: &TransferError) -> Problem {
    Problem::new(ProblemKind::Unavailable, "store.in_doubt", error.to_string())
        .hint("`kora events verify` shows what the store holds now")
}

/// One that is held was reached, and refused.
fn store_failure(error: &TransferError, cause: &StoreError) -> Failure {
    let problem = Problem {
        message: error.to_string(),
        ..offline::store::problem(cause)
    };
    match cause {
        StoreError::Held { .. } => problem.into(),
        _ => Failure::Problem(problem, Exit::UNREACHABLE),
    }
}
