//! `kora plugins install`.

use std::{
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure, Outcome},
        offline::{
            gate,
            install::{Installed, install},
        },
        view,
    },
    plugin::Examined,
    service::api::{Call, Nothing, Plugin},
    socket::{BlockingClient, read_answer},
};

/// How long the running host may take: it waits a second for the file to stand still, then judges, loads and starts it.
const TAKEN_IN_WITHIN: Duration = Duration::from_secs(5);
/// Fast enough to feel at once, slow enough not to be felt.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// The states in which nothing more happens by itself.
const SETTLED: [&str; 7] = [
    "running",
    "degraded",
    "stopped",
    "refused",
    "quarantined",
    "wedged",
    "failed",
];
const GOOD: [&str; 2] = ["running", "degraded"];

pub(super) fn run(file: &Path, context: &mut Context<'_>) -> Outcome {
    context.require_home()?;
    let path = context.path(file);
    let config = context.config()?;
    let examined = gate::inspect(&path, &config).map_err(|refused| gate::refused(&refused.refusal))?;
    let daemon = context.daemon_if_running()?;
    let installed = install(&examined, &config.plugins_directory())?;
    match daemon {
        None => tell_without_daemon(&examined, &installed, context),
        Some(daemon) => tell(
            taken_in(&daemon, &examined, &installed)?,
            &examined,
            &installed,
            context,
        ),
    }
}

/// What the host makes of it, as soon as it is settled, or as far as it got.
fn taken_in(
    daemon: &BlockingClient,
    examined: &Examined,
    installed: &Installed,
) -> Result<Option<Plugin>, Failure> {
    let begin = Instant::now();
    loop {
        let answer = daemon.call(&Call::PluginsList(Nothing {}))?;
        let plugins: Vec<Plugin> = read_answer(answer)?;
        let found = plugins
            .into_iter()
            .find(|plugin| is_it(plugin, examined, installed));
        let is_settled = found
            .as_ref()
            .is_some_and(|plugin| plugin.note.is_some() || SETTLED.contains(&plugin.state.as_str()));
        if is_settled || begin.elapsed() >= TAKEN_IN_WITHIN {
            return Ok(found);
        }
        sleep(ASK_EVERY);
    }
}

/// By content, or by place where the host keeps an older build running or refuses this one without a digest.
fn is_it(plugin: &Plugin, examined: &Examined, installed: &Installed) -> bool {
    let same_content = plugin.digest.as_deref() == Some(examined.digest.to_string().as_str());
    let same_place = Path::new(&plugin.path) == installed.path;
    same_content || (same_place && (plugin.note.is_some() || plugin.digest.is_none()))
}

fn tell_without_daemon(examined: &Examined, installed: &Installed, context: &mut Context<'_>) -> Outcome {
    let plugin = gate::shown(examined);
    if context.ui.json {
        let answer = json!({ "path": installed.path, "replaced": installed.replaced, "daemon": false, "plugin": plugin });
        context.ui.json(&answer)?;
        return Ok(Exit::OK);
    }
    context.ui.data(&headline(examined, installed))?;
    context.ui.note("no daemon runs: it is loaded when one starts")?;
    Ok(Exit::OK)
}

fn tell(
    plugin: Option<Plugin>,
    examined: &Examined,
    installed: &Installed,
    context: &mut Context<'_>,
) -> Outcome {
    let is_good = plugin.as_ref().is_some_and(|plugin| {
        plugin.note.is_some()
            || GOOD.contains(&plugin.state.as_str())
            || !SETTLED.contains(&plugin.state.as_str())
    });
    if context.ui.json {
        let answer = json!({ "path": installed.path, "replaced": installed.replaced, "daemon": true, "plugin": plugin });
        context.ui.json(&answer)?;
    } else {
        context.ui.data(&headline(examined, installed))?;
        match &plugin {
            Some(plugin) => context.ui.data(&view::plugins::plugin(plugin))?,
            None => context.ui.note(&format!(
                "the daemon did not take it in within {} seconds: see `kora plugins list`",
                TAKEN_IN_WITHIN.as_secs()
            ))?,
        }
    }
    Ok(if is_good { Exit::OK } else { Exit::FAILED })
}

fn headline(examined: &Examined, installed: &Installed) -> String {
    let verb = if installed.replaced {
        "replaced"
    } else {
        "installed"
    };
    let manifest = &examined.manifest;
    format!(
        "{verb} {} {} as `{}`",
        manifest.name,
        manifest.version,
        installed.path.display()
    )
}
