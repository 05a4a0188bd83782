//! The configuration: showing it, and reading it again.

use std::sync::Arc;

use super::{Operator, Problem, ProblemKind, Service, api, tenants};
use crate::{
    config::{Applies, Config, diff},
    domain::PluginName,
    secrets::SecretTable,
};

impl Service {
    /// Every key with its effective value and where it came from.
    pub fn show_config(&self) -> Vec<crate::config::ShownValue> {
        self.config.load().show()
    }

    /// Reads the configuration again; what can change while the host runs does.
    ///
    /// # Errors
    /// Everything that is wrong with it; the one in force stays.
    pub async fn reload_config(&self, _: Operator) -> Result<api::Reloaded, Problem> {
        let reloaded = self.take_over_configuration().await?;
        self.reconcile_plugins().await;
        Ok(reloaded)
    }

    /// Reads the configuration again and hands it to everybody who keeps something of it.
    pub(super) async fn take_over_configuration(&self) -> Result<api::Reloaded, Problem> {
        let source = self.config_source.clone();
        let fresh = tokio::task::spawn_blocking(move || source.read()).await;
        let fresh = fresh
            .map_err(|error| Problem::new(ProblemKind::Internal, "host.interrupted", error.to_string()))?
            .map_err(|problems| {
                Problem::new(ProblemKind::BadInput, "config.invalid", problems.to_string())
                    .hint("nothing was changed; `kora config check` shows the same")
            })?;
        let changes = diff(&self.config.load(), &fresh);
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
        self.apply(fresh);
        if !changes.is_empty() {
            tracing::info!(applied = ?reloaded.applied, needs_restart = ?reloaded.needs_restart, "configuration read again");
            self.accounts.reloaded(&reloaded);
        }
        Ok(reloaded)
    }

    fn apply(&self, fresh: Config) {
        let fresh = Arc::new(fresh);
        self.logging.apply(&fresh.log);
        self.secrets.replace(SecretTable::from(&**fresh));
        if let Err(error) = self.log.set_operator_types(&fresh.events.types) {
            tracing::warn!(%error, "the operator's event types stay as they were");
        }
        let known = self.tenants.list().into_iter();
        self.identities
            .reconfigure(known.map(|listed| tenants::identity_seed(&fresh, &listed.record.tenant)));
        self.config.store(fresh);
    }

    /// Plugins that the configuration disables stop, those that it enables start.
    async fn reconcile_plugins(&self) {
        let config = self.config.load_full();
        let loaded = self
            .plugins
            .reports()
            .into_iter()
            .filter(|report| report.instance.is_some());
        let names: Vec<(PluginName, bool)> = loaded
            .filter_map(|report| Some((report.admitted?.manifest.name.clone(), report.state.is_stopped())))
            .collect();
        for (name, stopped) in names {
            match (config.is_plugin_enabled(&name), stopped) {
                (false, false) => self.stop_plugin(&name, "disabled by the configuration").await,
                (true, true) => self.start_plugin(&name).await,
                _ => {}
            }
        }
        self.rescan().await;
    }
}
