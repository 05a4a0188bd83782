//! `kora config`.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use crate::{
    cli::{
        context::{Context, invalid_config},
        failure::{Exit, Outcome},
        offline::gate::Survey,
        view,
    },
    config::{Config, ConfigProblems},
    service::{
        api::{Call, Nothing},
        plugin_setting_problems,
    },
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ConfigCommand {
    /// Judge `kora.toml` as it stands on disk, without applying it
    ///
    /// The plugins' own keys are judged by the manifests of the plugins that lie in the plugin directory; none of their code runs.
    /// A section for a plugin that is not there is a warning. Needs no daemon. Exit codes: 0 valid; 1 not valid, with every problem named by its place;
    /// 2 there is no home.
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
    context.require_home()?;
    let judged = context
        .load_config()
        .and_then(|config| judge_plugins(&config, &context.temporary()));
    match judged {
        Ok(warnings) if context.ui.json => {
            context
                .ui
                .json(&json!({ "valid": true, "problems": [], "warnings": warnings }))?;
        }
        Ok(warnings) => {
            for warning in warnings {
                context.ui.note(&format!("warning: {warning}"))?;
            }
            let file = context.home.config_file();
            context.ui.data(&format!("`{}` is valid", file.display()))?;
        }
        Err(problems) if context.ui.json => {
            let verdict = json!({ "valid": false, "problems": problems, "warnings": [] });
            context.ui.json(&verdict)?;
            return Ok(Exit::FAILED);
        }
        Err(problems) => return Err(invalid_config(&problems).into()),
    }
    Ok(Exit::OK)
}

/// The plugins' own keys against the manifests of those that lie in the directory. Answers what may be a slip and may be meant.
fn judge_plugins(config: &Config, temporary: &Path) -> Result<Vec<String>, ConfigProblems> {
    let directory = config.plugins_directory();
    let survey = match Survey::take(config, temporary) {
        Ok(survey) => survey,
        Err(error) => {
            let message = format!(
                "`{}` cannot be listed, so the plugins' own keys were not judged: {error}",
                directory.display()
            );
            return Ok(vec![message]);
        }
    };
    let manifests = survey.chosen.iter().map(|plugin| &plugin.manifest);
    let problems = plugin_setting_problems(config, manifests);
    if !problems.is_empty() {
        return Err(ConfigProblems::new(problems));
    }
    let absent = config
        .configured_plugins()
        .into_iter()
        .filter(|name| !survey.names(name));
    let refused = match survey.refused.is_empty() {
        true => "",
        false => "; `kora doctor` says which files there would be refused",
    };
    let warning = |name| {
        let place = config.plugin_problem(name, None, &[], "").place;
        format!(
            "{place}: `{name}` is configured, and there is no plugin of that name in `{}`{refused}",
            directory.display()
        )
    };
    Ok(absent.map(warning).collect())
}

fn show(context: &mut Context<'_>) -> Outcome {
    if context.daemon_if_running()?.is_some() {
        return context.ask(&Call::ConfigShow(Nothing {}), view::config::values);
    }
    context.require_home()?;
    let values = context.config()?.show();
    context
        .ui
        .note("no daemon runs: this is what it would start with")?;
    context.ui.show(&values, view::config::values)?;
    Ok(Exit::OK)
}
