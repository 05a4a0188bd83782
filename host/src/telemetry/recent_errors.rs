//! How many ERROR records there were lately, whatever level is kept. Counts; remembers no record.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context};

use super::gate::is_heard;
use crate::domain::Clock;

/// How far back "recent" goes.
pub const RECENT_ERRORS_WINDOW: Duration = Duration::from_secs(300);

/// Errors are counted by the second, so the window holds at most this many counts however many errors there are.
const BUCKET: Duration = Duration::from_secs(1);

/// The counts, and the layer that makes them.
#[derive(Clone)]
pub(super) struct RecentErrors {
    clock: Arc<dyn Clock>,
    buckets: Arc<Mutex<VecDeque<(u64, u64)>>>,
}

impl RecentErrors {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            buckets: Arc::default(),
        }
    }

    /// How many there were within the window.
    pub fn count(&self) -> u64 {
        self.with_recent(|_, buckets| buckets.iter().map(|(_, count)| count).sum())
    }

    fn add(&self) {
        self.with_recent(|now, buckets| match buckets.back_mut() {
            Some((second, count)) if *second == now => *count += 1,
            _ => buckets.push_back((now, 1)),
        });
    }

    fn with_recent<R>(&self, act: impl FnOnce(u64, &mut VecDeque<(u64, u64)>) -> R) -> R {
        let now = self.clock.monotonic().as_secs() / BUCKET.as_secs();
        let window = RECENT_ERRORS_WINDOW.as_secs() / BUCKET.as_secs();
        // Counts are whole after each step, so a panic elsewhere leaves nothing half-done.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        while buckets.front().is_some_and(|(second, _)| second + window <= now) {
            buckets.pop_front();
        }
        act(now, &mut buckets)
    }
}

impl fmt::Debug for RecentErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentErrors")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

impl<S: Subscriber> Layer<S> for RecentErrors {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::ERROR && is_heard(event.metadata()) {
            self.add();
        }
    }
}
