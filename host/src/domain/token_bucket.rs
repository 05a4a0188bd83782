//! How many of something may pass in a while. Reads no clock: time is given.

use std::time::Duration;

/// Lets a burst through, and after that a steady rate.
#[derive(Debug)]
pub struct TokenBucket {
    burst: f64,
    per_second: f64,
    tokens: f64,
    refilled_at: Duration,
}

impl TokenBucket {
    /// Full at `now`, a monotonic time.
    pub fn new(burst: u32, per_second: impl Into<f64>, now: Duration) -> Self {
        Self {
            burst: burst.into(),
            per_second: per_second.into(),
            tokens: burst.into(),
            refilled_at: now,
        }
    }

    /// Whether one more may pass at `now`.
    pub fn take(&mut self, now: Duration) -> bool {
        let elapsed = now.saturating_sub(self.refilled_at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.burst);
        self.refilled_at = self.refilled_at.max(now);
        let passes = self.tokens >= 1.0;
        if passes {
            self.tokens -= 1.0;
        }
        passes
    }
}

impl TokenBucket {
    /// Whether as many may pass at `now` as ever may at once.
    pub fn is_full(&self, now: Duration) -> bool {
        let elapsed = now.saturating_sub(self.refilled_at).as_secs_f64();
        self.tokens + elapsed * self.per_second >= self.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_only_the_rate() {
        let mut bucket = TokenBucket::new(3, 2, Duration::ZERO);
        let taken = |bucket: &mut TokenBucket, at| (0..10).filter(|_| bucket.take(at)).count();
        assert_eq!(taken(&mut bucket, Duration::ZERO), 3);
        assert_eq!(taken(&mut bucket, Duration::from_secs(1)), 2);
        assert_eq!(taken(&mut bucket, Duration::from_secs(100)), 3);
    }
}
