//! How often each caller may ask.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::Principal;
use crate::domain::TokenBucket;

/// Buckets are few: one for each caller and address that asked lately. Past this, those that are full again are forgotten.
const BUCKETS_MAX: usize = 10_000;

/// A burst of a caller's may be this many seconds' worth of requests.
const BURST_SECONDS: u32 = 2;

/// So many at once, and so many in a second.
type Rate = (u32, f64);

/// A bucket for each name. Reads no clock: time is given.
#[derive(Debug, Default)]
pub struct Rates {
    buckets: Mutex<HashMap<String, (Rate, TokenBucket)>>,
}

impl Rates {
    /// Whether a caller may ask once more at `now`, by whatever way it asks: as often in a second as its entry says, or `per_second`.
    pub fn admit_caller(&self, by: &Principal, per_second: u32, now: Duration) -> bool {
        let own = match by {
            Principal::Caller(caller) => caller.requests_per_second(),
            Principal::Operator { .. } | Principal::Anonymous | Principal::Plugin { .. } => None,
        };
        let rate = own.unwrap_or(per_second);
        let burst = rate.saturating_mul(BURST_SECONDS);
        self.admit(&format!("caller {}", by.name()), burst, rate.into(), now)
    }

    /// Whether `name` may ask once more at `now`, a monotonic time: so many at once, and so many in a second after that. A burst of 0:
    /// as often as it likes.
    pub fn admit(&self, name: &str, burst: u32, per_second: f64, now: Duration) -> bool {
        if burst == 0 {
            return true;
        }
        let asked = (burst, per_second);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((rate, bucket)) = buckets.get_mut(name)
            && *rate == asked
        {
            return bucket.take(now);
        }
        if buckets.len() >= BUCKETS_MAX {
            buckets.retain(|_, (_, bucket)| !bucket.is_full(now));
        }
        if buckets.len() >= BUCKETS_MAX {
            // Everybody is busy: whoever is new waits.
            return false;
        }
        let mut bucket = TokenBucket::new(burst, per_second, now);
        let passes = bucket.take(now);
        buckets.insert(name.to_owned(), (asked, bucket));
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_callers_haste_costs_no_other_anything() {
        let rates = Rates::default();
        let passed = |name: &str| {
            (0..10)
                .filter(|_| rates.admit(name, 4, 2.0, Duration::ZERO))
                .count()
        };
        assert_eq!(passed("hasty"), 4);
        assert_eq!(passed("calm"), 4);
        assert!(rates.admit("hasty", 4, 2.0, Duration::from_secs(1)));
    }

    #[test]
    fn a_changed_rate_counts_at_once_and_zero_is_no_limit() {
        let rates = Rates::default();
        assert!((0..1000).all(|_| rates.admit("a", 0, 0.0, Duration::ZERO)));
        while rates.admit("a", 2, 1.0, Duration::ZERO) {}
        assert!(rates.admit("a", 10, 5.0, Duration::ZERO));
    }
}
