//! How much room there is for what the host writes, and how fast the store grows: a warning while there still is some.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use serde::Serialize;

use crate::{
    domain::{Clock, TenantId, Timestamp},
    engine::disk::{Limits, Space, growth_per_day},
    store::{EventFilter, Order, Store},
};

/// What fills up.
#[derive(Debug, Clone)]
pub struct Places {
    /// The home: audit, spool, checkpoints.
    pub home: PathBuf,
    /// The store's file, where it is one; it may be on another filesystem.
    pub store: Option<PathBuf>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiskReport {
    /// The room of the filesystem that holds the home, or of the store's if that has less.
    pub space: Space,
    /// Whether that is less than it should be.
    pub is_low: bool,
    /// What the store's files take: the database and its write-ahead log.
    pub store_bytes: Option<u64>,
    /// What the store grew by each day of its life, on average.
    pub growth_bytes_per_day: Option<u64>,
}

impl Places {
    /// Measures. `since` is the time of the first event in the host's chain. Blocks for as long as the filesystem does.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn measure(
        &self,
        since: Option<Timestamp>,
        now: Timestamp,
        limits: Limits,
    ) -> io::Result<DiskReport> {
        let mut space = space_at(&self.home)?;
        if let Some(beside) = self.store.as_deref().and_then(Path::parent) {
            let other = space_at(beside)?;
            if other.free_bytes < space.free_bytes {
                space = other;
            }
        }
        let store_bytes = self.store.as_deref().and_then(store_bytes);
        let growth = store_bytes.zip(since);
        Ok(DiskReport {
            space,
            is_low: space.is_low(limits),
            store_bytes,
            growth_bytes_per_day: growth.and_then(|(bytes, since)| growth_per_day(bytes, since, now)),
        })
    }
}

fn space_at(path: &Path) -> io::Result<Space> {
    let found = rustix::fs::statvfs(path)?;
    Ok(Space {
        // What is left to others than root.
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
    })
}

/// None if there is no file.
fn store_bytes(store: &Path) -> Option<u64> {
    let mut log = store.as_os_str().to_owned();
    log.push("-wal");
    let bytes = |path: &Path| std::fs::metadata(path).ok().map(|found| found.len());
    Some(bytes(store)? + bytes(Path::new(&log)).unwrap_or(0))
}

/// Measures again and again, and says when room becomes low.
pub struct DiskWatch {
    places: Places,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// The time of the first event; it does not change.
    since: OnceLock<Timestamp>,
    last: ArcSwapOption<DiskReport>,
    was_low: AtomicBool,
}

impl DiskWatch {
    /// Of these places. Nothing is measured yet.
    pub fn new(places: Places, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            places,
            store,
            clock,
            since: OnceLock::new(),
            last: ArcSwapOption::empty(),
            was_low: AtomicBool::new(false),
        }
    }

    /// What was measured last.
    pub fn last(&self) -> Option<Arc<DiskReport>> {
        self.last.load_full()
    }

    /// Measures, and logs if room has become low or is no longer. May be dropped.
    pub async fn look(&self, limits: Limits) {
        let (places, now, since) = (self.places.clone(), self.clock.now(), self.since().await);
        let measured = tokio::task::spawn_blocking(move || places.measure(since, now, limits)).await;
        match measured.map_err(io::Error::other).and_then(|report| report) {
            Ok(report) => {
                self.tell(&report);
                self.last.store(Some(Arc::new(report)));
            }
            Err(error) => {
                tracing::warn!(%error, "[kora.disk] the free room cannot be measured");
                self.last.store(None);
            }
        }
    }

    fn tell(&self, report: &DiskReport) {
        let Space {
            free_bytes,
            total_bytes,
        } = report.space;
        let was_low = self.was_low.swap(report.is_low, Ordering::Relaxed);
        if report.is_low && !was_low {
            tracing::warn!(
                free_bytes,
                total_bytes,
                home = %self.places.home.display(),
                "[kora.disk] the disk is nearly full: free some room, or events can no longer be written"
            );
        } else if was_low && !report.is_low {
            tracing::info!(free_bytes, total_bytes, "[kora.disk] there is enough room again");
        }
    }

    async fn since(&self) -> Option<Timestamp> {
        if let Some(since) = self.since.get() {
            return Some(*since);
        }
        let first = EventFilter {
            limit: 1,
            order: Order::OldestFirst,
            ..EventFilter::default()
        };
        let events = self.store.events(&TenantId::host(), first).await.ok()?;
        let since = events.first()?.occurred_at;
        Some(*self.since.get_or_init(|| since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::SystemClock, store::memory::MemoryStore};

    const ROOMY: Limits = Limits {
        free_bytes: 0,
        free_percent: 0,
    };
    const TIGHT: Limits = Limits {
        free_bytes: u64::MAX,
        free_percent: 0,
    };

    #[test]
    fn the_store_is_its_file_and_its_log() {
        let home = tempfile::TempDir::new().unwrap();
        let store = home.path().join("kora.db");
        let places = Places {
            home: home.path().to_owned(),
            store: Some(store.clone()),
        };
        let measure = || places.measure(None, Timestamp::from_micros(0), ROOMY).unwrap();
        assert_eq!(measure().store_bytes, None);
        std::fs::write(&store, [0; 100]).unwrap();
        std::fs::write(home.path().join("kora.db-wal"), [0; 11]).unwrap();
        let report = measure();
        assert_eq!(report.store_bytes, Some(111));
        assert!(report.space.total_bytes >= report.space.free_bytes && report.space.total_bytes > 0);
    }

    #[tokio::test]
    async fn what_was_measured_last_is_kept_and_judged_by_the_limits_of_then() {
        let home = tempfile::TempDir::new().unwrap();
        let places = Places {
            home: home.path().to_owned(),
            store: None,
        };
        let store = Arc::new(MemoryStore::default());
        let watch = DiskWatch::new(places, store, Arc::new(SystemClock::new()));
        assert!(watch.last().is_none());
        for (limits, is_low) in [(TIGHT, true), (ROOMY, false)] {
            watch.look(limits).await;
            assert_eq!(watch.last().unwrap().is_low, is_low);
        }
        home.close().unwrap();
        watch.look(ROOMY).await;
        assert!(
            watch.last().is_none(),
            "what cannot be measured is not shown as it was"
        );
    }
}
