//! Plugins: listing, starting and stopping their entries, enabling and disabling.

use std::{path::PathBuf, sync::Arc};

use super::{Operator, Problem, ProblemKind, Service, api, entries};
use crate::{
    config::Config,
    coordinator::{EntryState, EntryStatus, NewEntry, OperationError},
    domain::PluginName,
    plugin::{FileNote, Form, Gate, Instance, PluginReport, PluginState, Policy},
};

impl Service {
    /// Every plugin, and every file in the directory that did not become one.
    pub fn plugins(&self) -> Vec<api::Plugin> {
        self.plugins.reports().into_iter().map(view).collect()
    }

    /// Lets a plugin be loaded and run, from now on and after a restart.
    ///
    /// # Errors
    /// If the configuration cannot be written, or the plugin is not there.
    pub async fn enable_plugin(&self, _: Operator, input: &api::PluginName) -> Result<api::Plugin, Problem> {
        let name = self.write_enabled(&input.name, true).await?;
        if self.plugins.instance(name.as_str()).is_some() {
            self.start_plugin(&name).await;
        } else {
            self.rescan().await;
        }
        self.plugin_view(&name)
    }

    /// Stops a plugin's daemons and keeps it from being loaded, from now on and after a restart. Its identities go on speaking
    /// where they speak: they are data.
    ///
    /// # Errors
    /// If the configuration cannot be written, or the plugin is not there.
    pub async fn disable_plugin(&self, _: Operator, input: &api::PluginName) -> Result<api::Plugin, Problem> {
        let name = self.write_enabled(&input.name, false).await?;
        self.stop_plugin(&name, "disabled by the operator").await;
        self.plugin_view(&name)
    }

    /// Starts a plugin's daemons anew.
    ///
    /// # Errors
    /// If there is no such plugin, or it has no daemons.
    pub async fn restart_plugin(&self, _: Operator, input: &api::PluginName) -> Result<api::Plugin, Problem> {
        let name = self.plugin_name(&input.name)?;
        match self.coordinator.restart(name.as_str()).await {
            Ok(_) => self.refresh_plugin(name.as_str()),
            Err(OperationError::UnknownPlugin(_)) if self.plugins.instance(name.as_str()).is_some() => {
                self.start_plugin(&name).await;
            }
            Err(error) => return Err(operation_problem(&error)),
        }
        self.plugin_view(&name)
    }

    /// Judges what lies in these places and starts what became a plugin.
    pub async fn discover(&self, found: Vec<PathBuf>) {
        let registered = self.plugins.discover(found, self.gate()).await;
        for name in &registered {
            self.start_plugin(name).await;
            self.ask_providers_of(name).await;
        }
        if !registered.is_empty() {
            self.retry_unspoken().await;
        }
    }

    /// Looks through the whole directory again.
    pub async fn rescan(&self) {
        let directory = self.gate().directory().to_owned();
        match tokio::task::spawn_blocking(move || crate::plugin::scan(&directory)).await {
            Ok(Ok(candidates)) => {
                self.discover(candidates.into_iter().map(|found| found.path).collect())
                    .await
            }
            Ok(Err(error)) => tracing::warn!(%error, "the plugin directory cannot be read"),
            Err(error) => tracing::error!(%error, "the plugin directory was not read"),
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

    /// The entries of these plugins for the boot, in order; each plugin is `starting` from here on.
    pub fn boot_entries(&self, names: &[PluginName]) -> Vec<NewEntry> {
        names
            .iter()
            .flat_map(|name| self.begin(name).unwrap_or_default())
            .collect()
    }

    /// Starts the entries of a plugin beside those that run. A failure is the plugin's alone.
    pub async fn start_plugin(&self, name: &PluginName) {
        let Some(entries) = self.begin(name) else { return };
        if entries.is_empty() {
            return self.refresh_plugin(name.as_str());
        }
        match self.coordinator.add(entries).await {
            Ok(_) => self.refresh_plugin(name.as_str()),
            Err(error) => {
                tracing::warn!(plugin = %name, %error, "the daemons of the plugin do not run");
                self.plugins
                    .set_state(name, PluginState::Failed, Some(error.to_string()));
            }
        }
    }

    /// Stops the entries of a plugin.
    pub async fn stop_plugin(&self, name: &PluginName, why: &str) {
        self.plugins
            .set_state(name, PluginState::Stopping, Some(why.to_owned()));
        match self.coordinator.remove_plugin(name.as_str()).await {
            Ok(()) | Err(OperationError::UnknownPlugin(_)) => {}
            Err(error) => {
                tracing::warn!(plugin = %name, %error, "the daemons of the plugin were not stopped")
            }
        }
        self.plugins
            .set_state(name, PluginState::Stopped, Some(why.to_owned()));
    }

    /// Says of every plugin that it has stopped, once the coordinator has stopped all entries.
    pub fn note_all_stopped(&self) {
        for report in self.plugins.reports() {
            if let (Some(admitted), true) = (report.admitted, report.state.is_usable()) {
                let name = &admitted.manifest.name;
                self.plugins.set_state(name, PluginState::Stopping, None);
                self.plugins.set_state(name, PluginState::Stopped, None);
            }
        }
    }

    /// Takes over what the coordinator knows of a plugin's entries into the plugin's own state.
    pub fn refresh_plugin(&self, plugin: &str) {
        let Some(report) = self.plugins.report(plugin) else {
            return;
        };
        let Some(admitted) = report.admitted else { return };
        let name = &admitted.manifest.name;
        let entries = self.coordinator.status().entries;
        let entries: Vec<_> = entries
            .iter()
            .filter(|entry| entry.id.plugin() == plugin)
            .collect();
        if report.state == PluginState::Stopped {
            return;
        }
        if let Some((state, cause)) = summary(&entries) {
            self.plugins.set_state(name, state, cause);
        }
    }

    /// A plugin's event types join the vocabulary, and its entries are made ready. `None`: it is not to run.
    fn begin(&self, name: &PluginName) -> Option<Vec<NewEntry>> {
        let report = self.plugins.report(name.as_str())?;
        let (instance, admitted) = (report.instance?, report.admitted?);
        if let Err(error) = self.log.admit_plugin_types(name, &admitted.manifest.event_types) {
            tracing::warn!(plugin = %name, %error, "the plugin's event types are refused");
            self.plugins
                .set_state(name, PluginState::Failed, Some(error.to_string()));
            return None;
        }
        self.metrics.host.plugin_loaded(name.as_str());
        self.plugins.set_state(name, PluginState::Starting, None);
        Some(self.chosen_entries(&instance))
    }

    /// Names given with `--only` that no plugin found so far has chose nothing: most likely a slip, if nothing else is dropped.
    pub fn warn_of_unknown_only(&self) {
        let reports = self.plugins.reports();
        let instances = reports.iter().filter_map(|report| report.instance.as_deref());
        let known: Vec<String> = instances.flat_map(entries::ids).collect();
        let is_known = |only: &&String| known.iter().any(|id| is_meant(only, id));
        for only in self.only.iter().filter(|only| !is_known(only)) {
            tracing::warn!(
                "`--only {only}` chooses nothing: the daemons there are: {}",
                known.join(", ")
            );
        }
    }

    fn chosen_entries(&self, instance: &Arc<Instance>) -> Vec<NewEntry> {
        let config = self.config.load();
        let name = &instance.identity().name;
        let listed = config.plugin(name).and_then(|section| section.daemons.as_ref());
        entries::warn_of_unknown(instance, listed.map_or(&[], Vec::as_slice));
        let defaults = entries::EntryDefaults {
            startup_timeout: config.coordinator.startup_timeout(),
            tick_timeout: config.coordinator.tick_timeout(),
        };
        let only = &self.only;
        let chosen = |daemon: &str| {
            let id = format!("{name}/{daemon}");
            config.is_daemon_chosen(name, daemon)
                && (only.is_empty() || only.iter().any(|only| is_meant(only, &id)))
        };
        entries::entries_of(instance, &defaults, &self.metrics, chosen)
    }

    /// A plugin that came back may be the one that a tenant's identity came from.
    async fn ask_providers_of(&self, name: &PluginName) {
        let providers = self.plugins.providers().into_iter();
        for (provider, _) in providers.filter(|(provider, _)| provider.plugin() == name.as_str()) {
            if let Err(error) = self.identities.announced(&provider, None).await {
                tracing::warn!(%provider, %error, "the provider was not asked");
            }
        }
    }

    async fn write_enabled(&self, name: &str, enabled: bool) -> Result<PluginName, Problem> {
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
        self.take_over_configuration().await?;
        Ok(name)
    }

    fn plugin_name(&self, text: &str) -> Result<PluginName, Problem> {
        let unknown = || {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
            let message = format!("there is no plugin `{shown}`");
            Problem::new(ProblemKind::NotFound, "plugin.unknown", message)
                .hint("`kora plugins list` shows those there are")
        };
        let name: PluginName = text.parse().map_err(|_| unknown())?;
        let configured = self.config.load().plugins.named.contains_key(&name);
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

/// Whether `only`, a daemon's name with or without its plugin's, means the daemon `id`.
fn is_meant(only: &str, id: &str) -> bool {
    only == id || id.split_once('/').is_some_and(|(_, daemon)| daemon == only)
}

/// What a plugin's entries together make of it. Nothing while some are stopped in order: who stops them says it of the plugin,
/// and a plugin whose entries are stopped only to be started anew is none that stops.
fn summary(entries: &[&EntryStatus]) -> Option<(PluginState, Option<String>)> {
    use EntryState::{BackingOff, Degraded, Failed, Starting, Stopped, Stopping, Waiting, Wedged};
    let first = |states: &[EntryState]| entries.iter().find(|entry| states.contains(&entry.state));
    let cause = |entry: &EntryStatus| {
        let detail = entry
            .detail
            .as_deref()
            .or(entry.last_error.as_deref())
            .unwrap_or("no cause is known");
        Some(format!("{} is {}: {detail}", entry.id.name(), entry.state))
    };
    if let Some(entry) = first(&[Wedged]) {
        return Some((PluginState::Wedged, cause(entry)));
    }
    // One that stops, or waits, for a reason was broken off, or cannot start.
    let for_a_reason = entries
        .iter()
        .find(|entry| entry.detail.is_some() && matches!(entry.state, Stopping | Waiting));
    if let Some(entry) = first(&[Failed, Degraded, BackingOff]).or(for_a_reason) {
        return Some((PluginState::Degraded, cause(entry)));
    }
    if first(&[Stopping, Stopped]).is_some() {
        return None;
    }
    if first(&[Starting, Waiting]).is_some() {
        return Some((PluginState::Starting, None));
    }
    Some((PluginState::Running, None))
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
        view.extensions = instance
            .extensions()
            .ids()
            .into_iter()
            .map(str::to_owned)
            .collect();
    }
    view
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
