//! The one task that writes. It takes what has queued, writes it as one transaction and answers after the commit:
//!
//! ```text
//!   commit() ──▶ queue ──▶ wait for one ─▶ take what is there ─▶ write and commit ─▶ answer each
//!                              │ the connection is gone     a failure │
//!                              └──────────────┬─────────────────────┘
//!                                             ▼
//!              answer all `Unavailable`, connect again, look whether nothing is missing, go on
//! ```
//!
//! It never waits by the clock for a group to grow: under load the groups form themselves, while the last one is committed.
//!
//! When the connection breaks during a commit nobody knows whether it happened: the batches are answered `Unavailable`, and whoever
//! still wants one hands it in again, with the same event ids. When it breaks before, the group is written again on a new one.

mod connect;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub(super) use self::connect::WriterSession;
use self::connect::{CONNECT_WITHIN, connect};
use super::{
    PostgresOptions, PostgresPlace,
    append::{self, Heads, Outcome},
    fault::{Fault, words},
    notices::Notices,
    shared::Shared,
};
use crate::store::{Batch, CommitError, StoreError};

/// How long after the first failed attempt to connect the next one comes; doubled each time.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// The longest time between attempts to connect: a server that is back should not wait for its hosts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// How often a group is written again because somebody was in the way: other hosts hold what it needs for milliseconds.
const ATTEMPTS: u32 = 6;

/// The first pause before a group is written again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// How long a group may take before the server counts as gone: longer than it lets any statement take.
const GROUP_WITHIN: Duration = Duration::from_secs(45);

/// A batch on its way.
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) answer: oneshot::Sender<Outcome>,
}

impl Request {
    /// How much of a group it takes.
    fn weight(&self) -> usize {
        (self.batch.events.len() + self.batch.changes.len()).max(1)
    }

    fn answer(self, outcome: Outcome) {
        // Whoever asked may have gone; that undoes nothing.
        drop(self.answer.send(outcome));
    }
}

/// The task's own. However the task ends, what is here is dropped in this order: those whose batches still queue learn that the
/// store is closed, and only then does whoever waits for the end go on.
pub(super) struct Writer {
    pub(super) place: PostgresPlace,
    pub(super) options: PostgresOptions,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) closing: CancellationToken,
    /// Where the chains ended after each of its own commits. A server that knows less has lost something.
    pub(super) acknowledged: Heads,
    pub(super) notices: Arc<Notices>,
    pub(super) ending: Ending,
}

/// Tells of the task's end when it is dropped.
pub(super) struct Ending {
    pub(super) shared: Arc<Shared>,
    /// Turns true when the task has ended.
    pub(super) ended: watch::Sender<bool>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.close();
        self.ended.send_replace(true);
    }
}

/// Why a connection is of no use any more.
struct Broken {
    cause: String,
    in_doubt: bool,
}

impl Writer {
    /// Serves until it is told to close, or nobody is left who could ask.
    pub(super) async fn run(mut self, session: WriterSession) {
        let mut session = session;
        while let Some(cause) = self.serve(&mut session).await {
            match self.reopen(cause).await {
                Some(reopened) => session = reopened,
                None => return,
            }
        }
    }

    /// Serves on one connection; answers why it broke. Nothing: closed.
    async fn serve(&mut self, session: &mut WriterSession) -> Option<String> {
        loop {
            let first = tokio::select! {
                biased;
                cause = session.session.lost() => return Some(cause),
                first = next(&mut self.requests, &self.closing) => first?,
            };
            let group = self.collect(first).await;
            let batches: Vec<&Batch> = group.iter().map(|request| &request.batch).collect();
            match self.write(session, &batches).await {
                Ok(outcomes) => {
                    group
                        .into_iter()
                        .zip(outcomes)
                        .for_each(|(request, outcome)| request.answer(outcome));
                }
                Err(cause) => {
                    self.ending.shared.fail(&cause);
                    group
                        .into_iter()
                        .for_each(|request| request.answer(Err(unavailable(&cause))));
                    return Some(cause);
                }
            }
        }
    }

    /// Takes what has queued, as much as a group may hold. Those who were answered a moment ago are let run first, for as long as that
    /// brings more: else the first of them would go alone, and all others wait for him.
    async fn collect(&mut self, first: Request) -> Vec<Request> {
        let mut weight = first.weight();
        let mut group = vec![first];
        let mut seen = 0;
        while group.len() > seen && weight < self.options.group_limit {
            seen = group.len();
            tokio::task::yield_now().await;
            while weight < self.options.group_limit
                && let Ok(request) = self.requests.try_recv()
            {
                weight += request.weight();
                group.push(request);
            }
        }
        group
    }

    /// Writes a group, on a new connection if this one turns out to be gone before anything was committed.
    async fn write(
        &mut self,
        session: &mut WriterSession,
        batches: &[&Batch],
    ) -> Result<Vec<Outcome>, String> {
        match self.write_group(session, batches).await {
            Err(broken) if !broken.in_doubt => {
                *session = self.connect().await.map_err(|_| broken.cause)?;
                self.write_group(session, batches)
                    .await
                    .map_err(|broken| broken.cause)
            }
            written => written.map_err(|broken| broken.cause),
        }
    }

    /// Writes a group together, or each batch for itself if the database refuses one of them.
    async fn write_group(
        &mut self,
        session: &WriterSession,
        batches: &[&Batch],
    ) -> Result<Vec<Outcome>, Broken> {
        match self.write_together(session, batches).await? {
            Ok(outcomes) => Ok(outcomes),
            Err(refusal) if batches.len() == 1 => Ok(vec![Err(refusal)]),
            Err(_) => {
                let mut outcomes = Vec::with_capacity(batches.len());
                for batch in batches {
                    let alone = self.write_together(session, std::slice::from_ref(batch)).await;
                    // Those before it are committed: the group is not one that may be written again as it was.
                    let alone = alone.map_err(|broken| Broken {
                        in_doubt: broken.in_doubt || !outcomes.is_empty(),
                        ..broken
                    })?;
                    outcomes.push(alone.and_then(|mut outcomes| outcomes.remove(0)));
                }
                Ok(outcomes)
            }
        }
    }

    /// Writes batches as one transaction. The inner error: the database refuses all because of one of them.
    async fn write_together(
        &mut self,
        session: &WriterSession,
        batches: &[&Batch],
    ) -> Result<Result<Vec<Outcome>, CommitError>, Broken> {
        let client = &session.session.client;
        let mut attempt = 0;
        loop {
            let written = timeout(GROUP_WITHIN, append::write(client, &session.statements, batches)).await;
            let Ok(written) = written else {
                let cause = format!("no answer within {} s", GROUP_WITHIN.as_secs());
                return Err(Broken {
                    cause,
                    in_doubt: true,
                });
            };
            let error = match written {
                Ok((outcomes, moved)) => {
                    self.notices.tell(&moved);
                    self.acknowledged.extend(moved);
                    return Ok(Ok(outcomes));
                }
                Err(error) => error,
            };
            let (fault, cause) = (error.fault(), words(&error.cause));
            let in_doubt = error.in_doubt && fault == Fault::Lost;
            let rolled_back = timeout(CONNECT_WITHIN, client.batch_execute("ROLLBACK")).await;
            if matches!(fault, Fault::Lost | Fault::Failed) || !matches!(rolled_back, Ok(Ok(()))) {
                return Err(Broken { cause, in_doubt });
            }
            attempt += 1;
            match fault {
                Fault::InTheWay if attempt < ATTEMPTS => {
                    tracing::debug!(
                        cause,
                        attempt,
                        "somebody was in the way: the group is written again"
                    );
                    sleep(FIRST_PAUSE * (1 << attempt)).await;
                }
                Fault::InTheWay => return Ok(Err(unavailable(&cause))),
                // All that a caller can do wrong was checked before, so the database is not as this program left it.
                _ => {
                    let refused = format!("the database refused the batch: {cause}");
                    return Ok(Err(StoreError::Damaged(refused).into()));
                }
            }
        }
    }

    /// Tries until there is a connection again; answers meanwhile that there is none. None: closed meanwhile.
    async fn reopen(&mut self, cause: String) -> Option<WriterSession> {
        let mut cause = cause;
        let mut backoff = Duration::ZERO;
        loop {
            tracing::error!(cause, "[kora.store.unavailable] the {} is away", self.place);
            self.ending.shared.fail(&cause);
            match self.try_reopen(backoff, &cause).await? {
                Ok(session) => {
                    tracing::info!("the {} is available again", self.place);
                    self.ending.shared.recover();
                    return Some(session);
                }
                Err(error) => cause = error.cause(),
            }
            backoff = (backoff * 2).clamp(FIRST_BACKOFF, LONGEST_BACKOFF);
        }
    }

    async fn try_reopen(
        &mut self,
        after: Duration,
        cause: &str,
    ) -> Option<Result<WriterSession, StoreError>> {
        let Self {
            place,
            requests,
            closing,
            acknowledged,
            ..
        } = self;
        let connecting = async {
            sleep(after).await;
            connect(place, acknowledged).await
        };
        tokio::pin!(connecting);
        loop {
            tokio::select! {
                biased;
                connected = &mut connecting => return Some(connected),
                request = next(requests, closing) => request?.answer(Err(unavailable(cause))),
            }
        }
    }

    async fn connect(&self) -> Result<WriterSession, StoreError> {
        connect(&self.place, &self.acknowledged).await
    }
}

/// The next request; after the order to close, those that had queued before. May be dropped without losing one.
async fn next(requests: &mut mpsc::Receiver<Request>, closing: &CancellationToken) -> Option<Request> {
    tokio::select! {
        biased;
        () = closing.cancelled(), if !requests.is_closed() => requests.close(),
        request = requests.recv() => return request,
    }
    requests.recv().await
}

fn unavailable(cause: &str) -> CommitError {
    StoreError::Unavailable(cause.to_owned()).into()
}
