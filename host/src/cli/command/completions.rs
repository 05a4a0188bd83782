//! `kora completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::{
    arguments::Cli,
    context::Context,
    failure::{Exit, Outcome},
};

/// Print completions for a shell
///
/// For bash: `kora completions bash > ~/.local/share/bash-completion/completions/kora`.
#[derive(Debug, Args)]
pub(in crate::cli) struct CompletionsArguments {
    /// Which shell
    shell: Shell,
}

pub(in crate::cli) fn run(arguments: &CompletionsArguments, context: &mut Context<'_>) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "kora", &mut script);
    context.ui.out.write_all(&script)?;
    Ok(Exit::OK)
}
