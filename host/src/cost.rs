//! What each tenant spent, and whether it may spend more.
//!
//! The rules are [`engine::cost`](crate::engine::cost)'s. Here: an account for each tenant and billing period, changed by compare-and-set in
//! one batch with the usage that changed it and the event that tells of it; what a hard stop does; and the one question that
//! everybody asks before money is spent, [`Costs::may_spend`], which fails closed.
//!
//! An account begins with the first usage; before that it is a metered zero of the calendar month, which is known. Nothing is assumed
//! when a period is over: until an operator [confirms](Costs::refresh) that credit was granted anew, what is spent comes out of the old
//! pool.

mod bookkeeping;
mod change;
mod costs;
mod documents;
mod error;
mod ports;
mod telling;

#[cfg(test)]
mod tests;

pub use costs::{CostState, Costs, CostsParts, NewUsage, Reconciled, Recorded};
pub use error::CostError;
pub use ports::{Brake, Policies};
