//! The plugins that there are: what state each is in, and why.
//!
//! How one comes to be there is in `discovery`. It knows nothing of entries that run or of identities that speak: `service` starts
//! what is registered, and says how it went with [`Registry::set_state`].

mod discovery;
mod offers;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::{
    admission::Admitted,
    context::{HostPort, PluginIdentity},
    instance::{Instance, tell},
    lifecycle::PluginState,
    listeners::{ListenerHub, Notice},
    offers::OfferSignals,
    refusal::Refusal,
};
use crate::domain::{Digest, PluginName, ProviderId};

/// An edge of a plugin's life, for the host's chain.
#[derive(Debug, Clone)]
pub struct PluginChange {
    /// Its name, once it is known.
    pub plugin: Option<PluginName>,
    /// Its version, once it is known.
    pub version: Option<String>,
    /// The digest of the file that was dropped, once it is known.
    pub digest: Option<Digest>,
    /// The file.
    pub path: PathBuf,
    /// Before; absent for the first edge.
    pub from: Option<PluginState>,
    /// After.
    pub to: PluginState,
    /// Why, in one line.
    pub cause: Option<String>,
    /// The same as a stable word, of a refusal.
    pub cause_kind: Option<&'static str>,
}

/// Hears of every edge, in order. `app` writes them into the host's chain.
pub trait PluginObserver: Send + Sync + 'static {
    /// An edge was taken. Must not block.
    fn plugin_changed(&self, change: PluginChange);
}

/// What is to be said of a plugin's file beside its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileNote {
    /// Another build lies in the directory; it is loaded when the host starts again.
    UpdateWaiting,
    /// The file is gone; the loaded code goes on.
    FileGone,
    /// It was refused by what it registers. A library registers once in a process.
    TriedOnce,
}

impl FileNote {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpdateWaiting => "update waiting",
            Self::FileGone => "file gone",
            Self::TriedOnce => "restart to try again",
        }
    }
}

/// A plugin, or a file that is none, at one moment.
#[derive(Debug, Clone)]
pub struct PluginReport {
    /// The file.
    pub path: PathBuf,
    /// Where it is.
    pub state: PluginState,
    /// Why, in one line.
    pub cause: Option<String>,
    /// What else is to be said of its file.
    pub note: Option<FileNote>,
    /// What was admitted, if it was.
    pub admitted: Option<Arc<Admitted>>,
    /// What runs of it, if it was loaded.
    pub instance: Option<Arc<Instance>>,
}

struct Record {
    report: PluginReport,
    hub: Option<ListenerHub>,
    /// The file of the build that waits.
    waiting: Option<PathBuf>,
}

impl Record {
    fn enter(&mut self, state: PluginState, cause: Option<String>) {
        self.report.state = state;
        self.report.cause = cause;
        if let Some(instance) = &self.report.instance {
            instance.let_act(state.acts());
        }
        if state == PluginState::Wedged {
            self.hub.take().into_iter().for_each(ListenerHub::give_up);
        } else if let Some(hub) = &self.hub {
            hub.set_quiet(!state.hears());
        }
    }
}

/// The plugins that there are.
pub struct Registry {
    plugins: RwLock<BTreeMap<PluginName, Record>>,
    /// Files that did not become a plugin, with the reason.
    refused: RwLock<BTreeMap<PathBuf, PluginReport>>,
    /// Libraries that have registered, and why they were refused all the same. None registers twice in a process, so that asking
    /// again would only hide the reason. Bounded by what was loaded, which stays mapped as well.
    spent: Mutex<BTreeMap<Digest, Refusal>>,
    port: Arc<dyn HostPort>,
    observer: Arc<dyn PluginObserver>,
    signals: Arc<OfferSignals>,
    tasks: TaskTracker,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Registry {
    /// Without any plugin.
    pub fn new(port: Arc<dyn HostPort>, observer: Arc<dyn PluginObserver>, tasks: TaskTracker) -> Self {
        Self {
            plugins: RwLock::default(),
            refused: RwLock::default(),
            spent: Mutex::default(),
            port,
            observer,
            signals: Arc::default(),
            tasks,
            one_at_a_time: tokio::sync::Mutex::default(),
        }
    }

    /// Every plugin and every refused file, by name and path.
    pub fn reports(&self) -> Vec<PluginReport> {
        let plugins: Vec<_> = self.read().values().map(|record| record.report.clone()).collect();
        let refused = self.read_refused();
        plugins.into_iter().chain(refused.values().cloned()).collect()
    }

    /// One plugin.
    pub fn report(&self, name: &str) -> Option<PluginReport> {
        self.read()
            .iter()
            .find(|(known, _)| known.as_str() == name)
            .map(|(_, record)| record.report.clone())
    }

    /// The plugin's code, if it may be called.
    pub fn instance(&self, name: &str) -> Option<Arc<Instance>> {
        let report = self.report(name)?;
        if report.state.is_usable() {
            report.instance
        } else {
            None
        }
    }

    /// Every identity provider that can be asked, sorted.
    pub fn providers(&self) -> Vec<(ProviderId, PluginIdentity)> {
        let plugins = self.read();
        let usable = plugins.values().filter(|record| record.report.state.is_usable());
        let instances = usable.filter_map(|record| record.report.instance.as_ref());
        let providers = instances.flat_map(|instance| {
            let identity = instance.identity();
            let names = instance.registration().identity_providers.iter();
            names.filter_map(|p| Some((ProviderId::new(&identity.name, &p.name).ok()?, identity.clone())))
        });
        providers.collect()
    }

    /// Takes an edge, and says whether it could be taken. One that the table does not have is refused; but for a wedged plugin,
    /// which may be found out at any time, that is a fault of the host and logged as one.
    pub fn set_state(&self, name: &PluginName, to: PluginState, cause: Option<String>) -> bool {
        self.change_state(name, None, to, cause)
    }

    /// As [`set_state`](Self::set_state), unless the plugin is no longer in the state in which it was looked at.
    pub fn set_state_after(
        &self,
        name: &PluginName,
        seen: PluginState,
        to: PluginState,
        cause: Option<String>,
    ) -> bool {
        self.change_state(name, Some(seen), to, cause)
    }

    fn change_state(
        &self,
        name: &PluginName,
        seen: Option<PluginState>,
        to: PluginState,
        cause: Option<String>,
    ) -> bool {
        let mut plugins = self.write();
        let Some(record) = plugins.get_mut(name) else {
            return false;
        };
        let from = record.report.state;
        if seen.is_some_and(|seen| seen != from) {
            return false;
        }
        if from == to {
            // Who found it out first knows best why.
            if to != PluginState::Wedged {
                record.report.cause = cause;
            }
            return true;
        }
        if !from.may_become(to) {
            match from {
                PluginState::Wedged => tracing::debug!(plugin = %name, %to, "a wedged plugin stays so"),
                _ => {
                    tracing::warn!(plugin = %name, %from, %to, "there is no such edge in the life of a plugin")
                }
            }
            return false;
        }
        record.enter(to, cause.clone());
        if from.hears() != to.hears() {
            self.tell_of_offers(record);
        }
        // Told under the lock: edges are heard in the order in which they were taken.
        self.announce(change_of(&record.report, Some(from), cause));
        true
    }

    /// Whether any listener wants to hear of events of this type: most are wanted by none, and need not be put into words.
    pub fn wants_event(&self, event_type: &str) -> bool {
        let plugins = self.read();
        let mut hubs = plugins.values().filter_map(|record| record.hub.as_ref());
        hubs.any(|hub| hub.wants_event(event_type))
    }

    /// Tells the listeners of every plugin that acts for the notice's tenant.
    pub fn tell(&self, notice: &Notice) {
        for record in self.read().values() {
            if let (Some(instance), Some(hub)) = (&record.report.instance, &record.hub) {
                tell(instance, hub, notice);
            }
        }
    }

    /// Ends the threads of every plugin, once all entries were shut down: of all at once, so that many which do not end take no
    /// longer than one. A wedged one is left behind.
    pub async fn retire_all(&self) {
        let instances: Vec<_> = {
            let mut plugins = self.write();
            plugins.values_mut().for_each(|record| record.hub = None);
            let usable = plugins.values().filter(|record| record.report.state.is_usable());
            usable
                .filter_map(|record| record.report.instance.clone())
                .collect()
        };
        let mut ending = JoinSet::new();
        for instance in instances {
            ending.spawn(async move { instance.retire().await });
        }
        ending.join_all().await;
    }

    fn announce(&self, change: PluginChange) {
        tracing::info!(
            plugin = change.plugin.as_ref().map(tracing::field::display),
            state = %change.to,
            path = %change.path.display(),
            "plugin state"
        );
        self.observer.plugin_changed(change);
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<PluginName, Record>> {
        self.plugins.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<PluginName, Record>> {
        self.plugins.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_refused(&self) -> RwLockReadGuard<'_, BTreeMap<PathBuf, PluginReport>> {
        self.refused.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_refused(&self) -> RwLockWriteGuard<'_, BTreeMap<PathBuf, PluginReport>> {
        self.refused.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn change_of(report: &PluginReport, from: Option<PluginState>, cause: Option<String>) -> PluginChange {
    let manifest = report.admitted.as_ref().map(|admitted| &admitted.manifest);
    PluginChange {
        plugin: manifest.map(|m| m.name.clone()),
        version: manifest.map(|m| m.version.to_string()),
        digest: report.admitted.as_ref().map(|admitted| admitted.digest),
        path: report.path.clone(),
        from,
        to: report.state,
        cause,
        cause_kind: None,
    }
}
