//! Times of claims: how long a lease lasts, and how soon claims may follow each other.

use crate::domain::Timestamp;

/// How long a claim lasts unless it is refreshed, in seconds.
pub const LEASE_SECONDS: u64 = 600;
/// How often a holder that makes progress refreshes, in seconds: ten chances before the lease runs out.
pub const REFRESH_SECONDS: u64 = 60;
/// How long after a resume claims are spaced, in seconds.
pub const RAMP_SECONDS: u64 = 3600;
/// The least time between two claims while they are spaced, in seconds.
pub const RAMP_SPACING_SECONDS: u64 = 30;

/// This many seconds later.
pub fn later(time: Timestamp, seconds: u64) -> Timestamp {
    let micros = i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
    Timestamp::from_micros(time.as_micros().saturating_add(micros))
}

/// When a lease ends that is refreshed now: never sooner than it would have ended, never later than a fresh one.
pub fn extended(ends_at: Timestamp, now: Timestamp, extend_by_seconds: u64, lease_seconds: u64) -> Timestamp {
    ends_at.max(later(now, extend_by_seconds.min(lease_seconds)))
}

/// After a resume work comes back slowly: claims keep a distance for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp {
    /// How long, in seconds. 0: no ramp.
    pub lasts_seconds: u64,
    /// The least time between two claims meanwhile, in seconds.
    pub spacing_seconds: u64,
}

impl Default for Ramp {
    fn default() -> Self {
        Self {
            lasts_seconds: RAMP_SECONDS,
            spacing_seconds: RAMP_SPACING_SECONDS,
        }
    }
}

impl Ramp {
    /// Until when nothing may be claimed, if that is not over yet.
    pub fn waits_until(
        &self,
        resumed_at: Option<Timestamp>,
        last_claim_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let ends_at = later(resumed_at?, self.lasts_seconds);
        let free_at = later(last_claim_at?, self.spacing_seconds).min(ends_at);
        (now < free_at).then_some(free_at)
    }
}
