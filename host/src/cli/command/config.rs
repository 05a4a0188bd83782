//! `kora config`.

use clap::Subcommand;
use serde_json::json;

use crate::{
    cli::{
        context::{Context, invalid_config},
        failure::{Exit, Outcome},
        view,
    },
    service::api::{Call, Nothing},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ConfigCommand {
    /// Judge `kora.toml` as it stands on disk, without applying it
    ///
    /// Needs no daemon. Exit codes: 0 valid; 1 not valid, with every problem named by its place.
    Check,
    /// Show every effective value and where it came from
    ///
    /// Of the running daemon; where none runs, of what it would start with. Of a secret only the kind of its source is shown.
    Show,
    /// Let the running daemon apply what has changed in `kora.toml`
    ///
    /// It is judged whole first; if anything in it is not valid, nothing of it applies. What needs a restart is said.
    Reload,
}

pub(in crate::cli) fn run(command: &ConfigCommand, context: &mut Context<'_>) -> Outcome {
    match command {
        ConfigCommand::Check => check(context),
        ConfigCommand::Show => show(context),
        ConfigCommand::Reload => context.ask(&Call::ConfigReload(Nothing {}), view::config::reloaded),
    }
}

fn check(context: &mut Context<'_>) -> Outcome {
    let file = context.home.config_file();
    match context.load_config() {
        Ok(_) if context.ui.json => context.ui.json(&json!({ "valid": true, "problems": [] }))?,
        Ok(config) if config.is_from_file() => context.ui.data(&format!("`{}` is valid", file.display()))?,
        Ok(_) => context
            .ui
            .data(&format!("`{}` is not there: the defaults apply", file.display()))?,
        Err(problems) if context.ui.json => {
            context
                .ui
                .json(&json!({ "valid": false, "problems": problems }))?;
            return Ok(Exit::FAILED);
        }
        Err(problems) => return Err(invalid_config(&problems).into()),
    }
    Ok(Exit::OK)
}

fn show(context: &mut Context<'_>) -> Outcome {
    if context.daemon_if_running()?.is_some() {
        return context.ask(&Call::ConfigShow(Nothing {}), view::config::values);
    }
    let values = context.config()?.show();
    context
        .ui
        .note("no daemon runs: this is what it would start with")?;
    context.ui.show(&values, view::config::values)?;
    Ok(Exit::OK)
}
