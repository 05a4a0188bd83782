//! The configuration: showing it, and reading it again.

use std::sync::{Arc, PoisonError};

use super::{
    PluginTurn, Principal, Problem, ProblemKind, Service, api, plugin_settings::plugin_setting_problems,
    tenants,
};
use crate::{
    config::{Applies, AtWork, Config, ConfigProblems, diff},
    domain::PluginName,
    plugin::{FileNote, PluginState},
    secrets::SecretTable,
};

impl Service {
    /// Every key with its effective value and where it came from.
    pub fn show_config(&self) -> Vec<crate::config::ShownValue> {
        self.config.load().show()
    }

    /// Reads the configuration again; what can change while the host runs does, and what needs a restart stays as it is until then.
    /// Waits for the end of the boot.
    ///
    /// # Errors
    /// Everything that is wrong with it; the one in force stays.
    pub async fn reload_config(&self, by: &Principal) -> Result<api::Reloaded, Problem> {
        let turn = self.turn_while_running().await?;
        let fresh = self.read_configuration().await?;
        let fresh = self.judge_plugin_settings(fresh).await?;
        let reloaded = self.take_over(fresh, by)?;
        self.reconcile_plugins(&turn).await;
        self.serve_configured_tenants(by.actor()).await;
        self.settle_costs(&reloaded.applied).await;
        Ok(reloaded)
    }

    /// Reads the configuration again and hands it to everybody who keeps something of it.
    pub(super) async fn take_over_configuration(
        &self,
        _: &PluginTurn<'_>,
        by: &Principal,
    ) -> Result<api::Reloaded, Problem> {
        // A fault in one plugin's keys must not keep the operator from switching a plugin: they are judged when it is loaded.
        let fresh = self.read_configuration().await?;
        self.take_over(fresh, by)
    }

    fn take_over(&self, fresh: Config, by: &Principal) -> Result<api::Reloaded, Problem> {
        let (before, at_work) = (self.config.load_full(), self.at_work());
        let changes = diff(&before, &fresh, &at_work);
        let keys = |applies: Applies| {
            changes
                .iter()
                .filter(|change| change.applies == applies)
                .map(|change| change.key.clone())
                .collect()
        };
        let reloaded = api::Reloaded {
            applied: keys(Applies::Live),
            needs_restart: keys(Applies::NeedsRestart),
        };
        self.apply(before.reloaded(fresh, &at_work))?;
        if self.is_news(&reloaded) {
            tracing::info!(applied = ?reloaded.applied, needs_restart = ?reloaded.needs_restart, "configuration read again");
            self.accounts.reloaded(by.writer(), &reloaded);
        }
        Ok(reloaded)
    }

    async fn read_configuration(&self) -> Result<Config, Problem> {
        let source = self.config_source.clone();
        let fresh = tokio::task::spawn_blocking(move || source.read()).await;
        fresh
            .map_err(|error| Problem::new(ProblemKind::Internal, "host.interrupted", error.to_string()))?
            .map_err(|problems| invalid(&problems))
    }

    /// The plugins' own keys, by the manifests that are known. One whose file was replaced or removed is judged when it is loaded
    /// next: what its keys will have to be is not known.
    async fn judge_plugin_settings(&self, fresh: Config) -> Result<Config, Problem> {
        let stale = |note| matches!(note, FileNote::UpdateWaiting | FileNote::FileGone);
        let reports = self.plugins.reports().into_iter();
        let known: Vec<_> = reports
            .filter(|report| !report.note.is_some_and(stale))
            .filter_map(|report| report.admitted)
            .collect();
        // Schemas are strangers': what they cost must not hold the runtime.
        let judged = tokio::task::spawn_blocking(move || {
            let manifests = known.iter().map(|admitted| &admitted.manifest);
            let problems = plugin_setting_problems(&fresh, manifests);
            match problems.is_empty() {
                true => Ok(fresh),
                false => Err(ConfigProblems::new(problems)),
            }
        });
        judged
            .await
            .map_err(|error| Problem::new(ProblemKind::Internal, "host.interrupted", error.to_string()))?
            .map_err(|problems| invalid(&problems))
    }

    /// What waits for a restart is said with every reload, and told in the chain once.
    fn is_news(&self, reloaded: &api::Reloaded) -> bool {
        let mut told = self
            .waits_for_restart
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let waits_anew = *told != reloaded.needs_restart;
        told.clone_from(&reloaded.needs_restart);
        waits_anew || !reloaded.applied.is_empty()
    }

    fn at_work(&self) -> AtWork {
        let loaded = self.plugins.reports().into_iter();
        let loaded = loaded.filter(|report| report.instance.is_some());
        let tenants = self.tenants.ids().into_iter();
        let slots = self.identities.slots();
        AtWork {
            plugins: loaded
                .filter_map(|report| Some(report.admitted?.manifest.name.to_string()))
                .collect(),
            tenants: tenants
                .filter(|tenant| slots.speaking(tenant).is_some())
                .map(|tenant| tenant.folded())
                .collect(),
        }
    }

    /// What can be refused comes first, so that all of it applies or nothing.
    fn apply(&self, fresh: Config) -> Result<(), Problem> {
        self.log
            .set_operator_types(&fresh.events.types)
            .map_err(|error| Problem::new(ProblemKind::BadInput, "events.types", error.to_string()))?;
        let fresh = Arc::new(fresh);
        self.logging.apply(&fresh.log);
        self.secrets.replace(SecretTable::from(&**fresh));
        let known = self.tenants.ids().into_iter();
        self.identities
            .reconfigure(known.map(|tenant| tenants::identity_seed(&fresh, &tenant)));
        self.config.store(fresh);
        Ok(())
    }

    /// Plugins that the configuration disables stop, those that it enables start.
    async fn reconcile_plugins(&self, turn: &PluginTurn<'_>) {
        let config = self.config.load_full();
        let loaded = self.plugins.reports().into_iter();
        let loaded = loaded.filter(|report| report.instance.is_some());
        let names: Vec<(PluginName, PluginState)> = loaded
            .filter_map(|report| Some((report.admitted?.manifest.name.clone(), report.state)))
            .collect();
        for (name, state) in names {
            match (config.is_plugin_enabled(&name), state) {
                (true, PluginState::Stopped) => self.start_plugin(turn, &name).await,
                (false, state) if !state.is_stopped() => {
                    if let Err(error) = self
                        .stop_plugin(turn, &name, "disabled by the configuration")
                        .await
                    {
                        tracing::warn!(plugin = %name, %error, "the plugin is disabled and was not stopped");
                    }
                }
                _ => {}
            }
        }
        self.rescan(turn).await;
    }
}

fn invalid(problems: &ConfigProblems) -> Problem {
    Problem::new(ProblemKind::BadInput, "config.invalid", problems.to_string())
        .hint("nothing was changed; `kora config check` shows the same")
}
