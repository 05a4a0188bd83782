//! What the rest of the host may do with the coordinator. A handle is cheap to clone and outlives the loop.

use std::{sync::Arc, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use crate::domain::Timestamp;

use super::{
    driver::Shared,
    ending::{Ending, HostState, ShutdownReason},
    entry::NewEntry,
    journal,
    model::{OperationError, Request},
    status::{EntryStatus, Status},
};

/// How the boot ended.
#[derive(Debug, Clone, PartialEq)]
pub enum BootOutcome {
    /// The host runs. Every entry has had its first start; how each fared is told here.
    Running(Vec<EntryStatus>),
    /// The boot was given up or interrupted, and everything has been stopped again.
    Stopped(Ending),
}

/// Tells the coordinator what to do. Every future may be dropped: what was asked for happens all the same.
#[derive(Clone)]
pub struct CoordinatorHandle {
    shared: Arc<Shared>,
}

impl CoordinatorHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Starts the entries, one after another, and answers once each has had its first start. An entry whose plan cannot be
    /// followed, or that waits for itself in a circle, is `Failed` and the others go on; if it is fatal, the boot is given up.
    ///
    /// # Errors
    /// [`OperationError::Duplicate`] and [`OperationError::AlreadyBooted`]; nothing was started then.
    pub async fn boot(&self, entries: Vec<NewEntry>) -> Result<BootOutcome, OperationError> {
        match self.ask(Request::Boot(entries)).await {
            Ok(entries) => Ok(BootOutcome::Running(entries)),
            Err(OperationError::Stopped(ending)) => Ok(BootOutcome::Stopped(ending)),
            Err(error) => Err(error),
        }
    }

    /// Starts the entries of one plugin beside those that run, and answers once each has had its first start. If a fatal one
    /// fails, all of them are stopped in reverse and forgotten; the host goes on.
    ///
    /// # Errors
    /// [`OperationError::StartupFailure`] or [`OperationError::Wedged`] with the cause; others if nothing was started.
    pub async fn add(&self, entries: Vec<NewEntry>) -> Result<Vec<EntryStatus>, OperationError> {
        self.ask(Request::Add(entries)).await
    }

    /// Stops a plugin's entries in reverse and forgets them. One that is wedged is forgotten without a call.
    ///
    /// # Errors
    /// If no entry is of that plugin, something else is being done with it, or the host does not run.
    pub async fn remove_plugin(&self, plugin: &str) -> Result<(), OperationError> {
        let plugin = plugin.to_owned();
        self.ask(Request::Remove { plugin }).await.map(drop)
    }

    /// Stops a plugin's entries in reverse and starts them anew, as if they had never failed: also what had used up its
    /// restarts or lacked a credential. Answers once each has had its start, well or not.
    ///
    /// # Errors
    /// As [`remove_plugin`](Self::remove_plugin), and [`OperationError::Wedged`].
    pub async fn restart(&self, plugin: &str) -> Result<Vec<EntryStatus>, OperationError> {
        let plugin = plugin.to_owned();
        self.ask(Request::Restart { plugin }).await
    }

    /// Stops everything. The first reason stands; true if this is the first. May be called at any time, also during the boot,
    /// which it interrupts at once, and as often as one likes.
    pub fn request_shutdown(&self, reason: ShutdownReason) -> bool {
        let line = reason.to_string();
        let first = self.shared.reason.set(reason).is_ok();
        journal::shutdown_requested(&line, first, self.shared.reason.get());
        self.shared.shutdown_asked.notify_one();
        first
    }

    /// Waits until the boot has ended, however it did. Cancel safe.
    pub async fn booted(&self) {
        let mut state = self.shared.host_state.subscribe();
        // An error means that the coordinator is gone, and the boot with it.
        drop(state.wait_for(|state| *state != HostState::Booting).await);
    }

    /// Waits until everything has stopped. Answers at once if it has.
    pub async fn stopped(&self) -> Ending {
        let mut state = self.shared.host_state.subscribe();
        // The sender is kept by `self`, so that waiting ends only with the state.
        let _ = state.wait_for(|state| *state == HostState::Stopped).await;
        self.ending()
    }

    /// All there is to know, at this moment.
    pub fn status(&self) -> Status {
        Status {
            state: self.state(),
            daemon_session_id: self.daemon_session_id().to_owned(),
            boot_at: self.boot_at(),
            uptime: self.uptime(),
            shutdown_reason: self.shutdown_reason(),
            entries: self.shared.model().statuses(Instant::now()),
        }
    }

    /// How the host stands.
    pub fn state(&self) -> HostState {
        *self.shared.host_state.borrow()
    }

    /// Names this run of the host: 32 hexadecimal digits, other ones each time.
    pub fn daemon_session_id(&self) -> &str {
        &self.shared.daemon_session_id
    }

    /// When the coordinator was made.
    pub fn boot_at(&self) -> Timestamp {
        self.shared.boot_at
    }

    /// How long ago that is, by a clock that nobody sets.
    pub fn uptime(&self) -> Duration {
        self.shared.clock.monotonic().saturating_sub(self.shared.began)
    }

    /// The first reason to stop that was given.
    pub fn shutdown_reason(&self) -> Option<ShutdownReason> {
        self.shared.reason.get().cloned()
    }

    async fn ask(&self, request: Request) -> Result<Vec<EntryStatus>, OperationError> {
        let (answer_to, answer) = oneshot::channel();
        if self.shared.requests.send((request, answer_to)).await.is_err() {
            return Err(OperationError::Stopped(self.ending()));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(OperationError::Stopped(self.ending())))
    }

    fn ending(&self) -> Ending {
        let known = self.shared.model().ending().cloned();
        known.unwrap_or_else(|| Ending {
            reason: ShutdownReason::Requested("the coordinator ended before it was told to".to_owned()),
            while_booting: self.state() == HostState::Booting,
        })
    }
}
