//! Watching the plugin directory while the host runs.
//!
//! The kernel's hints only say when to look; what counts is what a look shows. So a directory from which no hints come (a network
//! file system, another one put in its place, no watches left) is served too, a little later.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use notify::{
    EventKind, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{Candidate, DirectoryChange, Settle, scan};
use crate::plugin::refusal::shown_path;

// What was dropped is announced within two seconds even without hints: at most POLL until it is seen, a second of standing
// still, at most STEP until that is noticed.

/// Between two looks when nothing happens. A look costs some ten microseconds for each plugin.
const POLL: Duration = Duration::from_millis(500);
/// Between two looks while something has not yet stood still.
const STEP: Duration = Duration::from_millis(200);
/// At least between two looks: a large copy brings thousands of hints.
const BREATH: Duration = Duration::from_millis(50);

/// Lists what stands still, and waits at most `patience` for what does not. In a directory that has been at rest it returns at
/// once. What is left out is for the [`Watcher`] to announce.
///
/// # Errors
/// As [`scan`].
///
/// # Cancel safety
/// It may be dropped at any time.
pub async fn scan_settled(directory: &Path, patience: Duration) -> io::Result<Vec<Candidate>> {
    let started = Instant::now();
    let mut settle = Settle::default();
    loop {
        let listing = look(directory).await?;
        let now = SystemTime::now();
        if listing.iter().all(|candidate| candidate.stamp.is_quiet(now)) {
            return Ok(listing);
        }
        settle.observe(Instant::now(), listing.clone());
        if settle.is_waiting() && started.elapsed() < patience {
            sleep(STEP).await;
            continue;
        }
        let observed = settle.into_settled();
        let is_still = |candidate: &Candidate| candidate.stamp.is_quiet(now) || observed.contains(candidate);
        return Ok(listing.into_iter().filter(is_still).collect());
    }
}

/// Announces what changes in the plugin directory.
#[derive(Debug)]
pub struct Watcher {
    directory: PathBuf,
    settle: Settle,
}

impl Watcher {
    /// Of `directory`, in which `known` was found and judged already. The directory may appear later.
    pub fn new(directory: impl Into<PathBuf>, known: Vec<Candidate>) -> Self {
        Self {
            directory: directory.into(),
            settle: Settle::knowing(known, Instant::now()),
        }
    }

    /// Watches until `stop` is cancelled or nobody listens any more. A listener that is slow delays looks and loses nothing.
    ///
    /// # Cancel safety
    /// It may be dropped at any time; what was seen and not yet sent is lost.
    pub async fn run(mut self, changes: mpsc::Sender<DirectoryChange>, stop: CancellationToken) {
        // The first error of a row is worth a line, not each of two in a second.
        let mut is_failing = false;
        let mut hints = Hints::new();
        let watched = stop.run_until_cancelled(async {
            loop {
                hints.arm(&self.directory);
                match look(&self.directory).await {
                    Ok(listing) => {
                        is_failing = false;
                        let change = self.settle.observe(Instant::now(), listing);
                        if !change.is_empty() && changes.send(change).await.is_err() {
                            return;
                        }
                    }
                    Err(error) if is_failing => tracing::debug!(%error, "the plugin directory still cannot be listed"),
                    Err(error) => {
                        is_failing = true;
                        tracing::warn!(directory = %shown_path(&self.directory), %error, "the plugin directory cannot be listed");
                    }
                }
                hints.wait(if self.settle.is_waiting() { STEP } else { POLL }).await;
                sleep(BREATH).await;
            }
        });
        watched.await;
    }
}

async fn look(directory: &Path) -> io::Result<Vec<Candidate>> {
    let directory = directory.to_owned();
    tokio::task::spawn_blocking(move || scan(&directory))
        .await
        .map_err(io::Error::other)?
}

/// The kernel's hints that something changed.
struct Hints {
    changed: Arc<Notify>,
    watcher: Option<notify::RecommendedWatcher>,
    is_armed: bool,
}

impl Hints {
    fn new() -> Self {
        let changed = Arc::new(Notify::new());
        let notifier = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_change(event.kind)) {
                notifier.notify_one();
            }
        });
        let watcher = watcher
            .inspect_err(
                |error| tracing::info!(%error, "no hints from the kernel; the plugin directory is polled"),
            )
            .ok();
        Self {
            changed,
            watcher,
            is_armed: false,
        }
    }

    /// Begins to watch, once the directory is there.
    fn arm(&mut self, directory: &Path) {
        let Some(watcher) = self.watcher.as_mut().filter(|_| !self.is_armed) else {
            return;
        };
        match watcher.watch(directory, RecursiveMode::NonRecursive) {
            Ok(()) => self.is_armed = true,
            Err(error) => tracing::trace!(%error, directory = %shown_path(directory), "polled, not watched"),
        }
    }

    async fn wait(&self, longest: Duration) {
        tokio::select! {
            () = self.changed.notified() => {}
            () = sleep(longest) => {}
        }
    }
}

/// Our own looks open the directory, which is an event too.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}
