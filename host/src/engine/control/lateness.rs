//! When a command is late, and what follows.

use std::time::Duration;

use super::{Command, Kind, Level};
use crate::domain::Timestamp;

/// How long a command may take from being issued to being enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slas {
    /// L1.
    pub pause: Duration,
    /// L2.
    pub drain: Duration,
    /// L3.
    pub abort: Duration,
    /// L4 and L5, past which they have failed: there is nothing further to raise them to. More than an orderly stop may take.
    pub kill: Duration,
}

impl Default for Slas {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(120),
            drain: Duration::from_secs(180),
            abort: Duration::from_secs(90),
            kill: Duration::from_secs(90),
        }
    }
}

impl Slas {
    /// That of a level; L0 takes no time.
    pub const fn of(&self, level: Level) -> Option<Duration> {
        match level.kind() {
            Kind::Reset => None,
            Kind::Pause => Some(self.pause),
            Kind::Drain => Some(self.drain),
            Kind::Abort => Some(self.abort),
            Kind::Kill => Some(self.kill),
        }
    }
}

/// What follows for a command that is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// Another of this level takes its place.
    Raise(Level),
    /// It has failed.
    Fail,
}

/// What follows, if it is late. What is not open any more is never late; one that does not say when it was issued always is.
pub fn late(command: &Command, now: Timestamp, slas: &Slas) -> Option<Late> {
    let sla = slas.of(command.level())?;
    let is_in_time = command
        .created_at()
        .is_some_and(|created| now < created.after(sla));
    if is_in_time || !command.lifecycle.is_open() {
        return None;
    }
    Some(command.level().raised().map_or(Late::Fail, Late::Raise))
}
