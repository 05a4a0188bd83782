//! Times of claims: how long a lease lasts.

use crate::domain::Timestamp;

/// How long a claim lasts unless it is refreshed, in seconds.
pub const LEASE_SECONDS: u64 = 600;
/// How often a holder that makes progress refreshes, in seconds: ten chances before the lease runs out.
pub const REFRESH_SECONDS: u64 = 60;

/// This many seconds later.
pub fn later(time: Timestamp, seconds: u64) -> Timestamp {
    let micros = i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
    Timestamp::from_micros(time.as_micros().saturating_add(micros))
}

/// When a lease ends that is refreshed now: never sooner than it would have ended, never later than a fresh one.
pub fn extended(ends_at: Timestamp, now: Timestamp, extend_by_seconds: u64, lease_seconds: u64) -> Timestamp {
    ends_at.max(later(now, extend_by_seconds.min(lease_seconds)))
}
