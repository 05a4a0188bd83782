//! How far a copy is, for whoever waits for it.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What is being done, and how many rows it has seen. Written by the copy, read by whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    step: AtomicU8,
    rows: AtomicU64,
}

/// What is being done, in words for people.
const STEPS: [&str; 3] = ["checking", "copying", "checking what arrived"];

impl Progress {
    /// Nothing done yet.
    pub const fn new() -> Self {
        Self {
            step: AtomicU8::new(0),
            rows: AtomicU64::new(0),
        }
    }

    /// What is being done, and how many rows it has seen.
    pub fn now(&self) -> (&'static str, u64) {
        let step = usize::from(self.step.load(Ordering::Relaxed));
        (
            STEPS.get(step).copied().unwrap_or_default(),
            self.rows.load(Ordering::Relaxed),
        )
    }

    pub(super) fn checking(&self) {
        self.begin(0);
    }

    pub(super) fn copying(&self) {
        self.begin(1);
    }

    pub(super) fn reading_back(&self) {
        self.begin(2);
    }

    pub(super) fn row(&self) {
        self.rows.fetch_add(1, Ordering::Relaxed);
    }

    fn begin(&self, step: u8) {
        self.rows.store(0, Ordering::Relaxed);
        self.step.store(step, Ordering::Relaxed);
    }
}
