//! `kora events verify --export`: what anybody can do with an export, a checkpoint and a public key. Needs no home.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read as _},
    os::unix::fs::FileTypeExt as _,
    path::Path,
};

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        view,
    },
    engine::checkpoint::{Checkpoint, NoteRefusal, VerifierKey, read_notes},
    service::{Problem, ProblemKind},
    store::verify::{ExportStatus, verify_export},
};

/// Thousands of checkpoints; a file that is longer is something else.
const MAX_CHECKPOINT_BYTES: u64 = 4 * 1024 * 1024;

/// What files are called where something is wrong with one.
const EXPORT: &str = "export";
const CHECKPOINT: &str = "checkpoint";

/// Checks the export, against the checkpoints in a file if `signed` names it and their key.
pub(super) fn run(export: &Path, signed: Option<(&Path, &str)>, context: &mut Context<'_>) -> Outcome {
    let checkpoints = match signed {
        Some((file, key)) => proved(&context.path(file), key)?,
        None => Vec::new(),
    };
    let path = context.path(export);
    let report = open_to_its_end(EXPORT, &path).and_then(|file| {
        verify_export(BufReader::new(file), &checkpoints).map_err(|error| cannot_read(EXPORT, &path, &error))
    })?;
    context.ui.show(&report, view::verify::export)?;
    Ok(match report.status {
        ExportStatus::Sound | ExportStatus::Empty => Exit::OK,
        ExportStatus::Broken => Exit::FAILED,
        ExportStatus::Unchecked => Exit::UNREACHABLE,
    })
}

/// A file, or a pipe, which ends when who writes it does. Others, such as `/dev/zero`, never end, or wait for somebody who does not know.
fn open_to_its_end(what: &str, path: &Path) -> Result<File, Failure> {
    let failed = |error: &io::Error| cannot_read(what, path, error);
    let found = fs::metadata(path).map_err(|error| failed(&error))?.file_type();
    let kind = match () {
        () if found.is_file() || found.is_fifo() => return File::open(path).map_err(|error| failed(&error)),
        () if found.is_dir() => "a directory",
        () if found.is_socket() => "a socket",
        () => "a device",
    };
    let message = format!(
        "the {what} `{}`: expected a file or a pipe; found {kind}",
        path.display()
    );
    let hint = match what {
        CHECKPOINT => {
            "`kora events checkpoint --tenant TENANT` prints one; the host keeps those of each chain in a file of its own in `audit/checkpoints/`"
        }
        _ => "`kora events export --output FILE` writes an export",
    };
    Err(Failure::unreachable(
        Problem::new(ProblemKind::BadInput, "events.unreadable", message).hint(hint),
    ))
}

fn proved(path: &Path, key: &str) -> Result<Vec<Checkpoint>, Failure> {
    let key: VerifierKey = key.trim().parse().map_err(|error| {
        let message = format!("the key: {error}");
        let problem = Problem::new(ProblemKind::BadInput, "checkpoint.key", message);
        Failure::unreachable(
            problem.hint("the key itself is wanted and not a file's name: `--key \"$(cat FILE)\"`"),
        )
    })?;
    let mut bytes = Vec::new();
    let file = open_to_its_end(CHECKPOINT, path)?;
    file.take(MAX_CHECKPOINT_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| cannot_read(CHECKPOINT, path, &error))?;
    let read = read_notes(&bytes);
    let shown = path.display();
    if let Some(fault) = read.fault {
        let message = format!(
            "`{shown}`, line {}: expected signed notes to the end of the file; found something else, or the file was cut",
            fault.line
        );
        return Err(unchecked("checkpoint.unreadable", message));
    }
    if read.notes.is_empty() {
        let message = format!("`{shown}`: expected a signed note; found none");
        return Err(unchecked("checkpoint.unreadable", message));
    }
    let proved = read.notes.iter().map(|note| note.checkpoint(&key));
    proved
        .collect::<Result<_, _>>()
        .map_err(|refusal| refused(path, &refusal))
}

/// A signature that does not hold is an answer: something was changed. That another key signed it is none.
fn refused(path: &Path, refusal: &NoteRefusal) -> Failure {
    let message = format!("the checkpoint `{}`: {refusal}", path.display());
    match refusal {
        NoteRefusal::Forged => Problem::new(ProblemKind::Conflict, "checkpoint.forged", message).into(),
        NoteRefusal::OtherKey { .. } => unchecked("checkpoint.other_key", message),
        NoteRefusal::NoCheckpoint(_) => unchecked("checkpoint.unreadable", message),
    }
}

fn unchecked(code: &str, message: String) -> Failure {
    Failure::unreachable(Problem::new(ProblemKind::BadInput, code, message))
}

fn cannot_read(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("the {what} `{}` cannot be read: {error}", path.display());
    Failure::unreachable(Problem::new(
        ProblemKind::Unavailable,
        "events.unreadable",
        message,
    ))
}
