//! What may be asked of the coordinator, and when it refuses.

use std::collections::HashSet;

use super::{
    Action, Answer, Model, RequestId,
    operation::{Kind, Operation},
};
use crate::coordinator::{
    actor::Key,
    ending::{Ending, HostState, ShutdownReason},
    entry::{EntryId, NewEntry},
    entry_state::EntryState,
    fault::one_line,
    order::DependencyCycle,
    plan::InvalidPlan,
};

/// What somebody asks for.
pub(in crate::coordinator) enum Request {
    /// Start these, for the first time.
    Boot(Vec<NewEntry>),
    /// Start these beside those that run.
    Add(Vec<NewEntry>),
    /// Stop a plugin's entries and forget them.
    Remove { plugin: String },
    /// Stop a plugin's entries and start them anew, as if they had never failed.
    Restart { plugin: String },
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// The host was told to boot before.
    #[error("the host was told to boot twice")]
    AlreadyBooted,
    /// The host is not running yet.
    #[error("the host is still booting; try again when it runs")]
    StillBooting,
    /// The host stops.
    #[error("the host is shutting down ({0})")]
    ShuttingDown(ShutdownReason),
    /// The host has stopped.
    #[error("the host has stopped ({})", .0.reason)]
    Stopped(Ending),
    /// Two entries have one name.
    #[error("there are two daemons named {0}; remove the plugin that has it first")]
    Duplicate(EntryId),
    /// Entries of several plugins were added at once.
    #[error("daemons of `{0}` and `{1}` were added at once; add one plugin at a time")]
    SeveralPlugins(String, String),
    /// A plan cannot be followed.
    #[error("{entry}: {cause}")]
    InvalidPlan {
        /// Whose.
        entry: EntryId,
        /// Why.
        cause: InvalidPlan,
    },
    /// Entries wait for each other.
    #[error(transparent)]
    Cycle(#[from] DependencyCycle),
    /// No entry is of that plugin.
    #[error("no daemon of plugin `{0}` is known")]
    UnknownPlugin(String),
    /// Something else is being done with that plugin.
    #[error("plugin `{0}` is being started or stopped already; try again when that is done")]
    Busy(String),
    /// An entry without which the plugin is not to run failed to start. What was added with it has been stopped.
    #[error("startup failure in {entry}: {cause}")]
    StartupFailure {
        /// Which.
        entry: EntryId,
        /// Why, in one line.
        cause: String,
    },
    /// The plugin's thread does not come back. Only a restart of the host helps.
    #[error("plugin `{plugin}` is wedged: {detail}; restart the host to run it again")]
    Wedged {
        /// Which.
        plugin: String,
        /// What was seen.
        detail: String,
    },
}

impl Model {
    pub(super) fn asked(&mut self, id: RequestId, request: Request) {
        let outcome = match request {
            Request::Boot(entries) => self.boot(id, entries),
            Request::Add(entries) => self.add(id, entries),
            Request::Remove { plugin } => self.remove(id, plugin),
            Request::Restart { plugin } => self.restart(id, plugin),
        };
        if let Err(error) = outcome {
            self.answer(id, Err(error));
        }
    }

    pub(super) fn answer(&mut self, id: RequestId, answer: Answer) {
        self.actions.push(Action::Answer { id, answer });
    }

    fn boot(&mut self, id: RequestId, entries: Vec<NewEntry>) -> Result<(), OperationError> {
        if self.boot_asked {
            return Err(OperationError::AlreadyBooted);
        }
        self.check_names(&entries)?;
        self.boot_asked = true;
        if self.host != HostState::Booting {
            self.boot_interrupted = Some(id);
            return Ok(());
        }
        for new in entries {
            let invalid = new.0.check().err();
            let key = self.admit(new);
            if let Some(cause) = invalid {
                self.refuse(key, cause.to_string());
            }
        }
        while let Err(cycle) = self.sort() {
            self.refuse_members(&cycle);
        }
        let start = Operation::starting(id, Kind::Boot, self.order.clone());
        self.operations.push(start);
        self.give_up_for_a_refused_fatal_one();
        Ok(())
    }

    /// One plugin's mistake does not keep the others from running.
    fn refuse_members(&mut self, cycle: &DependencyCycle) {
        let in_circle = |key: &&Key| cycle.members.contains(&self.records[key].plan.id);
        let members: Vec<Key> = self.order.iter().filter(in_circle).copied().collect();
        members
            .into_iter()
            .for_each(|key| self.refuse(key, cycle.to_string()));
    }

    fn refuse(&mut self, key: Key, cause: String) {
        let cause = one_line(&cause);
        if let Some(record) = self.records.get_mut(&key) {
            record.refused = true;
            record.last_error = Some(cause.clone());
        }
        self.change(key, EntryState::Failed, Some(cause));
    }

    fn give_up_for_a_refused_fatal_one(&mut self) {
        let refused = self.order.iter().filter_map(|key| {
            let record = self.records.get(key)?;
            record
                .refused
                .then(|| (*key, record.last_error.clone().unwrap_or_default()))
        });
        for (key, cause) in refused.collect::<Vec<_>>() {
            self.first_start_failed(key, cause);
        }
    }

    fn add(&mut self, id: RequestId, entries: Vec<NewEntry>) -> Result<(), OperationError> {
        self.check_running()?;
        let Some(first) = entries.first() else {
            self.answer(id, Ok(Vec::new()));
            return Ok(());
        };
        let plugin = first.0.id.plugin().to_owned();
        self.check_addition(&plugin, &entries)?;
        let before = self.order.clone();
        let new: HashSet<Key> = entries.into_iter().map(|entry| self.admit(entry)).collect();
        if let Err(cycle) = self.sort() {
            new.into_iter().for_each(|key| self.forget(key));
            self.order = before;
            return Err(cycle.into());
        }
        let members = self
            .order
            .iter()
            .filter(|key| new.contains(key))
            .copied()
            .collect();
        self.operations
            .push(Operation::starting(id, Kind::Add { plugin }, members));
        Ok(())
    }

    fn remove(&mut self, id: RequestId, plugin: String) -> Result<(), OperationError> {
        self.check_running()?;
        let members = self.check_known(&plugin)?;
        self.operations
            .push(Operation::stopping(Some(id), Kind::Remove { plugin }, members));
        Ok(())
    }

    fn restart(&mut self, id: RequestId, plugin: String) -> Result<(), OperationError> {
        self.check_running()?;
        let members = self.check_known(&plugin)?;
        self.check_not_wedged(&plugin, &members)?;
        let start = members.iter().copied().collect();
        let stop = Operation::stopping(Some(id), Kind::Restart { plugin }, members);
        self.operations.push(Operation { start, ..stop });
        Ok(())
    }

    fn check_running(&self) -> Result<(), OperationError> {
        match (self.host, &self.ending) {
            (HostState::Running, _) => Ok(()),
            (HostState::ShuttingDown, Some(ending)) => {
                Err(OperationError::ShuttingDown(ending.reason.clone()))
            }
            (HostState::Stopped, Some(ending)) => Err(OperationError::Stopped(ending.clone())),
            (HostState::Booting | HostState::ShuttingDown | HostState::Stopped, _) => {
                Err(OperationError::StillBooting)
            }
        }
    }

    fn check_addition(&self, plugin: &str, entries: &[NewEntry]) -> Result<(), OperationError> {
        self.check_idle(plugin)?;
        self.check_not_wedged(plugin, &self.keys_of(plugin))?;
        if let Some((other, _)) = entries.iter().find(|(plan, _)| plan.id.plugin() != plugin) {
            return Err(OperationError::SeveralPlugins(
                plugin.to_owned(),
                other.id.plugin().to_owned(),
            ));
        }
        self.check_names(entries)?;
        entries.iter().try_for_each(|(plan, _)| {
            plan.check().map_err(|cause| OperationError::InvalidPlan {
                entry: plan.id.clone(),
                cause,
            })
        })
    }

    fn check_names(&self, entries: &[NewEntry]) -> Result<(), OperationError> {
        let mut names = HashSet::new();
        let taken = |id: &EntryId| self.find(id).is_some();
        match entries
            .iter()
            .find(|(plan, _)| taken(&plan.id) || !names.insert(&plan.id))
        {
            Some((plan, _)) => Err(OperationError::Duplicate(plan.id.clone())),
            None => Ok(()),
        }
    }

    fn check_known(&self, plugin: &str) -> Result<Vec<Key>, OperationError> {
        self.check_idle(plugin)?;
        let members = self.keys_of(plugin);
        if members.is_empty() {
            return Err(OperationError::UnknownPlugin(plugin.to_owned()));
        }
        Ok(members)
    }

    fn check_idle(&self, plugin: &str) -> Result<(), OperationError> {
        let same = |operation: &Operation| operation.kind.plugin() == Some(plugin);
        if self.operations.iter().any(same) {
            return Err(OperationError::Busy(plugin.to_owned()));
        }
        Ok(())
    }

    fn check_not_wedged(&self, plugin: &str, members: &[Key]) -> Result<(), OperationError> {
        let wedged = members.iter().filter_map(|key| self.records.get(key));
        match wedged
            .into_iter()
            .find(|record| record.state == EntryState::Wedged)
        {
            None => Ok(()),
            Some(record) => Err(OperationError::Wedged {
                plugin: plugin.to_owned(),
                detail: record.detail.clone().unwrap_or_default(),
            }),
        }
    }
}
