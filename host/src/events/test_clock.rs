//! A clock for tests.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use crate::domain::{Clock, Timestamp};

/// A clock that goes on by a second each time it is read.
#[derive(Default)]
pub(crate) struct TestClock(AtomicI64);

/// 2026-11-20T10:00:00Z.
const BEGINNING_SECONDS: i64 = 1_795_168_800;

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let seconds = BEGINNING_SECONDS + self.0.fetch_add(1, Ordering::SeqCst);
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}
