//! The coordinator: daemon entries, their order, start, ticks, restart and stop.
//!
//! ```text
//!  CoordinatorHandle ──requests──▶ Coordinator (the loop)         one Actor for each entry
//!    boot, add, remove,            next_event   only selects        ┌────────────────────┐
//!    restart, shutdown,            handle_event Model, synchronous  │ startup under its  │
//!    status ◀────────────────────  perform      orders, answers ──▶ │ deadline, ticks,   │──▶ Entry
//!                                       ▲                           │ shutdown, probe    │
//!                                       └───────── reports ─────────┴────────────────────┘
//! ```
//!
//! Everything that is decided is decided in `model`, which is synchronous, reads no clock and calls nobody: it turns
//! an event into a list of actions. Everything that waits for foreign code waits in an actor, under a deadline.
//!
//! - An entry starts after those it names, in registration order otherwise, one at a time; all stop in the reverse of that
//!   order. The order is the planned one: a restart does not change an entry's place, so that what others require still stops
//!   after them.
//! - A periodic task lives inside its entry's start: the future that started the entry also runs the tasks, and the order to
//!   stop drops that future before `shutdown` is called.
//! - A restart or a removal leaves other plugins' entries alone, also those that require it; such an entry waits for
//!   it if it has to start anew itself.
//!
//! It does not load plugins, knows no tenant and writes no event: `Entry` and `Observer` are its two ports.

mod actor;
mod budget;
mod chance;
mod driver;
mod ending;
mod entry;
mod entry_state;
mod fault;
mod handle;
mod journal;
mod model;
mod order;
mod plan;
mod schedule;
mod status;
#[cfg(test)]
mod tests;

pub use chance::{Chance, SplitMix64};
pub use driver::{Coordinator, Observer, Options};
pub use ending::{Ending, Exit, HostState, ShutdownReason};
pub use entry::{Entry, EntryError, EntryId, NewEntry};
pub use entry_state::EntryState;
pub use handle::{BootOutcome, CoordinatorHandle};
pub use model::OperationError;
pub use order::DependencyCycle;
pub use plan::{EntryPlan, InvalidPlan, Overlap, Placement, RestartPlan, TaskPlan};
pub use status::{EntryStatus, Status, TaskStatus};
