//! `kora init`.

use clap::Args;

use crate::cli::{
    context::Context,
    failure::{Exit, Outcome},
    offline::home::{self, Made},
    view::text::several_lines,
};

/// Make a home: directories, a commented configuration, an operator's token
///
/// `kora.toml` shows every setting; `callers.toml` holds the hash of the token, which is shown this once and kept nowhere.
/// Where there is a home already, only what is missing is made; what is there is named and left as it is.
#[derive(Debug, Args)]
pub(in crate::cli) struct InitArguments {
    /// Write both files anew, with another token; the old ones are kept beside them. Data is never touched
    #[arg(long)]
    force: bool,
}

pub(in crate::cli) fn run(arguments: &InitArguments, context: &mut Context<'_>) -> Outcome {
    let made = home::make(&context.home, arguments.force)?;
    if context.ui.json {
        context.ui.json(&made)?;
        return Ok(Exit::OK);
    }
    context.ui.data(&told(&made))?;
    if let Some(token) = &made.operator_token {
        context.ui.data(&format!("\noperator token: {token}"))?;
        context
            .ui
            .note("\nThe token is shown only now. Keep it: only its hash is stored.")?;
    }
    context.ui.note(
        "\nNext: `kora plugins install FILE`, then `kora daemon`. `kora doctor` says what is still missing.",
    )?;
    Ok(Exit::OK)
}

fn told(made: &Made) -> String {
    let lines = |verb: &str, paths: &[String]| -> String {
        paths.iter().map(|path| format!("{verb} `{path}`\n")).collect()
    };
    let text = [
        lines("made", &made.made),
        lines("set aside", &made.set_aside),
        lines("there already:", &made.kept),
        made.warnings
            .iter()
            .map(|warning| format!("warning: {warning}\n"))
            .collect(),
    ];
    several_lines(&text.concat())
}
