//! The plugins that there are: found, admitted, loaded, registered; what state each is in, and why.
//!
//! One discovery runs at a time. It knows nothing of entries that run or of identities that speak: `app` starts what is
//! registered, and says how it went with [`Registry::set_state`].

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tokio_util::task::TaskTracker;

use super::{
    admission::{self, Admitted},
    context::{HostPort, PluginIdentity},
    gate::Gate,
    instance::{Instance, Loaded, StartError, tell},
    lifecycle::PluginState,
    listeners::{ListenerHub, Notice},
    refusal::{Refusal, shown_path},
    settings,
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
}

impl FileNote {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpdateWaiting => "update waiting",
            Self::FileGone => "file gone",
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
}

/// The plugins that there are.
pub struct Registry {
    plugins: RwLock<BTreeMap<PluginName, Record>>,
    /// Files that did not become a plugin, with the reason.
    refused: RwLock<BTreeMap<PathBuf, PluginReport>>,
    port: Arc<dyn HostPort>,
    observer: Arc<dyn PluginObserver>,
    tasks: TaskTracker,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Registry {
    /// Without any plugin.
    pub fn new(port: Arc<dyn HostPort>, observer: Arc<dyn PluginObserver>, tasks: TaskTracker) -> Self {
        Self {
            plugins: RwLock::default(),
            refused: RwLock::default(),
            port,
            observer,
            tasks,
            one_at_a_time: tokio::sync::Mutex::default(),
        }
    }

    /// Admits, loads and lets register what was found. Answers the names of the plugins that are registered now and were not
    /// before, sorted. What was refused is kept with its reason; nothing of it ends the host.
    ///
    /// Not cancel safe: a plugin whose loading was dropped stays where it was.
    pub async fn discover(self: &Arc<Self>, found: Vec<PathBuf>, gate: Arc<Gate>) -> Vec<PluginName> {
        let _turn = self.one_at_a_time.lock().await;
        let mut admitted = Vec::new();
        for path in found {
            if let Some(found) = self.admit(path, gate.clone()).await {
                admitted.push(found);
            }
        }
        let mut ready = Vec::new();
        for chosen in self.choose(admitted) {
            let name = chosen.manifest.name.clone();
            if self.load(Arc::new(chosen)).await {
                ready.push(name);
            }
        }
        ready
    }

    /// Files that are gone. Loaded code goes on; a refused file is forgotten.
    pub fn gone(&self, paths: &[PathBuf]) {
        let mut refused = self.write_refused();
        refused.retain(|path, _| !paths.contains(path));
        for record in self
            .write()
            .values_mut()
            .filter(|record| paths.contains(&record.report.path))
        {
            record.report.note = Some(FileNote::FileGone);
        }
    }

    /// Every plugin and every refused file, by name and path.
    pub fn reports(&self) -> Vec<PluginReport> {
        let plugins: Vec<_> = self.read().values().map(|record| record.report.clone()).collect();
        let refused = self.refused.read().unwrap_or_else(PoisonError::into_inner);
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

    /// Takes an edge. One that the table does not have is refused, and logged as the fault of the host that it is.
    pub fn set_state(&self, name: &PluginName, to: PluginState, cause: Option<String>) {
        let mut plugins = self.write();
        let Some(record) = plugins.get_mut(name) else {
            return;
        };
        let from = record.report.state;
        if from == to {
            record.report.cause = cause;
            return;
        }
        if !from.may_become(to) {
            tracing::debug!(plugin = %name, %from, %to, "no such edge in the life of a plugin");
            return;
        }
        record.report.state = to;
        record.report.cause.clone_from(&cause);
        if to == PluginState::Wedged {
            record.hub = None;
        }
        let change = change_of(&record.report, Some(from), cause);
        drop(plugins);
        self.announce(change);
    }

    /// Tells the listeners of every plugin that acts for the notice's tenant.
    pub fn tell(&self, notice: &Notice) {
        for record in self.read().values() {
            if let (Some(instance), Some(hub)) = (&record.report.instance, &record.hub) {
                tell(instance, hub, notice);
            }
        }
    }

    /// Ends the threads of every plugin, once all entries were shut down. A wedged one is left behind.
    pub async fn retire_all(&self) {
        let instances: Vec<_> = {
            let mut plugins = self.write();
            plugins.values_mut().for_each(|record| record.hub = None);
            let usable = plugins.values().filter(|record| record.report.state.is_usable());
            usable
                .filter_map(|record| record.report.instance.clone())
                .collect()
        };
        for instance in instances {
            instance.retire().await;
        }
    }

    async fn admit(&self, path: PathBuf, gate: Arc<Gate>) -> Option<Admitted> {
        self.forget_refusal(&path);
        let judged = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || gate.admit(&path)).await
        };
        match judged {
            Ok(Ok(admitted)) => self.unless_loaded(admitted),
            Ok(Err(refusal)) => {
                self.refuse(path, &refusal);
                None
            }
            Err(panicked) => {
                // A fault of the host's own reading: the file is kept out, the host goes on.
                self.refuse(
                    path,
                    &Refusal::LoadFailed {
                        detail: format!("judging it failed: {panicked}"),
                    },
                );
                None
            }
        }
    }

    /// A plugin that is loaded stays as it is: another build of it waits, the same one is no news.
    fn unless_loaded(&self, admitted: Admitted) -> Option<Admitted> {
        let mut plugins = self.write();
        let Some(record) = plugins.get_mut(&admitted.manifest.name) else {
            return Some(admitted);
        };
        if record.report.instance.is_none() && record.report.state != PluginState::Wedged {
            return Some(admitted);
        }
        let loaded = record.report.admitted.clone()?;
        if loaded.digest == admitted.digest {
            record.report.note = None;
            record.report.path = admitted.path;
            return None;
        }
        let goes_on = record.report.note != Some(FileNote::FileGone) && record.report.path != admitted.path;
        if goes_on && admitted.manifest.version < loaded.manifest.version {
            drop(plugins);
            self.refuse(admitted.path.clone(), &superseded(&admitted, &loaded));
            return None;
        }
        tracing::info!(plugin = %admitted.manifest.name, digest = %admitted.digest.short(), "an update waits");
        record.report.note = Some(FileNote::UpdateWaiting);
        None
    }

    /// The highest version of each name; the others are shown as refused.
    fn choose(&self, admitted: Vec<Admitted>) -> Vec<Admitted> {
        let (chosen, superseded) = admission::choose(admitted);
        for (other, refusal) in superseded {
            self.refuse(other.path, &refusal);
        }
        chosen
    }

    /// Loads an admitted plugin and lets it register; true if it is registered now.
    async fn load(self: &Arc<Self>, admitted: Arc<Admitted>) -> bool {
        let name = admitted.manifest.name.clone();
        self.begin(&admitted);
        match self.load_instance(&admitted).await {
            Ok(instance) => {
                self.keep(&name, instance);
                self.set_state(&name, PluginState::Registered, None);
                true
            }
            Err(error) => {
                tracing::warn!(plugin = %name, path = %admitted.path.display(), "plugin not loaded: {error}");
                let state = match &error {
                    StartError::Wedged { .. } => PluginState::Wedged,
                    StartError::Refused(_) => PluginState::Refused,
                };
                self.set_state(&name, state, Some(error.to_string()));
                false
            }
        }
    }

    async fn load_instance(&self, admitted: &Admitted) -> Result<Instance, StartError> {
        let manifest = &admitted.manifest;
        settings::check(manifest, &self.port.config(&manifest.name, None))?;
        let loaded = Loaded::open(manifest.name.as_str(), admitted.library_path.clone()).await?;
        self.set_state(&manifest.name, PluginState::Loaded, None);
        let identity = PluginIdentity {
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            digest: admitted.digest,
        };
        loaded.register(identity, manifest, self.port.clone()).await
    }

    /// The record of a plugin that was found and verified.
    fn begin(&self, admitted: &Arc<Admitted>) {
        let report = PluginReport {
            path: admitted.path.clone(),
            state: PluginState::Verified,
            cause: None,
            note: None,
            admitted: Some(admitted.clone()),
            instance: None,
        };
        let found = PluginReport {
            state: PluginState::Discovered,
            ..report.clone()
        };
        self.announce(change_of(&found, None, None));
        self.announce(change_of(&report, Some(PluginState::Discovered), None));
        self.write()
            .insert(admitted.manifest.name.clone(), Record { report, hub: None });
    }

    fn keep(self: &Arc<Self>, name: &PluginName, instance: Instance) {
        let (registry, plugin) = (Arc::downgrade(self), name.clone());
        let wedged = Arc::new(move |cause: &str| {
            if let Some(registry) = registry.upgrade() {
                tracing::error!(%plugin, cause, "the plugin is wedged: it is disabled until the host starts again");
                registry.set_state(&plugin, PluginState::Wedged, Some(cause.to_owned()));
            }
        });
        let hub = instance.start_listeners(&self.tasks, wedged);
        if let Some(record) = self.write().get_mut(name) {
            record.report.instance = Some(Arc::new(instance));
            record.hub = Some(hub);
        }
    }

    fn refuse(&self, path: PathBuf, refusal: &Refusal) {
        let cause = refusal.to_string();
        tracing::warn!(path = %path.display(), "plugin refused: {cause}");
        let report = PluginReport {
            path: path.clone(),
            state: PluginState::Refused,
            cause: Some(cause.clone()),
            note: None,
            admitted: None,
            instance: None,
        };
        let change = change_of(&report, Some(PluginState::Discovered), Some(cause));
        self.announce(PluginChange {
            cause_kind: Some(refusal.kind()),
            ..change
        });
        self.write_refused().insert(path, report);
    }

    fn forget_refusal(&self, path: &Path) {
        self.write_refused().remove(path);
        self.write()
            .retain(|_, record| record.report.path != path || record.report.state != PluginState::Refused);
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

    fn write_refused(&self) -> RwLockWriteGuard<'_, BTreeMap<PathBuf, PluginReport>> {
        self.refused.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A lower version beside the one that runs: it would not be chosen after a restart either.
fn superseded(admitted: &Admitted, loaded: &Admitted) -> Refusal {
    Refusal::Superseded {
        name: admitted.manifest.name.clone(),
        version: admitted.manifest.version.clone(),
        chosen_version: loaded.manifest.version.clone(),
        chosen_path: shown_path(&loaded.path),
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
