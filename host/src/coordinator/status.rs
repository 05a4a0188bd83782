//! What is known of the entries at one moment: plain data for those who show it.

use std::time::Duration;

use crate::domain::Timestamp;

use super::{
    ending::{HostState, ShutdownReason},
    entry::EntryId,
    entry_state::EntryState,
    plan::Placement,
};

/// The host and its entries at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// How the host stands.
    pub state: HostState,
    /// Names this run of the host: 32 hexadecimal digits, other ones each time.
    pub daemon_session_id: String,
    /// When it began.
    pub boot_at: Timestamp,
    /// How long ago that is, by a clock that nobody sets.
    pub uptime: Duration,
    /// Why it stops, once it does.
    pub shutdown_reason: Option<ShutdownReason>,
    /// In the order of starting.
    pub entries: Vec<EntryStatus>,
}

/// One entry at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct EntryStatus {
    /// Which.
    pub id: EntryId,
    /// What it is doing.
    pub state: EntryState,
    /// Why it is in that state, in one line, where there is something to say.
    pub detail: Option<String>,
    /// The last thing that went wrong, in one line; a later success does not clear it.
    pub last_error: Option<String>,
    /// How often it was started anew after a failure.
    pub restarts: u32,
    /// Whether a failure of its first start counts for more than itself.
    pub fatal_on_startup_failure: bool,
    /// Where it runs.
    pub placement: Placement,
    /// How long its stop may take.
    pub shutdown_timeout: Duration,
    /// Its periodic tasks.
    pub tasks: Vec<TaskStatus>,
}

/// One periodic task at one moment. Counts go back to the time at which the entry was first known.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskStatus {
    /// Which.
    pub name: String,
    /// The time between two runs.
    pub every: Duration,
    /// Runs that ended, however.
    pub ticks: u64,
    /// Of those, runs that failed, timed out or panicked.
    pub failures: u64,
    /// Runs that were left out because the one before still went on.
    pub skipped: u64,
    /// How long until the next run; zero while one runs, nothing while the entry does not run.
    pub next_tick_in: Option<Duration>,
}
