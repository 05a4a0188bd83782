//! `kora plugins`.

mod install;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        offline::gate,
        view,
    },
    config::set_plugin_enabled,
    domain::PluginName,
    service::{
        Problem, ProblemKind,
        api::{Call, Nothing, PluginName as Named},
    },
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PluginsCommand {
    /// List the plugins of the running host, and files that are none
    List,
    /// Show what a file is and whether this home would let it in, without running or installing it
    ///
    /// Needs no daemon. Exit codes: 0 it would be let in; 1 it would be refused.
    Inspect {
        /// A library (`.so`), a package (`.tar.zst`) or a folder with a `plugin.toml`
        file: PathBuf,
    },
    /// Check a file and put it into the plugin directory of this home
    ///
    /// If a daemon runs, it takes the plugin in at once, and the command says what became of it. A new build of a plugin that runs
    /// already waits until the host starts again.
    Install {
        /// A library (`.so`), a package (`.tar.zst`) or a folder with a `plugin.toml`
        file: PathBuf,
    },
    /// Let a plugin be loaded
    ///
    /// Written into `kora.toml`, where comments are kept. A running daemon does it at once.
    Enable {
        /// The plugin
        name: String,
    },
    /// Stop a plugin and keep it from being loaded
    ///
    /// Written into `kora.toml`, where comments are kept. A running daemon does it at once.
    Disable {
        /// The plugin
        name: String,
    },
    /// Stop and start the daemons of a plugin
    Restart {
        /// The plugin
        name: String,
    },
}

pub(in crate::cli) fn run(command: PluginsCommand, context: &mut Context<'_>) -> Outcome {
    match command {
        PluginsCommand::List => context.ask(&Call::PluginsList(Nothing {}), view::plugins::plugins),
        PluginsCommand::Inspect { file } => inspect(&file, context),
        PluginsCommand::Install { file } => install::run(&file, context),
        PluginsCommand::Enable { name } => set_enabled(name, true, context),
        PluginsCommand::Disable { name } => set_enabled(name, false, context),
        PluginsCommand::Restart { name } => {
            context.ask(&Call::PluginsRestart(Named { name }), view::plugins::plugin)
        }
    }
}

fn inspect(file: &Path, context: &mut Context<'_>) -> Outcome {
    let path = context.path(file);
    let config = context.config()?;
    let (plugin, exit) = match gate::inspect(&path, &config) {
        Ok(examined) => (gate::shown(&examined), Exit::OK),
        Err(refused) => (gate::shown_refused(&path, &refused), Exit::FAILED),
    };
    context.ui.show(&plugin, view::plugins::plugin)?;
    Ok(exit)
}

/// Without a daemon the file is all there is to change; it need not name a plugin that is there already.
fn set_enabled(name: String, enabled: bool, context: &mut Context<'_>) -> Outcome {
    if context.daemon_if_running()?.is_some() {
        let named = Named { name };
        let call = if enabled {
            Call::PluginsEnable(named)
        } else {
            Call::PluginsDisable(named)
        };
        return context.ask(&call, view::plugins::plugin);
    }
    let name: PluginName = name
        .parse()
        .map_err(|error: crate::domain::InvalidName| bad_name(&error.to_string()))?;
    context.require_home()?;
    let file = context.home.config_file();
    let changed =
        set_plugin_enabled(&file, &name, enabled).map_err(|error| not_written(&error.to_string()))?;
    if context.ui.json {
        let answer =
            serde_json::json!({ "plugin": name, "enabled": enabled, "changed": changed, "file": file });
        context.ui.json(&answer)?;
        return Ok(Exit::OK);
    }
    let word = if enabled { "enabled" } else { "disabled" };
    let text = match changed {
        true => format!("`{name}` is {word} in `{}`", file.display()),
        false => format!("`{name}` is {word} already"),
    };
    context.ui.data(&text)?;
    context.ui.note("no daemon runs: it counts when one starts")?;
    Ok(Exit::OK)
}

fn bad_name(message: &str) -> Failure {
    Problem::new(ProblemKind::BadInput, "plugin.name", message).into()
}

fn not_written(message: &str) -> Failure {
    Problem::new(ProblemKind::Unavailable, "config.not_written", message).into()
}
