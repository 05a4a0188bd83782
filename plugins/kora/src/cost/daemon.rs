//! The daemon `cost_telemetry`, which keeps the file, and the listener `cost_events`, which wakes the counting.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use kora_plugin_api::{Daemon, Event, Host, Listener, PluginError, Result, tracing};

use super::Book;
use crate::{atomic_file, moment};

/// The task that writes the counters to the file.
pub const PERSIST: &str = "cost_telemetry.persist";
/// The task that forgets what has left the rolling window.
pub const ROLLING_24H_RESET: &str = "cost_telemetry.rolling_24h_reset";
/// The task that begins a new calendar month.
pub const MONTHLY_RESET: &str = "cost_telemetry.monthly_reset";
/// How often the two resets are due. Reports are right without them: they only free memory.
pub const RESET_INTERVAL: Duration = Duration::from_secs(3600);

const FILE_NAME: &str = "cost_telemetry.json";

pub struct CostTelemetry {
    book: Arc<Book>,
}

impl CostTelemetry {
    /// Keeps the file of `book`.
    pub fn new(book: Arc<Book>) -> Self {
        Self { book }
    }

    async fn persist(&self, host: &Host) -> Result {
        let Some(file) = self.book.render(moment::now()) else {
            return Ok(()); // Nothing was read, so there is nothing to write, least of all over what is there.
        };
        let path = path(host)?;
        let bytes = file.to_string().into_bytes();
        host.spawn_blocking(move || atomic_file::write(&path, &bytes))
            .await??;
        Ok(())
    }
}

impl Daemon for CostTelemetry {
    async fn startup(&self, host: &Host) -> Result {
        let path = path(host)?;
        let written = host.spawn_blocking(move || read_if_there(&path)).await??;
        self.book.open(written.as_deref());
        if let Err(error) = self.book.catch_up_all(host).await {
            // Not a reason not to start: every write of the file tries again.
            tracing::warn!(%error, "not all costs could be read yet");
        }
        Ok(())
    }

    async fn tick(&self, host: &Host, task: &str) -> Result {
        match task {
            PERSIST => {
                let read = self.book.catch_up_all(host).await;
                self.persist(host).await.and(read)
            }
            ROLLING_24H_RESET => {
                self.book.forget_old_hours(moment::now());
                Ok(())
            }
            MONTHLY_RESET => {
                self.book.begin_month(moment::now());
                Ok(())
            }
            other => Err(PluginError::new(format!("no task is called `{other}`"))),
        }
    }

    async fn shutdown(&self, host: &Host) -> Result {
        self.persist(host).await
    }
}

fn path(host: &Host) -> Result<PathBuf> {
    Ok(host.info()?.cache_dir.join(FILE_NAME))
}

fn read_if_there(path: &std::path::Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("cannot read `{}`: {error}", path.display()),
        )),
    }
}

/// Wakes the counting. The event itself is read from the chain with all others, so that those which this listener missed
/// are counted as well.
pub struct CostEvents {
    book: Arc<Book>,
}

impl CostEvents {
    /// Wakes the counting of `book`.
    pub fn new(book: Arc<Book>) -> Self {
        Self { book }
    }
}

impl Listener for CostEvents {
    async fn on_event(&self, host: &Host, event: &Event) -> Result {
        self.book.catch_up(host, &event.tenant).await
    }
}
