//! `kora events key`.

use clap::Args;
use serde::Serialize;

use crate::{
    checkpoints::{KeyFile, KeyFileError, name_of_machine},
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
    },
    engine::checkpoint::KeyName,
    service::{Problem, ProblemKind},
};

/// Show the public part of the key that signs checkpoints
///
/// Give it to whoever is to verify exports, by another way than the exports take. Makes the key if there is none yet, in
/// `keys/checkpoint.key` in the home; the secret part never leaves that file.
#[derive(Debug, Args)]
pub(in crate::cli) struct KeyArguments {
    /// The name of the key when it is made, best a part of a web address that is yours; else the name of this machine
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    /// What verifiers take: `name+id+base64`.
    key: String,
    name: String,
    id: String,
}

pub(super) fn run(arguments: &KeyArguments, context: &mut Context<'_>) -> Outcome {
    let root = context.home.root();
    if !root.is_dir() {
        let message = format!("`{}` is no home yet: expected a directory", root.display());
        let problem = Problem::new(ProblemKind::NotFound, "home.missing", message);
        return Err(Failure::unreachable(problem.hint("make it one with `kora init`")));
    }
    let file = KeyFile::at(context.home.checkpoint_key());
    let key = match &arguments.name {
        Some(name) => {
            let name: KeyName = name
                .parse()
                .map_err(|error: crate::engine::checkpoint::InvalidKey| {
                    Problem::new(ProblemKind::BadInput, "checkpoint.key_name", error.to_string())
                })?;
            file.named(&name)
        }
        None => file.read_or_make(&name_of_machine()),
    };
    let key = key.map_err(|error| key_problem(&error))?;
    let shown = Shown {
        key: key.public().to_string(),
        name: key.public().name().to_string(),
        id: key.public().id().to_string(),
    };
    context.ui.show(&shown, |shown| format!("{}\n", shown.key))?;
    Ok(Exit::OK)
}

/// The error for people.
pub(in crate::cli) fn key_problem(error: &KeyFileError) -> Problem {
    let (kind, code, hint) = match error {
        KeyFileError::Open { path, .. } => (
            ProblemKind::Denied,
            "checkpoint.key_open",
            format!(
                "if nobody else had it: `chmod 600 {}`; else move it away, and tell verifiers the new key",
                path.display()
            ),
        ),
        KeyFileError::Foreign { .. } => (
            ProblemKind::Denied,
            "checkpoint.key_foreign",
            "run this as the user of the host".to_owned(),
        ),
        KeyFileError::Invalid { .. } => (
            ProblemKind::WrongState,
            "checkpoint.key_invalid",
            "put it back from a backup, or move it away: a new one is made, which verifiers must be told"
                .to_owned(),
        ),
        KeyFileError::OtherName { .. } => (
            ProblemKind::Conflict,
            "checkpoint.key_name",
            "a key keeps its name; to have another, move the old key away and tell verifiers the new one"
                .to_owned(),
        ),
        KeyFileError::Io { .. } => (
            ProblemKind::Unavailable,
            "checkpoint.key_unavailable",
            "see its owner and mode with `kora doctor`".to_owned(),
        ),
    };
    Problem::new(kind, code, error.to_string()).hint(hint)
}
