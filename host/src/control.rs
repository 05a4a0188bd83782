//! Stop commands: issued by an operator, kept, carried out, raised when late, lifted by a reset or by time.
//!
//! ```text
//!  issue ──▶ one batch: command + event ──▶ carried out at once ──▶ state of tenants, or exit of the host
//!                      ▲                          ▲    │ not done yet (work is held, the store is away)
//!                      │ late: one level up       └────┘ every few seconds: `watch`
//!  pre_claim, pre_tool_call, resume ──▶ CommandBook: what is in force, read anew each time; what cannot be read counts as L2
//! ```
//!
//! What follows what, and which command counts, is [`engine::control`](crate::engine::control)'s to say.

mod book;
mod carry_out;
mod checks;
mod controls;
mod error;
mod guard;
mod issue;
mod listing;
mod ports;
mod telling;
#[cfg(test)]
mod tests;
mod watch;

pub use book::CommandBook;
pub use checks::Block;
pub use controls::{ControlParts, Controls};
pub use error::{ControlError, EXPIRY_MAX};
pub use guard::StopGuard;
pub use issue::{Foreseen, Issued, StopOrder};
pub use listing::{Entry, HISTORY_SHOWN, Listing, RECENTLY_ENFORCED_SHOWN};
pub use ports::{Elsewhere, Exit, Tokens, Work};
pub use watch::{LastRound, POLL};
