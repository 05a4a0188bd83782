//! Stop commands: which levels there are, what each does and blocks, how one goes on, which is in force, when one is late.
//!
//! There is one closed list of levels and kinds, for whoever issues and whoever obeys. What stands in a store and is none of
//! them counts as [`Level::UNREADABLE`]: who does not understand an order to stop, stops.

mod command;
mod in_force;
mod lateness;
mod lifecycle;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use command::{Command, CommandRecord};
pub use in_force::{InForce, highest};
pub use lateness::{Late, Slas, late};
pub use lifecycle::{IllegalStep, Lifecycle};

use super::{
    transition::{Request, TRIGGER_TEXT_MAX_CHARS},
    trigger::canonical_text,
};
use crate::domain::{DegradationReason, PrimaryState, TriggerKind, wire_enum};

/// The most characters of a command's reason: with the words before it, it is the trigger of a transition.
pub const REASON_MAX_CHARS: usize = TRIGGER_TEXT_MAX_CHARS - 100;

/// How far a command goes. Written as its number, 0 to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Level {
    /// Clears every command before it.
    L0,
    /// No new claims; work that is held may be finished.
    L1,
    /// No new claims and no new tool calls; what is under way finishes, then the claim is given back.
    L2,
    /// Work is broken off and the claim given back.
    L3,
    /// Stopped: a tenant until the host boots again, a host for good.
    L4,
    /// As L4, and tokens are revoked.
    L5,
}

wire_enum! {
    /// What a command does, in one word.
    Kind, "kind of command" {
        /// L0.
        Reset = "reset",
        /// L1.
        Pause = "pause",
        /// L2.
        Drain = "drain",
        /// L3.
        Abort = "abort",
        /// L4 and L5.
        Kill = "kill",
    }
}

/// A number that is no level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{found} is no level of a stop command: expected 0 to 5")]
pub struct UnknownLevel {
    /// What was given.
    pub found: u8,
}

impl Level {
    /// All of them, the mildest first.
    pub const ALL: [Self; 6] = [Self::L0, Self::L1, Self::L2, Self::L3, Self::L4, Self::L5];

    /// As what a command counts that cannot be read.
    pub const UNREADABLE: Self = Self::L2;

    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Self::L0 => 0,
            Self::L1 => 1,
            Self::L2 => 2,
            Self::L3 => 3,
            Self::L4 => 4,
            Self::L5 => 5,
        }
    }

    /// What it does.
    pub const fn kind(self) -> Kind {
        match self {
            Self::L0 => Kind::Reset,
            Self::L1 => Kind::Pause,
            Self::L2 => Kind::Drain,
            Self::L3 => Kind::Abort,
            Self::L4 | Self::L5 => Kind::Kill,
        }
    }

    /// The name of what it does on the wire.
    pub const fn action(self) -> &'static str {
        match self.kind() {
            Kind::Reset => "reset_clear_lower",
            Kind::Pause => "block_new_intake",
            Kind::Drain => "drain_current_finish",
            Kind::Abort => "abort_release_claim",
            Kind::Kill => "external_kill",
        }
    }

    /// Whether nothing may be claimed.
    pub fn blocks_claims(self) -> bool {
        self >= Self::L1
    }

    /// Whether no tool may be called.
    pub fn blocks_tool_calls(self) -> bool {
        self >= Self::L2
    }

    /// Whether work that is held is to be broken off.
    pub fn aborts_work(self) -> bool {
        self >= Self::L3
    }

    /// Whether it is enforced only once no work is held any more.
    pub fn waits_for_work(self) -> bool {
        self >= Self::L2
    }

    /// Whether it ends what it is for: a tenant is `stopped`, a host exits.
    pub fn ends(self) -> bool {
        self.kind() == Kind::Kill
    }

    /// The next one up, for a command that is late; L4 is the last that a command is raised to.
    pub const fn raised(self) -> Option<Self> {
        match self {
            Self::L1 => Some(Self::L2),
            Self::L2 => Some(Self::L3),
            Self::L3 => Some(Self::L4),
            Self::L0 | Self::L4 | Self::L5 => None,
        }
    }

    /// What it asks of the state of a tenant; L0 asks nothing.
    pub fn request(self, reason: &str) -> Option<Request> {
        let kind = TriggerKind::StopCommand;
        let text = format!("{} {self}: {reason}", canonical_text(kind));
        match self.kind() {
            Kind::Reset => None,
            Kind::Pause | Kind::Drain | Kind::Abort => {
                Some(Request::to(PrimaryState::Paused, kind, text).adding([DegradationReason::Operator]))
            }
            Kind::Kill => Some(Request::to(PrimaryState::Stopped, kind, text)),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L{}", self.number())
    }
}

impl From<Level> for u8 {
    fn from(level: Level) -> Self {
        level.number()
    }
}

impl TryFrom<u8> for Level {
    type Error = UnknownLevel;

    fn try_from(found: u8) -> Result<Self, UnknownLevel> {
        let mut all = Self::ALL.into_iter();
        all.find(|level| level.number() == found)
            .ok_or(UnknownLevel { found })
    }
}
