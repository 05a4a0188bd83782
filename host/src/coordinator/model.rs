//! Every decision about entries: a synchronous machine that is told what happened, and when, and answers with what to do.
//! It calls nobody, reads no clock and awaits nothing, so that all of it is tested without either.

mod operation;
mod record;
mod reports;
mod requests;
mod shutdown;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    actor::{Key, Order, Report},
    chance::Chance,
    ending::{Ending, HostState, ShutdownReason},
    entry::{Entry, EntryId, NewEntry},
    entry_state::EntryState,
    plan::EntryPlan,
    status::EntryStatus,
};
use operation::Operation;
use record::{AfterStop, Record};

pub use requests::OperationError;
pub(super) use requests::Request;

/// Names one request, so that its answer finds the one who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RequestId(pub u64);

/// What the coordinator hears.
pub(super) enum Event {
    /// Somebody asked for something.
    Asked { id: RequestId, request: Request },
    /// An actor said something.
    Reported(Report),
    /// A reason to stop was given.
    ShutdownRequested,
    /// The time that all shutdowns together may take is used up.
    ShutdownBudgetSpent,
}

/// The answer to a request: the entries that it was about.
pub(super) type Answer = Result<Vec<EntryStatus>, OperationError>;

/// What is to be done.
pub(super) enum Action {
    /// Make an actor for an entry.
    Spawn {
        key: Key,
        plan: Arc<EntryPlan>,
        entry: Arc<dyn Entry>,
    },
    /// Tell an actor.
    Order { key: Key, order: Order },
    /// Tell the observer, and the log.
    EntryChanged(Change),
    /// Tell the observer, and the log, that a plugin's thread does not come back.
    PluginWedged { plugin: String, detail: String },
    /// Write into the log what changes no state.
    Note(Note),
    /// Answer a request.
    Answer { id: RequestId, answer: Answer },
    /// The host's own state has changed.
    HostChanged(HostState),
    /// Say when this time is over.
    ArmShutdownBudget(Duration),
}

/// An entry's change of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub id: EntryId,
    pub from: EntryState,
    pub to: EntryState,
    pub detail: Option<String>,
}

/// What is worth a line and changes no state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Note {
    TickFailed {
        id: EntryId,
        task: String,
        cause: String,
    },
    TicksSkipped {
        id: EntryId,
        task: String,
        count: u64,
    },
    ShutdownFailed {
        id: EntryId,
        cause: String,
    },
    CannotStart {
        id: EntryId,
        cause: String,
    },
}

/// The first reason to stop that anybody gave.
pub(super) type FirstReason = Arc<OnceLock<ShutdownReason>>;

/// All that the coordinator knows.
pub(super) struct Model {
    now: Instant,
    host: HostState,
    reason: FirstReason,
    ending: Option<Ending>,
    honour_fatal: bool,
    chance: Arc<dyn Chance>,
    next_key: u64,
    records: BTreeMap<Key, Record>,
    /// The order of starting; stopped in reverse.
    order: Vec<Key>,
    operations: Vec<Operation>,
    boot_asked: bool,
    /// A boot that became a shutdown is answered when that is over.
    boot_interrupted: Option<RequestId>,
    actions: Vec<Action>,
}

impl Model {
    /// A host that has not been told to boot yet.
    pub(super) fn new(reason: FirstReason, chance: Arc<dyn Chance>, honour_fatal: bool) -> Self {
        Self {
            now: Instant::now(),
            host: HostState::Booting,
            reason,
            ending: None,
            honour_fatal,
            chance,
            next_key: 0,
            records: BTreeMap::new(),
            order: Vec::new(),
            operations: Vec::new(),
            boot_asked: false,
            boot_interrupted: None,
            actions: Vec::new(),
        }
    }

    /// What is to be done about an event.
    pub(super) fn handle_event(&mut self, now: Instant, event: Event) -> Vec<Action> {
        self.now = now;
        match event {
            Event::Asked { id, request } => self.asked(id, request),
            Event::Reported(report) => self.reported(report),
            Event::ShutdownRequested => self.begin_shutdown(),
            Event::ShutdownBudgetSpent => self.cut_off(),
        }
        self.advance();
        std::mem::take(&mut self.actions)
    }

    /// How the host stands.
    pub(super) fn host_state(&self) -> HostState {
        self.host
    }

    /// Why and when it began to stop, once it has.
    pub(super) fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Every entry, in the order of starting.
    pub(super) fn statuses(&self, now: Instant) -> Vec<EntryStatus> {
        self.statuses_of(&self.order, now)
    }

    fn statuses_of(&self, keys: &[Key], now: Instant) -> Vec<EntryStatus> {
        let known = keys.iter().filter_map(|key| self.records.get(key));
        known.map(|record| record.status(now)).collect()
    }

    fn keys_of(&self, plugin: &str) -> Vec<Key> {
        let of_plugin = |key: &&Key| self.records.get(key).is_some_and(|record| record.is_of(plugin));
        self.order.iter().filter(of_plugin).copied().collect()
    }

    fn find(&self, id: &EntryId) -> Option<&Record> {
        self.records.values().find(|record| record.plan.id == *id)
    }

    fn admit(&mut self, (plan, entry): NewEntry) -> Key {
        let key = Key(self.next_key);
        self.next_key += 1;
        let record = Record::new(plan);
        let plan = Arc::clone(&record.plan);
        self.actions.push(Action::Spawn { key, plan, entry });
        self.records.insert(key, record);
        self.order.push(key);
        key
    }

    fn forget(&mut self, key: Key) {
        self.tell(key, Order::End);
        self.records.remove(&key);
        self.order.retain(|other| *other != key);
    }

    fn tell(&mut self, key: Key, order: Order) {
        self.actions.push(Action::Order { key, order });
    }

    /// The one place where an entry changes state.
    fn change(&mut self, key: Key, to: EntryState, detail: Option<String>) {
        let Some(record) = self.records.get_mut(&key) else {
            return;
        };
        let from = std::mem::replace(&mut record.state, to);
        debug_assert!(from.may_become(to), "{}: {from} → {to}", record.plan.id);
        if !matches!(to, EntryState::Running | EntryState::Degraded) {
            record.end_tasks();
        }
        record.detail.clone_from(&detail);
        let id = record.plan.id.clone();
        self.actions
            .push(Action::EntryChanged(Change { id, from, to, detail }));
    }

    fn change_host(&mut self, to: HostState) {
        self.host = to;
        self.actions.push(Action::HostChanged(to));
    }

    fn start(&mut self, key: Key) {
        if let Some(record) = self.records.get_mut(&key) {
            record.alive = true;
        }
        self.change(key, EntryState::Starting, None);
        self.tell(key, Order::Start);
    }

    /// Shuts an entry down that is alive, and lets one that is not rest. What the state says afterwards is final.
    fn stop(&mut self, key: Key) {
        let Some(record) = self.records.get_mut(&key) else {
            return;
        };
        record.after_stop = AfterStop::Stay;
        match (record.state, record.alive) {
            (EntryState::Stopping, _) => {}
            (_, true) => {
                self.change(key, EntryState::Stopping, None);
                self.tell(key, Order::Stop);
            }
            (EntryState::Waiting | EntryState::BackingOff | EntryState::Degraded, false) => {
                self.change(key, EntryState::Stopped, None);
            }
            (_, false) => {}
        }
    }

    fn is_alive(&self, key: Key) -> bool {
        self.records.get(&key).is_some_and(|record| record.alive)
    }

    /// Why an entry cannot start now: the first that it requires and that does not run.
    fn obstacle(&self, key: Key) -> Option<String> {
        let plan = &self.records.get(&key)?.plan;
        plan.requires.iter().find_map(|id| match self.find(id) {
            None => Some(format!("requires {id}, which is not there")),
            Some(record) if record.serves() => None,
            Some(record) => Some(format!("requires {id}, which is {}", record.state)),
        })
    }
}

#[cfg(test)]
mod tests;
