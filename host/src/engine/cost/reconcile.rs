//! Our figure against the provider's.

use super::{Ladder, Rung};
use crate::domain::Money;

/// By how much the two may differ, in hundredths of the provider's figure, before ours is held for wrong. They are never equal: the
/// provider counts late, and what a call costs is an estimate when it is recorded.
pub const RECONCILE_TOLERANCE_PERCENT: u32 = 10;

/// What came of comparing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// What counts as spent from now on. Never less than before: money that was counted is not given back by a figure that may be
    /// late.
    pub spent: Money,
    /// By how much it went up.
    pub bumped_by: Money,
    /// Whether the two differ by no more than the tolerance.
    pub is_within_tolerance: bool,
}

impl Comparison {
    /// Ours is lifted to the provider's if that is beyond the tolerance, or if it stands on a higher rung: tolerance is for noise,
    /// and must not keep a tenant spending that the provider says has nothing left.
    pub fn of(spent: Money, provider: Money, ladder: &Ladder) -> Self {
        let is_within_tolerance = difference(spent, provider) * 100
            <= i128::from(provider.as_micros()) * i128::from(RECONCILE_TOLERANCE_PERCENT);
        let climbs = rank(ladder.rung(provider)) > rank(ladder.rung(spent));
        let bumps = provider > spent && (!is_within_tolerance || climbs);
        let after = if bumps { provider } else { spent };
        Self {
            spent: after,
            bumped_by: after.checked_sub(spent).unwrap_or(Money::MAX),
            is_within_tolerance,
        }
    }
}

fn difference(a: Money, b: Money) -> i128 {
    (i128::from(a.as_micros()) - i128::from(b.as_micros())).abs()
}

const fn rank(rung: Rung) -> u8 {
    match rung {
        Rung::Normal => 0,
        Rung::Warn75 => 1,
        Rung::Downshift90 => 2,
        Rung::HardStop100 => 3,
    }
}
