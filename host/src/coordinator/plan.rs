//! How an entry is to be run: data, checked before anything runs. What the values lead to is decided elsewhere.

use std::{collections::HashSet, time::Duration};

use super::entry::EntryId;

/// How long `startup` may take unless said otherwise: long enough for a client to connect through a slow network.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one run of a task may take unless said otherwise: most tasks are due every few minutes.
const TICK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long `shutdown` may take unless said otherwise, as the original had it.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that an entry may ask for its shutdown: one entry must not use up the time of all.
const LONGEST_SHUTDOWN: Duration = Duration::from_secs(30);
/// Shorter intervals would be a busy loop, not a periodic task.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
/// Longer than any deadline or interval that makes sense; keeps sums of times far from overflow.
const LONGEST_DURATION: Duration = Duration::from_secs(366 * 86_400);
/// A budget above this bounds nothing.
const MOST_RESTARTS: u32 = 1000;
/// More tasks than that are a mistake; it bounds what one entry can make the host keep.
const MOST_TASKS: usize = 64;

/// What happens when a task is due while its last run still goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// That run is left out, and counted.
    #[default]
    Skip,
    /// One run waits; further ones are left out, and counted.
    Queue,
}

/// Where an entry runs when several hosts share one store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Placement {
    /// On every host.
    #[default]
    EveryHost,
    /// On one of them. A store that has one host at a time makes this the same as every host.
    OneHost,
}

/// A periodic task of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskPlan {
    /// Its name, unique within the entry.
    pub name: String,
    /// The time between two runs; the first comes one interval after the start.
    pub every: Duration,
    /// Each run comes up to this much later, at random.
    pub jitter: Duration,
    /// What happens when the last run still goes on.
    pub overlap: Overlap,
    /// How long one run may take; the entry's `tick_timeout` if absent.
    pub timeout: Option<Duration>,
}

impl TaskPlan {
    /// Without jitter, leaving out runs that overlap, under the entry's deadline.
    pub fn new(name: impl Into<String>, every: Duration) -> Self {
        Self {
            name: name.into(),
            every,
            jitter: Duration::ZERO,
            overlap: Overlap::default(),
            timeout: None,
        }
    }
}

/// How often, and after what waits, an entry that failed is started anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPlan {
    /// How many restarts within the window; 0 means never.
    pub max_restarts: u32,
    /// The window in which restarts are counted.
    pub window: Duration,
    /// The first wait; it doubles with each restart in the window. Up to a quarter is added at random.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
}

impl Default for RestartPlan {
    fn default() -> Self {
        Self {
            max_restarts: 5,
            window: Duration::from_secs(600),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
        }
    }
}

/// How one entry is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPlan {
    /// Its name.
    pub id: EntryId,
    /// Its periodic tasks; [`Entry::tick`](super::Entry::tick) is called with their index.
    pub tasks: Vec<TaskPlan>,
    /// Whether the host gives up its boot if this entry fails to start, and a plugin added later is taken back.
    pub fatal_on_startup_failure: bool,
    /// How long `startup` may take.
    pub startup_timeout: Duration,
    /// How long one run of a task may take, unless the task says otherwise.
    pub tick_timeout: Duration,
    /// How long `shutdown` may take.
    pub shutdown_timeout: Duration,
    /// Starts after these and stops before them, where they are there.
    pub after: Vec<EntryId>,
    /// As `after`, and does not start unless these run.
    pub requires: Vec<EntryId>,
    /// What happens after a failure.
    pub restart: RestartPlan,
    /// Where it runs.
    pub placement: Placement,
}

/// A plan that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlan {
    /// A time lies outside of what is allowed.
    #[error("`{field}` is {found:?}: expected {least:?} to {most:?}")]
    OutOfRange {
        /// Which.
        field: String,
        /// What it is.
        found: Duration,
        /// The least it may be.
        least: Duration,
        /// The most it may be.
        most: Duration,
    },
    /// Two tasks of one entry have the same name.
    #[error("two tasks are named `{0}`: names must differ within a daemon")]
    DuplicateTask(String),
    /// Too many tasks.
    #[error("{0} tasks: expected at most {MOST_TASKS}")]
    TooManyTasks(usize),
    /// Too many restarts.
    #[error("`max_restarts` is {0}: expected at most {MOST_RESTARTS}")]
    TooManyRestarts(u32),
}

impl EntryPlan {
    /// With every default, no task and no dependency.
    pub fn new(id: EntryId) -> Self {
        Self {
            id,
            tasks: Vec::new(),
            fatal_on_startup_failure: false,
            startup_timeout: STARTUP_TIMEOUT,
            tick_timeout: TICK_TIMEOUT,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            after: Vec::new(),
            requires: Vec::new(),
            restart: RestartPlan::default(),
            placement: Placement::default(),
        }
    }

    /// Everything that must stop after this entry, and start before it.
    pub(super) fn dependencies(&self) -> impl Iterator<Item = &EntryId> {
        self.after.iter().chain(&self.requires)
    }

    /// How long one run of that task may take.
    pub(super) fn tick_deadline(&self, task: usize) -> Duration {
        let own = self.tasks.get(task).and_then(|task| task.timeout);
        own.unwrap_or(self.tick_timeout)
    }

    /// Whether the plan can be followed.
    ///
    /// # Errors
    /// The first thing that cannot.
    pub fn check(&self) -> Result<(), InvalidPlan> {
        let shortest = Duration::from_millis(1);
        within(
            "startup_timeout",
            self.startup_timeout,
            shortest,
            LONGEST_DURATION,
        )?;
        within("tick_timeout", self.tick_timeout, shortest, LONGEST_DURATION)?;
        within(
            "shutdown_timeout",
            self.shutdown_timeout,
            shortest,
            LONGEST_SHUTDOWN,
        )?;
        self.restart.check()?;
        if self.tasks.len() > MOST_TASKS {
            return Err(InvalidPlan::TooManyTasks(self.tasks.len()));
        }
        let mut names = HashSet::new();
        for task in &self.tasks {
            if !names.insert(&task.name) {
                return Err(InvalidPlan::DuplicateTask(task.name.clone()));
            }
            task.check()?;
        }
        Ok(())
    }
}

impl TaskPlan {
    fn check(&self) -> Result<(), InvalidPlan> {
        let name = &self.name;
        within(
            &format!("{name}.every"),
            self.every,
            SHORTEST_INTERVAL,
            LONGEST_DURATION,
        )?;
        within(
            &format!("{name}.jitter"),
            self.jitter,
            Duration::ZERO,
            LONGEST_DURATION,
        )?;
        let timeout = self.timeout.unwrap_or(TICK_TIMEOUT);
        within(
            &format!("{name}.timeout"),
            timeout,
            Duration::from_millis(1),
            LONGEST_DURATION,
        )
    }
}

impl RestartPlan {
    fn check(&self) -> Result<(), InvalidPlan> {
        if self.max_restarts > MOST_RESTARTS {
            return Err(InvalidPlan::TooManyRestarts(self.max_restarts));
        }
        within("restart.window", self.window, Duration::ZERO, LONGEST_DURATION)?;
        within(
            "restart.backoff_min",
            self.backoff_min,
            Duration::ZERO,
            LONGEST_DURATION,
        )?;
        within(
            "restart.backoff_max",
            self.backoff_max,
            self.backoff_min,
            LONGEST_DURATION,
        )
    }
}

fn within(field: &str, found: Duration, least: Duration, most: Duration) -> Result<(), InvalidPlan> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(InvalidPlan::OutOfRange {
        field: field.to_owned(),
        found,
        least,
        most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: impl FnOnce(&mut EntryPlan)) -> Result<(), String> {
        let mut plan = EntryPlan::new(EntryId::new("kora", "clock"));
        plan.tasks.push(TaskPlan::new("tick", Duration::from_secs(1)));
        change(&mut plan);
        plan.check().map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_are_valid() {
        changed(|_| ()).unwrap();
    }

    #[test]
    fn a_plan_that_would_spin_or_overflow_is_refused_with_what_was_expected() {
        let cases: [(&str, Result<(), String>); 6] = [
            ("tick.every", changed(|plan| plan.tasks[0].every = Duration::ZERO)),
            (
                "tick.jitter",
                changed(|plan| plan.tasks[0].jitter = Duration::MAX),
            ),
            (
                "tick.timeout",
                changed(|plan| plan.tasks[0].timeout = Some(Duration::ZERO)),
            ),
            (
                "shutdown_timeout",
                changed(|plan| plan.shutdown_timeout = Duration::from_secs(3600)),
            ),
            (
                "restart.backoff_max",
                changed(|plan| plan.restart.backoff_max = Duration::ZERO),
            ),
            (
                "max_restarts",
                changed(|plan| plan.restart.max_restarts = u32::MAX),
            ),
        ];
        for (field, outcome) in cases {
            let error = outcome.unwrap_err();
            assert!(
                error.contains(field) && error.contains("expected"),
                "{field}: {error}"
            );
        }
    }

    #[test]
    fn two_tasks_of_one_name_are_refused() {
        let error = changed(|plan| plan.tasks.push(plan.tasks[0].clone())).unwrap_err();
        assert_eq!(
            error,
            "two tasks are named `tick`: names must differ within a daemon"
        );
    }
}
