//! Time: a moment as the chain stores it, and where the host gets one from.

use std::{
    fmt,
    time::{Duration, Instant, SystemTime},
};

use serde::{Deserialize, Serialize};

/// A moment in microseconds since 1970 UTC, as it is hashed into the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970 UTC.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970 UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This much later; as late as can be told if that is too late.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// RFC 3339 in UTC with whole seconds, ending in `Z`: how the original showed times.
    pub fn to_rfc3339_seconds(self) -> String {
        self.rendered("%Y-%m-%dT%H:%M:%SZ")
    }

    /// RFC 3339 in UTC with microseconds, ending in `Z`.
    pub fn to_rfc3339(self) -> String {
        self.rendered("%Y-%m-%dT%H:%M:%S%.6fZ")
    }

    fn rendered(self, format: &str) -> String {
        // Out of jiff's range (years -9999 to 9999): show the number, never fail.
        jiff::Timestamp::from_microsecond(self.0).map_or_else(
            |_| format!("{}us", self.0),
            |time| time.strftime(format).to_string(),
        )
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Where time comes from. Waiting goes through tokio's clock, which tests can pause.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Time since an unnamed moment; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// Its monotonic time begins now.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}
