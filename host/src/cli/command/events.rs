//! `kora events`.

mod append;
mod export;
mod tail;
mod verify;

use clap::Subcommand;

pub(in crate::cli) use self::{
    append::AppendArguments, export::ExportArguments, tail::TailArguments, verify::VerifyArguments,
};
use crate::cli::{context::Context, failure::Outcome};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EventsCommand {
    Tail(TailArguments),
    Verify(VerifyArguments),
    Export(ExportArguments),
    Append(AppendArguments),
}

pub(in crate::cli) fn run(command: EventsCommand, context: &mut Context<'_>) -> Outcome {
    match command {
        EventsCommand::Tail(arguments) => tail::run(arguments, context),
        EventsCommand::Verify(arguments) => verify::run(&arguments, context),
        EventsCommand::Export(arguments) => export::run(&arguments, context),
        EventsCommand::Append(arguments) => append::run(arguments, context),
    }
}
