//! What one subsignal says.

use std::time::Duration;

use super::{SignalStatus, Subsignal};
use crate::domain::Timestamp;

/// The longest detail. A rollup is an event, and eight of these leave room in one.
const DETAIL_MAX_CHARS: usize = 300;

/// One subsignal at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which.
    pub name: Subsignal,
    /// How it is.
    pub status: SignalStatus,
    /// When what it goes by last happened, if that is a moment and is known.
    pub last_update_at: Option<Timestamp>,
    /// Why, in one line.
    pub detail: String,
}

impl Reading {
    pub(super) fn new(name: Subsignal, status: SignalStatus, detail: impl Into<String>) -> Self {
        Self {
            name,
            status,
            last_update_at: None,
            detail: one_line(&detail.into()),
        }
    }

    pub(super) fn at(self, last_update_at: Option<Timestamp>) -> Self {
        Self {
            last_update_at,
            ..self
        }
    }

    /// The same, said of somebody.
    pub(super) fn of(&self, whom: &str) -> Self {
        let detail = format!("{whom}: {}", self.detail);
        Self {
            detail: one_line(&detail),
            ..self.clone()
        }
    }
}

fn one_line(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(DETAIL_MAX_CHARS).collect()
}

/// How far a moment is from another. One that is still to come was written by a clock that went back: it proves nothing, as if it
/// were so long ago.
pub(super) const fn distance(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros(now.as_micros().abs_diff(moment.as_micros()))
}
