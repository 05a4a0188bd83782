//! The rules of money: on which rung of the ladder a tenant stands, what that lets it do, what an account counts, and what it will
//! have spent.
//!
//! ```text
//!   normal < 75 % ≤ warn_75 < 90 % ≤ downshift_90 < 100 % ≤ hard_stop_100          of the pool of a billing period
//! ```
//!
//! What is not known lets nothing be spent. A zero that was metered is known.

mod account;
mod ladder;
mod models;
mod reconcile;
mod usage;

pub use crate::domain::Criticality;
pub use account::{Account, Line, UnsoundAccount};
pub use ladder::{Decision, Ladder, ModelRule, Rung, UnknownCost};
pub use models::ModelSteps;
pub use reconcile::{Comparison, RECONCILE_TOLERANCE_PERCENT};
pub use usage::{InvalidUsage, MAX_NAME_BYTES, MAX_USAGE_COST, Usage};

use std::time::Duration;

/// What holds for a tenant's spending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The pool and its thresholds.
    pub ladder: Ladder,
    /// How long spending may go without being compared with the provider's figure.
    pub stale_after: Duration,
}

#[cfg(test)]
mod tests;
