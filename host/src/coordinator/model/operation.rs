//! What takes several entries and many turns: a boot, an addition, a removal, a restart, the shutdown. Each first stops some
//! entries, one after another, then starts some, one after another, and then is answered.

use std::collections::VecDeque;

use super::{Action, Model, Note, OperationError, RequestId};
use crate::coordinator::{
    actor::Key, budget::RestartBudget, ending::HostState, entry_state::EntryState, order::start_order,
};

/// One of them.
pub(super) struct Operation {
    /// Who is to be answered; nobody asked for the shutdown by a request.
    pub id: Option<RequestId>,
    pub kind: Kind,
    /// The entries that it is about, in the order of starting.
    pub members: Vec<Key>,
    pub stop: VecDeque<Key>,
    pub start: VecDeque<Key>,
    /// Why it fails, once it does.
    pub failure: Option<OperationError>,
}

/// What an operation is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Boot,
    Add { plugin: String },
    Remove { plugin: String },
    Restart { plugin: String },
    Shutdown,
}

impl Kind {
    pub(super) fn plugin(&self) -> Option<&str> {
        match self {
            Self::Add { plugin } | Self::Remove { plugin } | Self::Restart { plugin } => Some(plugin),
            Self::Boot | Self::Shutdown => None,
        }
    }
}

impl Operation {
    /// Starts these.
    pub(super) fn starting(id: RequestId, kind: Kind, members: Vec<Key>) -> Self {
        let start = members.iter().copied().collect();
        Self {
            id: Some(id),
            kind,
            members,
            stop: VecDeque::new(),
            start,
            failure: None,
        }
    }

    /// Stops these, last first.
    pub(super) fn stopping(id: Option<RequestId>, kind: Kind, members: Vec<Key>) -> Self {
        let stop = members.iter().rev().copied().collect();
        Self {
            id,
            kind,
            members,
            stop,
            start: VecDeque::new(),
            failure: None,
        }
    }

    /// Starts nothing more, and stops what it has started.
    pub(super) fn roll_back(&mut self, failure: OperationError) {
        self.failure.get_or_insert(failure);
        self.start.clear();
        self.stop = self.members.iter().rev().copied().collect();
    }
}

enum Progress {
    Waits,
    Moved,
}

impl Model {
    /// Takes every operation as far as it goes now, then starts what waited for others.
    pub(super) fn advance(&mut self) {
        // Each step takes an entry off a list or ends an operation, so this ends.
        while (0..self.operations.len()).any(|index| matches!(self.step(index), Progress::Moved)) {}
        self.start_those_that_waited();
    }

    fn step(&mut self, index: usize) -> Progress {
        let operation = &self.operations[index];
        if let Some(key) = operation.stop.front().copied() {
            self.step_stop(index, key)
        } else if let Some(key) = operation.start.front().copied() {
            self.step_start(index, key)
        } else {
            let operation = self.operations.remove(index);
            self.finish(operation);
            Progress::Moved
        }
    }

    fn step_stop(&mut self, index: usize, key: Key) -> Progress {
        self.stop(key);
        if self.is_alive(key) {
            return Progress::Waits;
        }
        let operation = &mut self.operations[index];
        operation.stop.pop_front();
        if matches!(operation.kind, Kind::Restart { .. }) {
            self.renew(key);
        }
        Progress::Moved
    }

    fn step_start(&mut self, index: usize, key: Key) -> Progress {
        match self.records.get(&key).map(|record| record.state) {
            Some(EntryState::Starting | EntryState::Stopping) => return Progress::Waits,
            Some(EntryState::Waiting) => match self.obstacle(key) {
                None => {
                    self.start(key);
                    return Progress::Waits;
                }
                Some(cause) => {
                    self.operations[index].start.pop_front();
                    self.cannot_start(key, cause);
                }
            },
            _ => drop(self.operations[index].start.pop_front()),
        }
        Progress::Moved
    }

    fn cannot_start(&mut self, key: Key, cause: String) {
        let Some(record) = self.records.get_mut(&key) else {
            return;
        };
        record.detail = Some(cause.clone());
        let id = record.plan.id.clone();
        let note = Note::CannotStart {
            id,
            cause: cause.clone(),
        };
        self.actions.push(Action::Note(note));
        self.first_start_failed(key, cause);
    }

    /// An entry that was stopped by hand is to be as if it had never failed.
    fn renew(&mut self, key: Key) {
        let Some(record) = self.records.get_mut(&key) else {
            return;
        };
        record.budget = RestartBudget::new(record.plan.restart);
        if matches!(record.state, EntryState::Stopped | EntryState::Failed) && !record.refused {
            self.change(key, EntryState::Waiting, None);
        }
    }

    fn finish(&mut self, operation: Operation) {
        match &operation.kind {
            Kind::Boot => self.change_host(HostState::Running),
            Kind::Add { .. } if operation.failure.is_some() => {
                operation
                    .members
                    .iter()
                    .for_each(|key| self.forget_unless_wedged(*key));
            }
            Kind::Remove { .. } => operation.members.iter().for_each(|key| self.forget(*key)),
            Kind::Add { .. } | Kind::Restart { .. } => {}
            Kind::Shutdown => self.finish_shutdown(),
        }
        if let Some(id) = operation.id {
            let entries = self.statuses_of(&operation.members, self.now);
            let answer = operation.failure.map_or(Ok(entries), Err);
            self.actions.push(Action::Answer { id, answer });
        }
    }

    /// A wedged entry stays in sight: its thread is still there.
    fn forget_unless_wedged(&mut self, key: Key) {
        let wedged = |state: EntryState| state == EntryState::Wedged;
        if self.records.get(&key).is_some_and(|record| !wedged(record.state)) {
            self.forget(key);
        }
    }

    /// What an operation left waiting starts as soon as what it requires runs.
    fn start_those_that_waited(&mut self) {
        if self.host != HostState::Running {
            return;
        }
        for key in self.order.clone() {
            let queued = self
                .operations
                .iter()
                .any(|operation| operation.members.contains(&key));
            if !queued && self.is_waiting(key) && self.obstacle(key).is_none() && !self.awaits_a_start(key) {
                self.start(key);
            }
        }
    }

    fn is_waiting(&self, key: Key) -> bool {
        self.records
            .get(&key)
            .is_some_and(|record| record.state == EntryState::Waiting)
    }

    /// Whether an entry that comes before this one is just starting.
    fn awaits_a_start(&self, key: Key) -> bool {
        let starting = |id| {
            self.find(id)
                .is_some_and(|record| record.state == EntryState::Starting)
        };
        self.records
            .get(&key)
            .is_some_and(|record| record.plan.after.iter().any(starting))
    }

    /// Puts all entries into the order of starting. Those that are refused come last; what they name does not count.
    pub(super) fn sort(&mut self) -> Result<(), crate::coordinator::DependencyCycle> {
        let refused = |key: &Key| self.records.get(key).is_none_or(|record| record.refused);
        let (refused, sound): (Vec<Key>, Vec<Key>) = self.order.iter().partition(|key| refused(key));
        let plans: Vec<_> = sound.iter().map(|key| &*self.records[key].plan).collect();
        let sorted = start_order(&plans)?.into_iter().map(|index| sound[index]);
        self.order = sorted.chain(refused).collect();
        Ok(())
    }
}
