//! The client for programs that do one thing after another and have no runtime, such as the command.

use std::{path::Path, time::Duration};

use serde_json::Value;
use tokio::{runtime, time::timeout};

use super::Client;
use crate::service::{Problem, ProblemKind, api::Call};

/// How long the command waits. The longest call, a restart of a plugin, has deadlines of its own that end well before: who
/// is not answered by then talks to a daemon that hangs.
const ANSWER_DEADLINE: Duration = Duration::from_secs(120);

/// A [`Client`] with a runtime of its own, on the caller's thread.
#[derive(Debug)]
pub struct BlockingClient {
    // Before the runtime: its tasks end first.
    client: Client,
    runtime: runtime::Runtime,
}

impl BlockingClient {
    /// Connects to the daemon whose socket is at `path`.
    ///
    /// # Errors
    /// Those of [`Client::connect`], or that the system gives no runtime.
    pub fn connect(path: &Path) -> Result<Self, Problem> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| {
                let message = format!("the system gives no event loop: {error}");
                Problem::new(ProblemKind::Unavailable, "command.no_runtime", message)
            })?;
        let client = runtime.block_on(Client::connect(path))?;
        Ok(Self { client, runtime })
    }

    /// Asks, and waits for the answer, two minutes at most.
    ///
    /// # Errors
    /// What the daemon answers, or why it does not.
    pub fn call(&self, call: &Call) -> Result<Value, Problem> {
        self.runtime
            .block_on(async { timeout(ANSWER_DEADLINE, self.client.call(call)).await })
            .unwrap_or_else(|_| Err(no_answer()))
    }

    /// Runs what takes more than one call at a time. It has no deadline.
    pub fn run<T>(&self, work: impl AsyncFnOnce(&Client) -> T) -> T {
        self.runtime.block_on(work(&self.client))
    }
}

fn no_answer() -> Problem {
    let seconds = ANSWER_DEADLINE.as_secs();
    let message =
        format!("the daemon did not answer in {seconds} seconds; whether the call took effect is not known");
    Problem::new(ProblemKind::Unavailable, "daemon.no_answer", message)
        .hint("see its log; `kora events tail` shows what happened")
}
