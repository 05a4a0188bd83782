//! The ladder, and what each rung lets be done.

use super::Account;
use crate::domain::{Criticality, Money, Timestamp, wire_enum};

wire_enum! {
    /// How much of the pool is spent.
    Rung, "rung of the cost ladder" {
        /// Less than the first threshold.
        Normal = "normal",
        /// At or above the first threshold, 75 % unless configured.
        Warn75 = "warn_75",
        /// At or above the second threshold, 90 % unless configured.
        Downshift90 = "downshift_90",
        /// All of it.
        HardStop100 = "hard_stop_100",
    }
}

/// The pool of a billing period, and where its rungs begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// What may be spent in the period. Of nothing, everything is spent from the outset.
    pub pool: Money,
    /// Where `warn_75` begins, in hundredths of the pool.
    pub warn_percent: u32,
    /// Where `downshift_90` begins, in hundredths of the pool.
    pub downshift_percent: u32,
}

impl Ladder {
    /// The rung on which one stands who has spent so much.
    pub fn rung(&self, spent: Money) -> Rung {
        let reached = |percent| spent.is_at_least_percent_of(percent, self.pool);
        if reached(100) {
            Rung::HardStop100
        } else if reached(self.downshift_percent) {
            Rung::Downshift90
        } else if reached(self.warn_percent) {
            Rung::Warn75
        } else {
            Rung::Normal
        }
    }
}

/// Which model does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelRule {
    /// The one that was meant.
    AsConfigured,
    /// The next smaller one.
    OneStepDown,
    /// The smallest.
    Smallest,
}

/// Whether money may be spent on a piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allowed(ModelRule),
    /// It waits until a lower rung: other work may go on.
    Deferred(Rung),
    /// Everything is spent: nothing may go on.
    Halted,
    /// It is not known what was spent: nothing may go on.
    Unknown(UnknownCost),
}

/// Why it is not known what was spent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownCost {
    /// The account cannot be read.
    #[error("the account cannot be read: {0}")]
    Unreadable(String),
    /// The figure is too old to be believed.
    #[error(
        "what was spent since {} was never compared with the provider's figure: `kora cost reconcile` does that",
        .since.to_rfc3339_seconds()
    )]
    Stale {
        /// When the first of it was spent.
        since: Timestamp,
    },
}

impl Decision {
    /// On this rung, for work of this criticality; absent as `frontier_only`.
    pub const fn on(rung: Rung, criticality: Option<Criticality>) -> Self {
        let is_eligible = matches!(criticality, Some(Criticality::DownshiftEligible));
        match rung {
            Rung::Normal => Self::Allowed(ModelRule::AsConfigured),
            Rung::Warn75 if is_eligible => Self::Allowed(ModelRule::OneStepDown),
            Rung::Downshift90 if is_eligible => Self::Allowed(ModelRule::Smallest),
            Rung::Warn75 | Rung::Downshift90 => Self::Deferred(rung),
            Rung::HardStop100 => Self::Halted,
        }
    }

    /// For an account, at a moment. A figure that is too old is unknown on any rung but the last: that all is spent stays true.
    pub fn of(
        account: &Account,
        policy: &super::Policy,
        criticality: Option<Criticality>,
        now: Timestamp,
    ) -> Self {
        let rung = policy.ladder.rung(account.spent_to_date_usd);
        match account.stale_since(policy.stale_after, now) {
            Some(since) if rung != Rung::HardStop100 => Self::Unknown(UnknownCost::Stale { since }),
            _ => Self::on(rung, criticality),
        }
    }

    /// Whether the work may be done.
    pub const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}
