//! Work that goes on to its end although whoever asked for it went away.
//!
//! A commit cannot be taken back. If the caller's connection broke between the commit and its publication, the store would
//! say one thing and memory another; so both happen in a task of their own, counted, and joined when the host stops.

use std::future::Future;

use tokio_util::task::TaskTracker;

/// The work was cut off: it panicked, or the runtime is going down. It may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was interrupted, and may have happened: look before trying again")]
pub struct Interrupted;

/// Runs work unbroken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unbroken(TaskTracker);

impl Unbroken {
    /// Runs `work` to its end, even if this future is dropped.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Interrupted> {
        self.0.spawn(work).await.map_err(|error| {
            tracing::error!(%error, "work on tenants or identities was interrupted");
            Interrupted
        })
    }

    /// Waits for all work to end. No deadline of its own.
    pub(crate) async fn join(&self) {
        self.0.close();
        self.0.wait().await;
    }
}
