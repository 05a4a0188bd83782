//! From files to plugins that are registered: judged, chosen among rivals, loaded, and kept or refused.
//!
//! One discovery runs at a time. Files may be looked at as often as one likes: what was refused is refused again without a word,
//! so that neither the log nor the host's chain grows by looking.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};

use super::{FileNote, PluginChange, PluginReport, Record, Registry, change_of};
use crate::{
    domain::{Digest, PluginName},
    plugin::{
        admission::{self, Admitted},
        context::PluginIdentity,
        gate::Gate,
        instance::{Instance, Loaded, StartError},
        lifecycle::PluginState,
        refusal::{Refusal, shown_path},
        settings,
    },
};

impl Registry {
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

    /// Files that are gone. Loaded code goes on; what was refused is forgotten.
    pub fn gone(&self, paths: &[PathBuf]) {
        paths.iter().for_each(|path| self.forget_refusal(path));
        for record in self.write().values_mut() {
            let waits_no_more = record.waiting.take_if(|path| paths.contains(path)).is_some();
            if paths.contains(&record.report.path) {
                record.report.note = Some(FileNote::FileGone);
            } else if waits_no_more {
                record.report.note = None;
            }
        }
    }

    async fn admit(&self, path: PathBuf, gate: Arc<Gate>) -> Option<Admitted> {
        let judged = {
            let path = path.clone();
            tokio::task::spawn_blocking(move || gate.admit(&path)).await
        };
        match judged {
            Ok(Ok(admitted)) => self.unless_loaded(admitted),
            Ok(Err(refusal)) if self.is_loaded_although(&path, &refusal) => {
                self.forget_refusal(&path);
                None
            }
            Ok(Err(refusal)) => {
                self.refuse(path, &refusal);
                None
            }
            Err(panicked) => {
                // A fault of the host's own reading: the file is kept out, the host goes on.
                let detail = format!("judging it failed: {panicked}");
                self.refuse(path, &Refusal::LoadFailed { detail });
                None
            }
        }
    }

    /// Whether the file is refused by the operator's word alone while its code is loaded: that is no news of the file.
    fn is_loaded_although(&self, path: &Path, refusal: &Refusal) -> bool {
        let (name, build) = match refusal {
            Refusal::Disabled { name } => (name, None),
            Refusal::NotAllowed { name, digest } => (name, Some(*digest)),
            _ => return false,
        };
        self.read().get(name).is_some_and(|record| {
            let loaded = record.report.admitted.as_ref().map(|admitted| admitted.digest);
            is_taken(record) && record.report.path == path && (build.is_none() || build == loaded)
        })
    }

    /// A plugin that is loaded stays as it is: another build of it waits, the same one is no news.
    fn unless_loaded(&self, admitted: Admitted) -> Option<Admitted> {
        let mut plugins = self.write();
        let taken = plugins.get_mut(&admitted.manifest.name);
        let Some(record) = taken.filter(|record| is_taken(record)) else {
            return Some(admitted);
        };
        let loaded = record.report.admitted.clone()?;
        let goes_on = record.report.note != Some(FileNote::FileGone) && record.report.path != admitted.path;
        // The same library in another form is no other build.
        let is_same = loaded.library_digest == admitted.library_digest;
        if goes_on && (is_same || admitted.manifest.version < loaded.manifest.version) {
            drop(plugins);
            self.refuse(admitted.path.clone(), &superseded(&admitted, &loaded));
            return None;
        }
        let note = (!is_same).then_some(FileNote::UpdateWaiting);
        if note.is_some() && record.report.note != note {
            tracing::info!(plugin = %admitted.manifest.name, digest = %admitted.digest.short(), "an update waits");
        }
        record.report.note = note;
        record.waiting = note.map(|_| admitted.path.clone());
        if is_same {
            record.report.path.clone_from(&admitted.path);
        }
        drop(plugins);
        self.forget_refusal(&admitted.path);
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
        let known = self.refusal_of_build(&admitted);
        if known.is_none() {
            self.begin(&admitted);
        }
        let opened = self.open(&admitted).await;
        if let (Some(cause), Err(StartError::Refused(refusal))) = (&known, &opened)
            && *cause == refusal.to_string()
        {
            return false;
        }
        if known.is_some() {
            self.begin(&admitted);
        }
        let started = match opened {
            Ok(loaded) => self.register(loaded, &admitted).await,
            Err(error) => Err(error),
        };
        match started {
            Ok(instance) => {
                self.keep(&name, instance);
                self.set_state(&name, PluginState::Registered, None)
            }
            Err(error) => {
                self.give_up(&admitted, &error);
                false
            }
        }
    }

    async fn open(&self, admitted: &Arc<Admitted>) -> Result<Loaded, StartError> {
        if let Some(refusal) = self.spent(admitted.library_digest) {
            return Err(refusal.into());
        }
        let name = &admitted.manifest.name;
        let (configured, judged) = (self.port.configs(name), admitted.clone());
        // A schema is a stranger's, and what it costs to apply is up to the stranger.
        let sound = tokio::task::spawn_blocking(move || settings::check(&judged.manifest, &configured)).await;
        sound.unwrap_or_else(|panicked| {
            let detail = format!("judging its configuration failed: {panicked}");
            Err(Refusal::LoadFailed { detail })
        })?;
        Loaded::open(name.as_str(), admitted.library_path.clone()).await
    }

    async fn register(&self, loaded: Loaded, admitted: &Admitted) -> Result<Instance, StartError> {
        let manifest = &admitted.manifest;
        self.set_state(&manifest.name, PluginState::Loaded, None);
        let identity = PluginIdentity {
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            digest: admitted.digest,
        };
        let (port, signals) = (self.port.clone(), self.signals.clone());
        let registered = loaded.register(identity, manifest, port, signals).await;
        let registered = registered.and_then(|instance| self.unless_taken(instance));
        if let Err(StartError::Refused(refusal)) = &registered {
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            spent.insert(admitted.library_digest, refusal.clone());
        }
        registered
    }

    fn give_up(&self, admitted: &Admitted, error: &StartError) {
        let name = &admitted.manifest.name;
        tracing::warn!(plugin = %name, path = %admitted.path.display(), "plugin not loaded: {error}");
        let state = match error {
            StartError::Wedged { .. } => PluginState::Wedged,
            StartError::Refused(_) => PluginState::Refused,
        };
        self.set_state(name, state, Some(error.to_string()));
        if self.spent(admitted.library_digest).is_some()
            && let Some(record) = self.write().get_mut(name)
        {
            record.report.note = Some(FileNote::TriedOnce);
        }
    }

    fn spent(&self, library: Digest) -> Option<Refusal> {
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.get(&library).cloned()
    }

    /// The record of a plugin that was found and verified. Another file of that name, refused before, stays in sight.
    fn begin(&self, admitted: &Arc<Admitted>) {
        self.forget_refusal(&admitted.path);
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
        let mut plugins = self.write();
        self.announce(change_of(&found, None, None));
        self.announce(change_of(&report, Some(PluginState::Discovered), None));
        let before = plugins.insert(
            admitted.manifest.name.clone(),
            Record {
                report,
                hub: None,
                waiting: None,
            },
        );
        drop(plugins);
        if let Some(before) = before.map(|before| before.report)
            && before.state == PluginState::Refused
        {
            self.write_refused().insert(before.path.clone(), before);
        }
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

    /// Why the file was refused before, if just this build of it was.
    fn refusal_of_build(&self, admitted: &Admitted) -> Option<String> {
        let plugins = self.read();
        let report = &plugins.get(&admitted.manifest.name)?.report;
        let same = |before: &Arc<Admitted>| before.digest == admitted.digest && before.path == admitted.path;
        let is_refused = report.state == PluginState::Refused && report.admitted.as_ref().is_some_and(same);
        report.cause.clone().filter(|_| is_refused)
    }

    fn refuse(&self, path: PathBuf, refusal: &Refusal) {
        let cause = refusal.to_string();
        let known = self
            .read_refused()
            .get(&path)
            .and_then(|known| known.cause.clone());
        if known.as_ref() == Some(&cause) {
            return;
        }
        self.forget_refusal(&path);
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
}

/// Whether the name is taken for as long as the host runs: its code is loaded, or did not come back from loading.
fn is_taken(record: &Record) -> bool {
    record.report.instance.is_some() || record.report.state == PluginState::Wedged
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
