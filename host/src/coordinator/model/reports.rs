//! What follows from what an actor reports. A report that no longer fits the entry's state is late, and is dropped: an actor's
//! reports come in order, and its entry left that state before this one came.

use tokio::time::Instant;

use super::{
    Action, AfterStop, Model, Note, OperationError,
    operation::{Kind, Operation},
};
use crate::coordinator::{
    actor::{Happening, Key, Order, Report, TickEnd},
    ending::{HostState, ShutdownReason},
    entry_state::EntryState,
    fault::{Fault, one_line},
};

/// So many runs of one task in a row may miss their deadline; then the entry is started anew. One is bad luck, two may be.
const TICK_TIMEOUTS_IN_A_ROW: u32 = 3;

impl Model {
    pub(super) fn reported(&mut self, report: Report) {
        let key = report.key;
        let Some(record) = self.records.get(&key) else {
            return;
        };
        match (report.what, record.state) {
            (Happening::Rested, EntryState::BackingOff) => self.rested(key),
            (Happening::Started { due }, EntryState::Starting) => self.started(key, due),
            (Happening::StartFailed(fault), EntryState::Starting) => self.start_failed(key, &fault),
            (Happening::TickEnded(end), _) if record.serves() => self.tick_ended(key, end),
            (Happening::Stopped(fault), EntryState::Stopping) => self.stopped(key, fault),
            (Happening::Wedged(detail), _) if record.alive => self.wedged(key, &detail),
            _ => {}
        }
    }

    fn rested(&mut self, key: Key) {
        if self.is_to_stop(key) {
            return;
        }
        match self.obstacle(key) {
            None => self.start(key),
            obstacle => self.change(key, EntryState::Waiting, obstacle),
        }
    }

    fn started(&mut self, key: Key, due: Vec<Instant>) {
        self.change(key, EntryState::Running, None);
        if let Some(record) = self.records.get_mut(&key) {
            record.ever_ran = true;
            record.begin_tasks(due);
        }
    }

    /// It is shut down all the same: what it had set up half way must not stay.
    fn start_failed(&mut self, key: Key, fault: &Fault) {
        let cause = fault.line();
        let after = match fault.missing_credential() {
            Some(_) => AfterStop::Degrade { cause: cause.clone() },
            None => AfterStop::Retry { cause: cause.clone() },
        };
        self.break_off(key, cause.clone(), after);
        self.first_start_failed(key, cause);
    }

    fn break_off(&mut self, key: Key, cause: String, after: AfterStop) {
        let after = if self.is_to_stop(key) {
            AfterStop::Stay
        } else {
            after
        };
        if let Some(record) = self.records.get_mut(&key) {
            record.last_error = Some(cause.clone());
            record.after_stop = after;
        }
        self.change(key, EntryState::Stopping, Some(cause));
        self.tell(key, Order::Stop);
    }

    /// Where an entry is fatal and has never run: the boot is given up, or what was added with it is taken back.
    pub(super) fn first_start_failed(&mut self, key: Key, cause: String) {
        let Some(record) = self.records.get(&key) else {
            return;
        };
        let fatal = self.honour_fatal && record.plan.fatal_on_startup_failure && !record.ever_ran;
        let entry = record.plan.id.clone();
        if fatal && self.host == HostState::Booting {
            self.reason
                .get_or_init(|| ShutdownReason::StartupFailure { entry, cause });
            self.begin_shutdown();
        } else if fatal && let Some(addition) = self.addition_of(key) {
            addition.roll_back(OperationError::StartupFailure { entry, cause });
        }
    }

    fn addition_of(&mut self, key: Key) -> Option<&mut Operation> {
        let adds = |operation: &&mut Operation| {
            matches!(operation.kind, Kind::Add { .. }) && operation.members.contains(&key)
        };
        self.operations.iter_mut().find(adds)
    }

    /// Whether the entry is about to be stopped, so that it must not be started anew.
    fn is_to_stop(&self, key: Key) -> bool {
        self.operations
            .iter()
            .any(|operation| operation.stop.contains(&key))
    }

    fn tick_ended(&mut self, key: Key, end: TickEnd) {
        let timed_out = matches!(end.fault, Some(Fault::TimedOut { .. }));
        let Some(record) = self.records.get_mut(&key) else {
            return;
        };
        record.count(&end, timed_out);
        let (id, plan) = (record.plan.id.clone(), record.plan.clone());
        let task = plan
            .tasks
            .get(end.task)
            .map_or_else(String::new, |task| task.name.clone());
        if end.skipped > 0 {
            let (id, task, count) = (id.clone(), task.clone(), end.skipped);
            self.actions
                .push(Action::Note(Note::TicksSkipped { id, task, count }));
        }
        match end.fault {
            None => self.tick_succeeded(key, end.task),
            Some(fault) => {
                let cause = fault.line();
                self.actions.push(Action::Note(Note::TickFailed {
                    id,
                    task: task.clone(),
                    cause,
                }));
                self.tick_failed(key, end.task, task, fault);
            }
        }
    }

    fn tick_succeeded(&mut self, key: Key, task: usize) {
        if self
            .records
            .get(&key)
            .is_some_and(|record| record.degraded_by == Some(task))
        {
            self.change(key, EntryState::Running, None);
            self.records
                .entry(key)
                .and_modify(|record| record.degraded_by = None);
        }
    }

    fn tick_failed(&mut self, key: Key, task: usize, name: String, fault: Fault) {
        let Some(record) = self.records.get_mut(&key) else {
            return;
        };
        let line = format!("{name}: {}", fault.line());
        record.last_error = Some(line.clone());
        let count = record.tasks.get(task).map_or(0, |task| task.timeouts_in_a_row);
        if fault.needs_new_start() {
            self.break_off(key, line.clone(), AfterStop::Retry { cause: line });
        } else if count >= TICK_TIMEOUTS_IN_A_ROW {
            let cause = Fault::TickTimeouts { task: name, count }.line();
            self.break_off(key, cause.clone(), AfterStop::Retry { cause });
        } else if fault.missing_credential().is_some() && record.state == EntryState::Running {
            record.degraded_by = Some(task);
            self.change(key, EntryState::Degraded, Some(line));
        }
    }

    fn stopped(&mut self, key: Key, fault: Option<Fault>) {
        let Some(record) = self.records.get_mut(&key) else {
            return;
        };
        record.alive = false;
        let after = std::mem::replace(&mut record.after_stop, AfterStop::Stay);
        let cause = fault.map(|fault| fault.line());
        if let Some(cause) = cause.clone() {
            let id = record.plan.id.clone();
            if after == AfterStop::Stay {
                record.last_error = Some(cause.clone());
            }
            self.actions
                .push(Action::Note(Note::ShutdownFailed { id, cause }));
        }
        match after {
            AfterStop::Stay => self.change(key, EntryState::Stopped, cause),
            AfterStop::Degrade { cause } => self.change(key, EntryState::Degraded, Some(cause)),
            AfterStop::Retry { cause } => self.retry(key, &cause),
        }
    }

    fn retry(&mut self, key: Key, cause: &str) {
        let Some(record) = self.records.get_mut(&key) else {
            return;
        };
        match record.budget.spend(self.now, &*self.chance) {
            Some(wait) => {
                record.restarts += 1;
                let detail = format!("{cause}; starts anew in {wait:.1?}");
                self.change(key, EntryState::BackingOff, Some(detail));
                self.tell(key, Order::Rest(wait));
            }
            None => {
                let detail = format!("{cause}; {}", record.budget.used_up());
                self.change(key, EntryState::Failed, Some(detail));
            }
        }
    }

    /// The whole plugin shares the thread: none of its entries is called again, not even to shut down.
    fn wedged(&mut self, by: Key, detail: &str) {
        let Some(record) = self.records.get(&by) else {
            return;
        };
        let plugin = record.plan.id.plugin().to_owned();
        let detail = one_line(&format!("{}: {detail}", record.plan.id.name()));
        self.actions.push(Action::PluginWedged {
            plugin: plugin.clone(),
            detail: detail.clone(),
        });
        self.fail_operation_of(&plugin, &detail);
        let keys = self.keys_of(&plugin);
        let (first, others): (Vec<Key>, Vec<Key>) = keys.into_iter().partition(|key| *key == by);
        for key in first.into_iter().chain(others) {
            self.disable(key, &detail);
        }
    }

    fn fail_operation_of(&mut self, plugin: &str, detail: &str) {
        let concerned = |operation: &&mut Operation| operation.kind.plugin() == Some(plugin);
        for operation in self.operations.iter_mut().filter(concerned) {
            operation.start.clear();
            if !matches!(operation.kind, Kind::Remove { .. }) {
                let (plugin, detail) = (plugin.to_owned(), detail.to_owned());
                operation
                    .failure
                    .get_or_insert(OperationError::Wedged { plugin, detail });
            }
        }
    }

    fn disable(&mut self, key: Key, detail: &str) {
        let Some(record) = self.records.get_mut(&key) else {
            return;
        };
        if record.state == EntryState::Wedged {
            return;
        }
        let never_started = matches!(record.state, EntryState::Waiting | EntryState::Starting);
        record.alive = false;
        record.last_error = Some(detail.to_owned());
        self.change(key, EntryState::Wedged, Some(detail.to_owned()));
        self.tell(key, Order::End);
        if never_started {
            self.first_start_failed(key, detail.to_owned());
        }
    }
}
