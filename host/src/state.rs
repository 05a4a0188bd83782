//! The operational state of each tenant, its history and its listeners.
//!
//! What may follow what is [`engine::transition`](crate::engine::transition)'s to say. Here: one change at a time, what is kept of it,
//! who hears of it, and that the chain learns of it, in order, whatever happens.
//!
//! ```text
//!                      under the tenant's lock                     in order, outside it
//!  transition ──▶ table ─▶ history ─▶ swap ─┬─▶ emission queue ─▶ EventLog::emit (chain, or spool)
//!                                           └─▶ notice queue ───▶ listeners, one after another
//! ```

mod change;
mod emission;
mod holder;
mod listeners;
mod requests;
mod restore;
mod resume;
mod states;

#[cfg(test)]
mod tests;

pub use change::{Changed, CurrentState, Emitted, HISTORY_LEN, HistoryRecord, StateChangeError, Transition};
pub use emission::OperationalStateEmitError;
pub use listeners::Listener;
pub use restore::RestoreError;
pub use resume::{AllGuards, Blocker, ReasonGuard, ResumeGuard};
pub use states::States;
