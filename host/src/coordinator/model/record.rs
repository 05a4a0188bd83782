//! What the model keeps of one entry.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::coordinator::{
    actor::TickEnd,
    budget::RestartBudget,
    entry_state::EntryState,
    plan::EntryPlan,
    status::{EntryStatus, TaskStatus},
};

/// One entry.
pub(super) struct Record {
    pub plan: Arc<EntryPlan>,
    pub state: EntryState,
    /// Whether it was told to start and has not been shut down since. Only then a shutdown is owed.
    pub alive: bool,
    /// Whether it has ever come to run: a failure of its first start may be fatal, a later one is not.
    pub ever_ran: bool,
    /// Set if its plan cannot be followed: it is shown and never started.
    pub refused: bool,
    /// What follows once it has been shut down.
    pub after_stop: AfterStop,
    pub budget: RestartBudget,
    pub restarts: u32,
    pub detail: Option<String>,
    pub last_error: Option<String>,
    pub tasks: Vec<TaskRecord>,
    /// The task that found a credential missing; its next success ends the degradation.
    pub degraded_by: Option<usize>,
}

/// What follows once an entry has been shut down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AfterStop {
    /// It stays stopped.
    Stay,
    /// It is started anew, if it has a restart left.
    Retry { cause: String },
    /// It waits for its credential.
    Degrade { cause: String },
}

/// One periodic task.
#[derive(Debug, Clone, Default)]
pub(super) struct TaskRecord {
    pub ticks: u64,
    pub failures: u64,
    pub skipped: u64,
    /// Runs in a row that did not end in time.
    pub timeouts_in_a_row: u32,
    /// When the next run is due, while the entry runs.
    pub due: Option<Instant>,
}

impl Record {
    pub(super) fn new(plan: EntryPlan) -> Self {
        Self {
            state: EntryState::Waiting,
            alive: false,
            ever_ran: false,
            refused: false,
            after_stop: AfterStop::Stay,
            budget: RestartBudget::new(plan.restart),
            restarts: 0,
            detail: None,
            last_error: None,
            tasks: vec![TaskRecord::default(); plan.tasks.len()],
            degraded_by: None,
            plan: Arc::new(plan),
        }
    }

    /// Whether those that require it may start.
    pub(super) fn serves(&self) -> bool {
        self.alive && matches!(self.state, EntryState::Running | EntryState::Degraded)
    }

    pub(super) fn is_of(&self, plugin: &str) -> bool {
        self.plan.id.plugin() == plugin
    }

    /// The entry came to run: its tasks are due then.
    pub(super) fn begin_tasks(&mut self, due: Vec<Instant>) {
        for (task, due) in self.tasks.iter_mut().zip(due) {
            task.due = Some(due);
            task.timeouts_in_a_row = 0;
        }
    }

    pub(super) fn end_tasks(&mut self) {
        self.degraded_by = None;
        self.tasks.iter_mut().for_each(|task| task.due = None);
    }

    /// Counts one run of a task.
    pub(super) fn count(&mut self, end: &TickEnd, timed_out: bool) {
        let Some(task) = self.tasks.get_mut(end.task) else {
            return;
        };
        task.ticks += 1;
        task.failures += u64::from(end.fault.is_some());
        task.skipped += end.skipped;
        task.due = Some(end.due);
        task.timeouts_in_a_row = if timed_out { task.timeouts_in_a_row + 1 } else { 0 };
    }

    pub(super) fn status(&self, now: Instant) -> EntryStatus {
        let tasks = self.plan.tasks.iter().zip(&self.tasks);
        let tasks = tasks.map(|(plan, task)| TaskStatus {
            name: plan.name.clone(),
            every: plan.every,
            ticks: task.ticks,
            failures: task.failures,
            skipped: task.skipped,
            next_tick_in: task
                .due
                .map(|due| due.checked_duration_since(now).unwrap_or(Duration::ZERO)),
        });
        EntryStatus {
            id: self.plan.id.clone(),
            state: self.state,
            detail: self.detail.clone(),
            last_error: self.last_error.clone(),
            restarts: self.restarts,
            fatal_on_startup_failure: self.plan.fatal_on_startup_failure,
            placement: self.plan.placement,
            shutdown_timeout: self.plan.shutdown_timeout,
            tasks: tasks.collect(),
        }
    }
}
