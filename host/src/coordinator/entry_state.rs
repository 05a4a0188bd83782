//! What an entry is doing, and the one table of what may follow what.

use std::fmt;

use serde::Serialize;

/// What an entry is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// It has not been started yet, or waits for an entry that it requires.
    Waiting,
    /// Its `startup` runs.
    Starting,
    /// It runs, and its tasks are due.
    Running,
    /// A credential is missing. Found in `startup`, it does not run and is not tried again; found in a task, the task is
    /// tried again when it is next due.
    Degraded,
    /// Its `shutdown` runs.
    Stopping,
    /// It was stopped.
    Stopped,
    /// It failed and waits for its next start.
    BackingOff,
    /// It failed and has used up its restarts, or could never start. It stays so until it is restarted by hand.
    Failed,
    /// Its plugin's thread does not come back. Nothing of that plugin is called again.
    Wedged,
}

use EntryState::{BackingOff, Degraded, Failed, Running, Starting, Stopped, Stopping, Waiting, Wedged};

/// From, and what may follow. Every state but `Wedged` may also become `Wedged`.
const TABLE: [(EntryState, &[EntryState]); 9] = [
    (Waiting, &[Starting, Stopped, Failed]),
    (Starting, &[Running, Stopping]),
    (Running, &[Degraded, Stopping]),
    (Degraded, &[Running, Stopping, Stopped]),
    (Stopping, &[Stopped, BackingOff, Degraded, Failed]),
    (Stopped, &[Waiting]),
    (BackingOff, &[Starting, Waiting, Stopped]),
    (Failed, &[Waiting]),
    (Wedged, &[]),
];

impl EntryState {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 9] = [
        Waiting, Starting, Running, Degraded, Stopping, Stopped, BackingOff, Failed, Wedged,
    ];

    /// What may follow.
    pub fn followers(self) -> impl Iterator<Item = Self> {
        let listed = TABLE.iter().filter(move |(from, _)| *from == self);
        let wedged = (self != Wedged).then_some(Wedged);
        listed.flat_map(|(_, to)| to.iter().copied()).chain(wedged)
    }

    /// Whether `next` may follow.
    pub fn may_become(self, next: Self) -> bool {
        self.followers().any(|follower| follower == next)
    }

    /// How it is written in logs, events and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Waiting => "waiting",
            Starting => "starting",
            Running => "running",
            Degraded => "degraded",
            Stopping => "stopping",
            Stopped => "stopped",
            BackingOff => "backing_off",
            Failed => "failed",
            Wedged => "wedged",
        }
    }
}

impl fmt::Display for EntryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_state_once_and_wedged_is_the_end() {
        for state in EntryState::ALL {
            assert_eq!(
                TABLE.iter().filter(|(from, _)| *from == state).count(),
                1,
                "{state}"
            );
            assert_eq!(state.may_become(Wedged), state != Wedged, "{state}");
        }
        assert_eq!(Wedged.followers().count(), 0);
    }

    #[test]
    fn nothing_runs_that_was_not_started_and_nothing_starts_while_it_stops() {
        for state in EntryState::ALL {
            assert_eq!(
                state.may_become(Running),
                matches!(state, Starting | Degraded),
                "{state}"
            );
            assert_eq!(
                state.may_become(Starting),
                matches!(state, Waiting | BackingOff),
                "{state}"
            );
        }
    }
}
