//! Plugins: listing, admitting, enabling, disabling and restarting them. How their entries run is in `running`.

mod required;
mod running;

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{Principal, Problem, ProblemKind, Service, api};
use crate::{
    config::{Config, near_miss},
    coordinator::OperationError,
    domain::PluginName,
    plugin::{FileNote, Form, Gate, Ignored, PluginReport, PluginState, Policy, ignored, scan_settled},
};
pub use running::PluginTurn;
use running::may_be_started;

impl Service {
    /// Every plugin, and every file in the directory that did not become one.
    /// Files that are not even looked into are named here and nowhere else: they are no news.
    pub async fn plugins(&self) -> Vec<api::Plugin> {
        let directory = self.config.load().plugins_directory();
        let ignored = tokio::task::spawn_blocking(move || ignored(&directory)).await;
        // A directory that cannot be listed is told of by whoever watches it.
        let ignored = ignored.ok().and_then(Result::ok).unwrap_or_default();
        let plugins = self.plugins.reports().into_iter().map(view);
        plugins.chain(ignored.into_iter().map(view_ignored)).collect()
    }

    /// Lets a plugin be loaded and run, from now on and after a restart. One that runs already is left alone.
    ///
    /// # Errors
    /// If the configuration cannot be written, or the plugin is not there.
    pub async fn enable_plugin(
        &self,
        by: &Principal,
        input: &api::PluginName,
    ) -> Result<api::Plugin, Problem> {
        let turn = self.turn_while_running().await?;
        let name = self.write_enabled(&turn, by, &input.name, true).await?;
        match self
            .plugins
            .report(name.as_str())
            .filter(|report| report.instance.is_some())
        {
            Some(report) if may_be_started(report.state) => self.start_plugin(&turn, &name).await,
            Some(_) => {}
            None => self.rescan(&turn).await,
        }
        self.plugin_view(&name)
    }

    /// Stops a plugin's daemons and keeps it from being loaded, from now on and after a restart. It hears of nothing any more. Its
    /// identities go on speaking where they speak: they are data.
    ///
    /// # Errors
    /// If the configuration cannot be written, or the plugin is not there.
    pub async fn disable_plugin(
        &self,
        by: &Principal,
        input: &api::PluginName,
    ) -> Result<api::Plugin, Problem> {
        let turn = self.turn_while_running().await?;
        let name = self.write_enabled(&turn, by, &input.name, false).await?;
        let why = format!("disabled by {by}");
        self.stop_plugin(&turn, &name, &why).await?;
        self.plugin_view(&name)
    }

    /// Starts a plugin's daemons anew, as if they had never failed.
    ///
    /// # Errors
    /// If there is no such plugin, it is disabled, or its code is not loaded or does not come back.
    pub async fn restart_plugin(
        &self,
        by: &Principal,
        input: &api::PluginName,
    ) -> Result<api::Plugin, Problem> {
        let turn = self.turn_while_running().await?;
        let name = self.plugin_name(&input.name)?;
        if !self.config.load().is_plugin_enabled(&name) {
            let message = format!("`{name}` is disabled");
            return Err(Problem::new(ProblemKind::WrongState, "plugin.disabled", message)
                .hint(format!("`kora plugins enable {name}` starts it")));
        }
        match self.plugins.report(name.as_str()) {
            Some(report) if report.state.follows_its_entries() => {
                let why = format!("restarted by {by}");
                self.restart_entries(&turn, &name, &why).await?;
            }
            Some(report) if may_be_started(report.state) => self.start_plugin(&turn, &name).await,
            report => return Err(not_restartable(&name, report.as_ref())),
        }
        self.plugin_view(&name)
    }

    /// What happened in the plugin directory: what is gone is noted, what came is judged, and what became a plugin is started.
    pub async fn follow_directory(&self, gone: &[PathBuf], came: Vec<PathBuf>) {
        let Ok(turn) = self.turn_while_running().await else {
            return;
        };
        self.plugins.gone(gone);
        if gone.is_empty() {
            self.discover(&turn, came).await;
        } else {
            // What is gone may have been in the way of what is still there.
            self.rescan(&turn).await;
        }
    }

    /// Judges what lies in these places and starts what became a plugin.
    async fn discover(&self, turn: &PluginTurn<'_>, found: Vec<PathBuf>) {
        let registered = self.plugins.discover(found, self.gate()).await;
        for name in &registered {
            self.start_plugin(turn, name).await;
            self.ask_providers_of(name).await;
        }
        if !registered.is_empty() {
            self.retry_unspoken().await;
        }
    }

    /// Looks through the whole directory again. What was copied a moment ago is left to whoever watches it.
    pub(super) async fn rescan(&self, turn: &PluginTurn<'_>) {
        let directory = self.gate().directory().to_owned();
        match scan_settled(&directory, Duration::ZERO).await {
            Ok(candidates) => {
                self.discover(turn, candidates.into_iter().map(|found| found.path).collect())
                    .await
            }
            Err(error) => tracing::warn!(%error, "the plugin directory cannot be read"),
        }
    }

    /// The gate as the configuration is now.
    pub fn gate(&self) -> Arc<Gate> {
        let config = self.config.load();
        let directory = config.plugins_directory();
        Arc::new(Gate::new(
            directory,
            config.home().cache(),
            plugin_policy(&config),
            self.platform.clone(),
        ))
    }

    /// A plugin that came back may be the one that a tenant's identity came from.
    async fn ask_providers_of(&self, name: &PluginName) {
        let providers = self.plugins.providers().into_iter();
        for (provider, _) in providers.filter(|(provider, _)| provider.plugin() == name.as_str()) {
            if let Err(error) = self.announced(&provider, None).await {
                tracing::warn!(%provider, %error, "the provider was not asked");
            }
        }
    }

    async fn write_enabled(
        &self,
        turn: &PluginTurn<'_>,
        by: &Principal,
        name: &str,
        enabled: bool,
    ) -> Result<PluginName, Problem> {
        let name = self.plugin_name(name)?;
        let (source, plugin) = (self.config_source.clone(), name.clone());
        let written = tokio::task::spawn_blocking(move || source.set_plugin_enabled(&plugin, enabled)).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                return Err(Problem::new(
                    ProblemKind::Unavailable,
                    "config.not_written",
                    error,
                ));
            }
            Err(error) => {
                return Err(Problem::new(
                    ProblemKind::Internal,
                    "host.interrupted",
                    error.to_string(),
                ));
            }
        }
        self.take_over_configuration(turn, by).await?;
        Ok(name)
    }

    /// The plugin of this name, be it that it is only written down.
    ///
    /// # Errors
    /// If there is none, with the name that may have been meant.
    pub(super) fn plugin_name(&self, text: &str) -> Result<PluginName, Problem> {
        let unknown = || {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
            let message = format!("there is no plugin `{shown}`");
            let problem = Problem::new(ProblemKind::NotFound, "plugin.unknown", message);
            let reports = self.plugins.reports().into_iter();
            let known: Vec<_> = reports
                .filter_map(|report| Some(report.admitted?.manifest.name.to_string()))
                .collect();
            let near = near_miss(&shown, known.iter().map(String::as_str));
            match near {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            }
            .hint("`kora plugins list` shows those there are")
        };
        let name: PluginName = text.parse().map_err(|_| unknown())?;
        let config = self.config.load();
        let configured = config.plugins.named.contains_key(&name) || config.plugins.disable.contains(&name);
        if configured || self.plugins.report(text).is_some() {
            Ok(name)
        } else {
            Err(unknown())
        }
    }

    fn plugin_view(&self, name: &PluginName) -> Result<api::Plugin, Problem> {
        let report = self.plugins.report(name.as_str()).map(view);
        report.ok_or_else(|| {
            let message = format!("`{name}` is written down; no file of it is in the plugin directory");
            Problem::new(ProblemKind::NotFound, "plugin.no_file", message)
        })
    }
}

/// Which plugins a configuration lets in.
pub fn plugin_policy(config: &Config) -> Policy {
    let allow: Vec<String> = config.plugins.allow.iter().cloned().map(String::from).collect();
    let named = config.plugins.named.keys().chain(&config.plugins.disable);
    let disabled: Vec<String> = named
        .filter(|name| !config.is_plugin_enabled(name))
        .map(ToString::to_string)
        .collect();
    // An empty list narrows nothing.
    let allow = (!allow.is_empty()).then_some(allow.as_slice());
    Policy::new(allow, &disabled).expect("a configuration that was judged sound holds only names and digests")
}

pub(super) fn operation_problem(error: &OperationError) -> Problem {
    let (kind, code) = match error {
        OperationError::UnknownPlugin(_) => (ProblemKind::NotFound, "plugin.no_daemons"),
        OperationError::StillBooting | OperationError::Busy(_) => (ProblemKind::WrongState, "plugin.busy"),
        OperationError::ShuttingDown(_) | OperationError::Stopped(_) => {
            (ProblemKind::Unavailable, "host.stopping")
        }
        _ => (ProblemKind::WrongState, "plugin.not_started"),
    };
    Problem::new(kind, code, error.to_string())
}

fn not_restartable(name: &PluginName, report: Option<&PluginReport>) -> Problem {
    let Some(report) = report else {
        let message = format!("no file of `{name}` is in the plugin directory");
        return Problem::new(ProblemKind::NotFound, "plugin.no_file", message);
    };
    let cause = report.cause.as_deref().unwrap_or("no cause is known");
    let message = format!("`{name}` is {}: {cause}", report.state);
    let problem = Problem::new(ProblemKind::WrongState, "plugin.not_started", message);
    match report.state {
        PluginState::Wedged => {
            problem.hint("only a restart of the host helps: a thread cannot be taken back")
        }
        _ => problem,
    }
}

fn view(report: PluginReport) -> api::Plugin {
    let mut view = api::Plugin {
        state: report.state.to_string(),
        cause: report.cause,
        note: report.note.map(FileNote::as_str).map(str::to_owned),
        path: report.path.display().to_string(),
        ..api::Plugin::default()
    };
    if let Some(admitted) = &report.admitted {
        view.describe(&admitted.manifest);
        view.form = Some(form(admitted.form).to_owned());
        view.digest = Some(admitted.digest.to_string());
        view.library_digest = Some(admitted.library_digest.to_string());
        view.target = Some(admitted.facts.target.clone());
        view.glibc_floor = admitted.facts.glibc_floor.as_ref().map(ToString::to_string);
        view.warnings.clone_from(&admitted.warnings);
    }
    if let Some(instance) = &report.instance {
        view.absent = instance.absent().to_vec();
        view.poisoned = instance.offers().poisoned();
        view.extensions = instance
            .extensions()
            .ids()
            .into_iter()
            .map(str::to_owned)
            .collect();
    }
    view
}

/// A file that is no plugin is in no state of a plugin.
const IGNORED: &str = "ignored";

fn view_ignored(ignored: Ignored) -> api::Plugin {
    api::Plugin {
        state: IGNORED.to_owned(),
        cause: Some(ignored.reason.to_owned()),
        path: ignored.path.display().to_string(),
        ..api::Plugin::default()
    }
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Library => "library",
        Form::Folder => "folder",
        Form::Package => "package",
    }
}

impl api::Plugin {
    /// Takes over what a manifest says.
    pub fn describe(&mut self, manifest: &crate::plugin::Manifest) {
        fn names<T: ToString>(list: &[T]) -> Vec<String> {
            list.iter().map(ToString::to_string).collect()
        }
        self.name = Some(manifest.name.to_string());
        self.version = Some(manifest.version.to_string());
        self.description = Some(manifest.description.clone());
        self.license = Some(manifest.license.clone());
        self.identity_providers = names(&manifest.provides.identity_providers);
        self.daemons = names(&manifest.provides.daemons);
        self.listeners = names(&manifest.provides.listeners);
        self.tools = names(&manifest.provides.tools);
        self.prompts = names(&manifest.provides.prompts);
        self.resources = names(&manifest.provides.resources);
        self.webhooks = names(&manifest.provides.webhooks);
        self.event_types = names(&manifest.event_types);
        self.secrets = names(&manifest.secrets);
        self.permissions = manifest
            .permissions
            .granted()
            .into_iter()
            .map(str::to_owned)
            .collect();
    }
}
