//! `kora events`.

mod append;
mod checkpoint;
mod export;
mod key;
mod tail;
mod verify;
mod verify_export;

use clap::Subcommand;

pub(in crate::cli) use self::{
    append::AppendArguments,
    checkpoint::CheckpointArguments,
    export::ExportArguments,
    key::{KeyArguments, key_problem},
    tail::TailArguments,
    verify::VerifyArguments,
};
use crate::cli::{context::Context, failure::Outcome};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EventsCommand {
    Tail(TailArguments),
    Verify(VerifyArguments),
    Export(ExportArguments),
    Append(AppendArguments),
    Checkpoint(CheckpointArguments),
    Key(KeyArguments),
}

pub(in crate::cli) fn run(command: EventsCommand, context: &mut Context<'_>) -> Outcome {
    match command {
        EventsCommand::Tail(arguments) => tail::run(arguments, context),
        EventsCommand::Verify(arguments) => verify::run(&arguments, context),
        EventsCommand::Export(arguments) => export::run(&arguments, context),
        EventsCommand::Append(arguments) => append::run(arguments, context),
        EventsCommand::Checkpoint(arguments) => checkpoint::run(arguments, context),
        EventsCommand::Key(arguments) => key::run(&arguments, context),
    }
}
