//! How much room there is for what the host writes, and how fast the store grows: a warning while there still is some.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use serde::Serialize;
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    domain::{Clock, TenantId, Timestamp},
    engine::disk::{Limits, Space, growth_per_day},
    store::{EventFilter, Order, ROOM_BYTES, Store, sqlite::write_ahead_log},
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

/// Why a directory does not take what a store needs.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{}` does not take {ROOM_BYTES} bytes more: {why}; {} bytes are free: free some room, and see that this user may write there",
    directory.display(),
    free_bytes.map_or_else(|| "an unknown number of".to_owned(), |free| free.to_string())
)]
pub struct NoRoom {
    directory: PathBuf,
    free_bytes: Option<u64>,
    why: io::Error,
}

/// Writes and syncs to `directory` as much as a store needs to go on, and removes it again: modes, quotas and mounts do not say whether that
/// works. Blocks.
///
/// # Errors
/// If it does not work.
pub fn try_to_write(directory: &Path) -> Result<(), NoRoom> {
    let probe = directory.join(format!(".kora-probe-{}.tmp", uuid::Uuid::new_v4()));
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(&probe)?;
        file.write_all(&vec![1; ROOM_BYTES as usize])?;
        file.sync_all()
    };
    let written = write();
    let removed = std::fs::remove_file(&probe);
    written.and(removed).map_err(|why| NoRoom {
        directory: directory.to_owned(),
        free_bytes: space_at(directory).ok().map(|space| space.free_bytes),
        why,
    })
}

/// None if there is no file.
fn store_bytes(store: &Path) -> Option<u64> {
    let bytes = |path: &Path| std::fs::metadata(path).ok().map(|found| found.len());
    Some(bytes(store)? + bytes(&write_ahead_log(store)).unwrap_or(0))
}

/// Measures again and again, and says when room becomes low.
pub struct DiskWatch {
    places: Places,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// The time of the first event; it does not change.
    since: OnceLock<Timestamp>,
    last: ArcSwapOption<DiskReport>,
    /// By the clock that nobody sets, in milliseconds, and one more: 0 is never.
    measured_at: AtomicU64,
    /// A filesystem that hangs holds one thread, and not one for each who asks.
    alone: Arc<Semaphore>,
    was_low: AtomicBool,
}

/// What was measured within this time is as good as new.
const FRESH: Duration = Duration::from_millis(250);
/// Whoever asks waits no longer than this for a filesystem.
const PATIENCE: Duration = Duration::from_secs(1);

impl DiskWatch {
    /// Of these places. Nothing is measured yet.
    pub fn new(places: Places, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            places,
            store,
            clock,
            since: OnceLock::new(),
            last: ArcSwapOption::empty(),
            measured_at: AtomicU64::new(0),
            alone: Arc::new(Semaphore::new(1)),
            was_low: AtomicBool::new(false),
        }
    }

    /// What was measured last.
    pub fn last(&self) -> Option<Arc<DiskReport>> {
        self.last.load_full()
    }

    /// What there is now; if the filesystem does not answer in time, what was measured last. May be dropped.
    pub async fn now(&self, limits: Limits) -> Option<Arc<DiskReport>> {
        let at = self.measured_at.load(Ordering::Relaxed);
        let is_fresh =
            at > 0 && self.millis().saturating_sub(at) < u64::try_from(FRESH.as_millis()).unwrap_or(0);
        if !is_fresh {
            // Late: the last one is what there is.
            drop(timeout(PATIENCE, self.look(limits)).await);
        }
        self.last()
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).map_or(u64::MAX, |millis| millis.saturating_add(1))
    }

    /// Measures, unless somebody does, and logs if room has become low or is no longer. May be dropped.
    pub async fn look(&self, limits: Limits) {
        let Ok(alone) = Arc::clone(&self.alone).try_acquire_owned() else {
            return;
        };
        let (places, now, since) = (self.places.clone(), self.clock.now(), self.since().await);
        let measured = tokio::task::spawn_blocking(move || {
            let measured = places.measure(since, now, limits);
            drop(alone);
            measured
        })
        .await;
        self.measured_at.store(self.millis(), Ordering::Relaxed);
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
    /// Milliseconds, moved by hand.
    #[derive(Default)]
    struct HandClock(AtomicU64);

    impl Clock for HandClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(0)
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

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
        std::fs::write(write_ahead_log(&store), [0; 11]).unwrap();
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

    #[tokio::test]
    async fn who_asks_is_told_of_a_disk_that_filled_up_meanwhile() {
        let home = tempfile::TempDir::new().unwrap();
        let store = home.path().join("kora.db");
        std::fs::write(&store, [0; 100]).unwrap();
        let places = Places {
            home: home.path().to_owned(),
            store: Some(store.clone()),
        };
        let clock = Arc::new(HandClock::default());
        let watch = DiskWatch::new(places, Arc::new(MemoryStore::default()), clock.clone());
        let taken = async || watch.now(ROOMY).await.unwrap().store_bytes;
        assert_eq!(taken().await, Some(100));
        std::fs::write(&store, [0; 300]).unwrap();
        assert_eq!(
            taken().await,
            Some(100),
            "a moment later it is not measured again"
        );
        clock.0.fetch_add(1000, Ordering::Relaxed);
        assert_eq!(taken().await, Some(300));
    }

    #[test]
    fn a_directory_that_takes_no_more_is_told_with_the_room_it_has() {
        let place = tempfile::TempDir::new().unwrap();
        try_to_write(place.path()).unwrap();
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        let refused = try_to_write(Path::new("/proc")).unwrap_err().to_string();
        assert!(
            refused.contains("`/proc`") && refused.contains("bytes are free"),
            "{refused}"
        );
    }
}
