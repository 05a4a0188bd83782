//! The secrets that admitted plugins require for the daemons that are to run.

use super::running::may_be_started;
use crate::{domain::PluginName, plugin::Instance, service::Service};

/// A secret that is required and not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingSecret {
    /// Whose.
    pub plugin: PluginName,
    /// Why it is not there; names it and its place.
    pub cause: String,
    /// One of the daemons that need it is one without which the host does not boot.
    pub is_fatal: bool,
}

impl Service {
    /// The secrets that are required and not there. Reads files, so not for a worker of the runtime.
    ///
    /// A manifest names the secrets of its plugin, not of each daemon: all are required if one of the daemons is to run. One that a tenant has
    /// a place of its own for is read when it is asked for in that tenant's name.
    pub fn missing_secrets(&self) -> Vec<MissingSecret> {
        let reports = self.plugins.reports().into_iter();
        let startable = reports.filter(|report| may_be_started(report.state));
        let mut missing = Vec::new();
        for report in startable {
            let (Some(admitted), Some(instance)) = (report.admitted, report.instance) else {
                continue;
            };
            let Some(is_fatal) = self.runs_daemons(&instance) else {
                continue;
            };
            let plugin = &admitted.manifest.name;
            for secret in &admitted.manifest.secrets {
                let name = secret.as_str();
                let found = self.secrets.get(plugin, None, name);
                if let Err(error) = found
                    && (self.secrets.is_configured(plugin, None, name)
                        || !self.secrets.has_a_tenant(plugin, name))
                {
                    missing.push(MissingSecret {
                        plugin: plugin.clone(),
                        cause: error.to_string(),
                        is_fatal,
                    });
                }
            }
        }
        missing
    }

    /// Whether one of its daemons that are to run is fatal; nothing if none is to run.
    fn runs_daemons(&self, instance: &Instance) -> Option<bool> {
        let plugin = &instance.identity().name;
        let daemons = instance.registration().daemons.iter();
        let mut chosen = daemons
            .filter(|daemon| self.is_chosen(plugin, &daemon.name))
            .peekable();
        chosen.peek()?;
        let honoured = self.config.load().coordinator.honour_fatal;
        Some(honoured && chosen.any(|daemon| daemon.fatal_on_startup_failure))
    }
}
