//! The entries of plugins: starting, stopping and restarting them, and what they make of the plugin.
//!
//! One thing is done with plugins at a time: whoever has the [`PluginTurn`]. In between, a plugin's state follows what the
//! coordinator tells of its entries.

use std::sync::Arc;

use tokio::sync::MutexGuard;

use super::operation_problem;
use crate::{
    coordinator::{EntryState, EntryStatus, HostState, NewEntry, OperationError},
    domain::PluginName,
    plugin::{Instance, PluginState},
    service::{Problem, ProblemKind, Service, entries},
};

/// Whose turn it is to admit, start, stop or reconfigure plugins. Nobody decides about a plugin that somebody else is just
/// changing; the boot has the turn until its end.
pub struct PluginTurn<'a> {
    _held: MutexGuard<'a, ()>,
}

impl Service {
    /// Waits for the turn.
    pub async fn plugin_turn(&self) -> PluginTurn<'_> {
        PluginTurn {
            _held: self.plugin_changes.lock().await,
        }
    }

    /// The turn, if the host runs by then.
    ///
    /// # Errors
    /// If the host stops.
    pub(in crate::service) async fn turn_while_running(&self) -> Result<PluginTurn<'_>, Problem> {
        let turn = self.plugin_turn().await;
        match self.coordinator.state() {
            HostState::Running => Ok(turn),
            HostState::Booting => Err(operation_problem(&OperationError::StillBooting)),
            HostState::ShuttingDown | HostState::Stopped => Err(Problem::new(
                ProblemKind::Unavailable,
                "host.stopping",
                "the host is shutting down",
            )),
        }
    }

    /// The entries of these plugins for the boot, in order; each plugin is `starting` from here on, or runs if it has none.
    pub fn boot_entries(&self, _: &PluginTurn<'_>, names: &[PluginName]) -> Vec<NewEntry> {
        let entries = names.iter().flat_map(|name| {
            let entries = self.begin(name).unwrap_or_default();
            if entries.is_empty() {
                self.plugins
                    .set_state_after(name, PluginState::Starting, PluginState::Running, None);
            }
            entries
        });
        entries.collect()
    }

    /// Starts the entries of a plugin beside those that run. A failure is the plugin's alone.
    pub(in crate::service) async fn start_plugin(&self, _: &PluginTurn<'_>, name: &PluginName) {
        let Some(entries) = self.begin(name) else { return };
        if entries.is_empty() {
            self.plugins.set_state(name, PluginState::Running, None);
            return;
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

    /// Stops the entries of a plugin; does nothing if none was started.
    ///
    /// # Errors
    /// If the host stops, which stops them too.
    pub(in crate::service) async fn stop_plugin(
        &self,
        _: &PluginTurn<'_>,
        name: &PluginName,
        why: &str,
    ) -> Result<(), Problem> {
        let state = self.plugins.report(name.as_str()).map(|report| report.state);
        if !state.is_some_and(|state| state.may_become(PluginState::Stopping)) {
            return Ok(());
        }
        let cause = || Some(why.to_owned());
        self.plugins.set_state(name, PluginState::Stopping, cause());
        match self.coordinator.remove_plugin(name.as_str()).await {
            Ok(()) | Err(OperationError::UnknownPlugin(_)) => {}
            Err(error) => return Err(operation_problem(&error)),
        }
        self.plugins.set_state(name, PluginState::Stopped, cause());
        Ok(())
    }

    /// Stops the entries of a plugin that runs, and starts them anew.
    ///
    /// # Errors
    /// If they could not be stopped.
    pub(super) async fn restart_entries(
        &self,
        _: &PluginTurn<'_>,
        name: &PluginName,
        why: &str,
    ) -> Result<(), Problem> {
        self.plugins
            .set_state(name, PluginState::Stopping, Some(why.to_owned()));
        match self.coordinator.restart(name.as_str()).await {
            Ok(_) | Err(OperationError::UnknownPlugin(_)) => {}
            Err(error) => return Err(operation_problem(&error)),
        }
        self.plugins.set_state(name, PluginState::Starting, None);
        self.refresh_or_run(name);
        Ok(())
    }

    /// Stops the entries of a plugin that somebody else than the coordinator found wedged. Each has its deadline; none is started
    /// anew.
    pub async fn stop_wedged(&self, plugin: &str) {
        let _turn = self.plugin_turn().await;
        let entries = self.coordinator.status().entries;
        let goes_on = |entry: &EntryStatus| entry.id.plugin() == plugin && entry.state != EntryState::Wedged;
        if entries.iter().any(goes_on)
            && let Err(error) = self.coordinator.remove_plugin(plugin).await
        {
            tracing::warn!(plugin, %error, "the daemons of a wedged plugin were not stopped");
        }
    }

    /// Says of every plugin that it has stopped, once the coordinator has stopped all entries.
    pub fn note_all_stopped(&self) {
        for report in self.plugins.reports() {
            if let (Some(admitted), true) = (report.admitted, report.state.is_usable()) {
                let name = &admitted.manifest.name;
                if !report.state.is_stopped() {
                    self.plugins.set_state(name, PluginState::Stopping, None);
                }
                self.plugins.set_state(name, PluginState::Stopped, None);
            }
        }
    }

    /// Takes over what the coordinator knows of a plugin's entries into the plugin's own state, unless somebody is starting or
    /// stopping all of them.
    pub fn refresh_plugin(&self, plugin: &str) {
        let Some(report) = self.plugins.report(plugin) else {
            return;
        };
        let Some(admitted) = report.admitted else { return };
        let entries = self.coordinator.status().entries;
        let entries: Vec<_> = entries
            .iter()
            .filter(|entry| entry.id.plugin() == plugin)
            .collect();
        if let Some((state, cause)) = followed(report.state, &entries) {
            self.plugins
                .set_state_after(&admitted.manifest.name, report.state, state, cause);
        }
    }

    /// Also for a plugin without entries, of which no entry tells.
    fn refresh_or_run(&self, name: &PluginName) {
        let entries = self.coordinator.status().entries;
        if entries.iter().any(|entry| entry.id.plugin() == name.as_str()) {
            self.refresh_plugin(name.as_str());
        } else {
            self.plugins.set_state(name, PluginState::Running, None);
        }
    }

    /// A plugin's event types join the vocabulary, and its entries are made ready. `None`: it is not to run.
    fn begin(&self, name: &PluginName) -> Option<Vec<NewEntry>> {
        let report = self.plugins.report(name.as_str())?;
        let (instance, admitted) = (report.instance?, report.admitted?);
        if !may_be_started(report.state) {
            return None;
        }
        if let Err(error) = self.log.admit_plugin_types(name, &admitted.manifest.event_types) {
            tracing::warn!(plugin = %name, %error, "the plugin's event types are refused");
            self.plugins
                .set_state(name, PluginState::Failed, Some(error.to_string()));
            return None;
        }
        if !self.plugins.set_state(name, PluginState::Starting, None) {
            // It was found wedged just now.
            return None;
        }
        self.metrics.host.plugin_loaded(name.as_str());
        Some(self.chosen_entries(&instance))
    }

    fn chosen_entries(&self, instance: &Arc<Instance>) -> Vec<NewEntry> {
        let config = self.config.load();
        let name = &instance.identity().name;
        let listed = config.plugin(name).and_then(|section| section.daemons.as_ref());
        entries::warn_of_unknown(instance, listed.map_or(&[], Vec::as_slice));
        let defaults = entries::EntryDefaults {
            startup_timeout: config.coordinator.startup_timeout(),
            tick_timeout: config.coordinator.tick_timeout(),
            shutdown_timeout: config.coordinator.shutdown_timeout(),
        };
        let chosen = |daemon: &str| self.is_chosen(name, daemon);
        entries::entries_of(instance, &defaults, &self.metrics, chosen)
    }

    /// Whether the operator lets this daemon run.
    pub(super) fn is_chosen(&self, plugin: &PluginName, daemon: &str) -> bool {
        self.config.load().is_daemon_chosen(plugin, daemon)
            && (self.only.is_empty() || self.only.iter().any(|only| names(only, plugin, daemon)))
    }

    /// Whether each daemon that is to run alone is one that can run.
    ///
    /// # Errors
    /// The first that cannot, with those that can.
    pub fn check_only(&self) -> Result<(), UnknownDaemon> {
        let config = self.config.load();
        let instances = self
            .plugins
            .reports()
            .into_iter()
            .filter_map(|report| report.instance);
        let there_are: Vec<_> = instances
            .flat_map(|instance| {
                let plugin = instance.identity().name.clone();
                let daemons = instance.registration().daemons.iter();
                let chosen = daemons.filter(|daemon| config.is_daemon_chosen(&plugin, &daemon.name));
                chosen
                    .map(|daemon| (plugin.clone(), daemon.name.clone()))
                    .collect::<Vec<_>>()
            })
            .collect();
        check_only(&self.only, &there_are)
    }
}

/// A daemon that is to run alone and is none that could run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`--only` names `{asked}`: expected one of the daemons that can run ({there_are})")]
pub struct UnknownDaemon {
    asked: String,
    there_are: String,
}

fn check_only(only: &[String], there_are: &[(PluginName, String)]) -> Result<(), UnknownDaemon> {
    let is_there = |asked: &&String| {
        there_are
            .iter()
            .any(|(plugin, daemon)| names(asked, plugin, daemon))
    };
    let Some(asked) = only.iter().find(|asked| !is_there(asked)) else {
        return Ok(());
    };
    let quoted: Vec<_> = there_are
        .iter()
        .map(|(plugin, daemon)| format!("`{plugin}/{daemon}`"))
        .collect();
    Err(UnknownDaemon {
        asked: asked.chars().filter(|c| !c.is_control()).collect(),
        there_are: if quoted.is_empty() {
            "there are none".to_owned()
        } else {
            quoted.join(", ")
        },
    })
}

/// Whether `text`, `daemon` or `plugin/daemon`, means this one.
fn names(text: &str, plugin: &PluginName, daemon: &str) -> bool {
    match text.split_once('/') {
        Some((of, name)) => of == plugin.as_str() && name == daemon,
        None => text == daemon,
    }
}

/// Whether a plugin in this state can be started: its code is there, and its entries are not.
pub(super) fn may_be_started(state: PluginState) -> bool {
    matches!(
        state,
        PluginState::Registered | PluginState::Stopped | PluginState::Failed
    )
}

/// What a plugin in that state becomes by what its entries do. Nothing while some are in between: one that is stopped or started
/// in order says nothing of the plugin, and one that was broken off says so by its detail.
fn followed(state: PluginState, entries: &[&EntryStatus]) -> Option<(PluginState, Option<String>)> {
    use EntryState::{BackingOff, Degraded, Failed, Running, Stopping, Waiting, Wedged};
    let is_in_trouble = |entry: &EntryStatus| match entry.state {
        Failed | Degraded | BackingOff => true,
        Stopping | Waiting => entry.detail.is_some(),
        _ => false,
    };
    let first = |which: &dyn Fn(&EntryStatus) -> bool| entries.iter().find(|entry| which(entry));
    if let Some(entry) = first(&|entry| entry.state == Wedged) {
        return Some((PluginState::Wedged, Some(cause_of(entry))));
    }
    if !state.follows_its_entries() {
        return None;
    }
    if let Some(entry) = first(&is_in_trouble) {
        return Some((PluginState::Degraded, Some(cause_of(entry))));
    }
    let all_run = !entries.is_empty() && entries.iter().all(|entry| entry.state == Running);
    all_run.then_some((PluginState::Running, None))
}

fn cause_of(entry: &EntryStatus) -> String {
    let detail = entry.detail.as_deref().or(entry.last_error.as_deref());
    let detail = detail.unwrap_or("no cause is known");
    format!("{} is {}: {detail}", entry.id.name(), entry.state)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::coordinator::{EntryId, Placement};

    fn entry(state: EntryState, detail: Option<&str>) -> EntryStatus {
        EntryStatus {
            id: EntryId::new("echo", "clock"),
            state,
            detail: detail.map(str::to_owned),
            last_error: None,
            restarts: 0,
            fatal_on_startup_failure: false,
            placement: Placement::EveryHost,
            shutdown_timeout: Duration::from_secs(5),
            tasks: Vec::new(),
        }
    }

    fn state_after(state: PluginState, entries: &[EntryStatus]) -> Option<PluginState> {
        followed(state, &entries.iter().collect::<Vec<_>>()).map(|(state, _)| state)
    }

    #[test]
    fn whatever_its_entries_do_a_plugin_takes_only_edges_that_there_are() {
        for from in PluginState::ALL {
            for first in EntryState::ALL {
                for second in EntryState::ALL {
                    for detail in [None, Some("why")] {
                        let entries = [entry(first, detail), entry(second, None)];
                        let to = state_after(*from, &entries);
                        let may = |to: PluginState| to == *from || from.may_become(to);
                        let has_code = from.is_usable();
                        assert!(
                            !has_code || to.is_none_or(may),
                            "{from}, {first} and {second}: {to:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_plugin_that_is_started_or_stopped_as_a_whole_does_not_follow_single_entries() {
        for state in [PluginState::Stopping, PluginState::Stopped, PluginState::Failed] {
            assert_eq!(
                state_after(state, &[entry(EntryState::Running, None)]),
                None,
                "{state}"
            );
            assert_eq!(
                state_after(state, &[entry(EntryState::BackingOff, None)]),
                None,
                "{state}"
            );
        }
    }

    #[test]
    fn a_plugin_whose_entry_was_broken_off_is_degraded_until_all_of_them_run_again() {
        use EntryState::{BackingOff, Running, Starting, Stopping};
        let steps = [
            (entry(Stopping, Some("panicked")), Some(PluginState::Degraded)),
            (entry(BackingOff, Some("panicked")), Some(PluginState::Degraded)),
            (entry(Starting, None), None),
            (entry(Running, None), Some(PluginState::Running)),
        ];
        let mut state = PluginState::Running;
        for (broken, expected) in steps {
            let next = state_after(state, &[entry(Running, None), broken]);
            assert_eq!(next, expected);
            state = next.unwrap_or(state);
        }
    }

    #[test]
    fn an_addition_that_is_taken_back_never_looks_as_if_it_ran() {
        use EntryState::{Running, Stopped, Stopping};
        let starting = PluginState::Starting;
        for second in [Stopping, Stopped] {
            assert_eq!(
                state_after(starting, &[entry(Running, None), entry(second, None)]),
                None
            );
        }
        assert_eq!(state_after(starting, &[]), None, "all of them were forgotten");
    }

    #[test]
    fn a_daemon_to_run_alone_that_is_not_there_is_answered_with_those_that_are() {
        let there_are = [
            ("kora".parse().unwrap(), "heartbeat".to_owned()),
            ("kora".parse().unwrap(), "snapshot".to_owned()),
        ];
        let check = |only: &[&str]| {
            let only: Vec<_> = only.iter().map(|&name| name.to_owned()).collect();
            check_only(&only, &there_are).map_err(|unknown| unknown.to_string())
        };
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&["heartbeat", "kora/snapshot"]), Ok(()));
        assert_eq!(
            check(&["heartbeat", "marvin/heartbeat"]).unwrap_err(),
            "`--only` names `marvin/heartbeat`: expected one of the daemons that can run (`kora/heartbeat`, `kora/snapshot`)"
        );
        assert!(
            check_only(&["x".to_owned()], &[])
                .unwrap_err()
                .to_string()
                .ends_with("(there are none)")
        );
    }

    #[test]
    fn an_entry_that_waits_for_one_that_is_not_there_is_named() {
        let waiting = entry(
            EntryState::Waiting,
            Some("requires nobody/here, which is not there"),
        );
        let (state, cause) = followed(PluginState::Starting, &[&waiting]).unwrap();
        assert_eq!(state, PluginState::Degraded);
        assert_eq!(
            cause.unwrap(),
            "clock is waiting: requires nobody/here, which is not there"
        );
        assert_eq!(
            state_after(PluginState::Starting, &[entry(EntryState::Waiting, None)]),
            None,
            "its turn has not come"
        );
    }
}
