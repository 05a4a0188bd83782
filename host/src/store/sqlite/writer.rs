//! The one thread that writes. It takes what has queued, writes it as one transaction and answers after the sync:
//!
//! ```text
//!                                          ┌─ while there is more ─┐
//!   commit() ──▶ queue ──▶ wait for one ─▶ take what is there ─▶ write ─▶ sync ─▶ still the same file? ─▶ answer each
//!                              │ idle: checkpoint               a failure │                │ no
//!                              ▼                                          ▼                ▼
//!                           closed                 answer all `Unavailable`, drop     keep the connection, touch nothing,
//!                                                  every connection, reopen,          let nobody read or write until the
//!                                                  checkpoint, check the tails,       file is back as it was, then reopen
//!                                                  try to write, go on
//! ```
//!
//! It never waits by the clock for a group to grow: under load the groups form themselves, while the last one is synced and while
//! this one is written.
//!
//! After a failure nothing is known of the group but that each of its batches is there whole or not at all. It is not
//! written again: a sync that failed once may say "done" the next time without having done anything. Whoever still wants a
//! batch hands it in again, with the same event ids.

use std::{
    cell::RefCell,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::{
    SqliteOptions,
    append::{Appender, Outcome},
    file_watch::{Displaced, FileWatch, Mark, leave_alone},
    lock::FileLock,
    open, rights, schema,
    shared::Shared,
    tails,
};
use crate::store::{Batch, CommitError, StoreError};

/// How long after the first failed attempt to reopen the next one comes; doubled each time.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// The longest time between attempts to reopen: an operator who has made room should not have to wait.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// The records of each chain that are checked when the file was reopened: more than any group holds.
const CHECKED_ON_REOPEN: u64 = 1024;

/// What the thread is asked.
pub(super) enum Message {
    /// To write.
    Commit(Request),
    /// To try what may be done and what may not.
    CheckRights(Checked),
    /// To finish what was asked before, and end.
    Close,
}

/// Whom to tell what came of the look at the rights.
pub(super) type Checked = oneshot::Sender<Result<Option<String>, StoreError>>;

/// A batch on its way.
pub(super) struct Request {
    pub(super) batch: Batch,
    pub(super) answer: oneshot::Sender<Outcome>,
    /// Its place in the queue, free again once it is answered.
    pub(super) place: OwnedSemaphorePermit,
}

impl Request {
    /// How much of a group it takes.
    fn weight(&self) -> usize {
        (self.batch.events.len() + self.batch.changes.len()).max(1)
    }

    fn answer(self, outcome: Outcome) {
        // Whoever asked may have gone; that undoes nothing.
        drop(self.answer.send(outcome));
        drop(self.place);
    }
}

/// The thread's own. However the thread ends, what is here is dropped in this order: those whose batches still queue learn
/// that the store is closed, the file is free for the next host, and only then does whoever waits for the end go on.
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) options: SqliteOptions,
    pub(super) messages: Receiver<Message>,
    /// Met while a group was collected, and done after it.
    pub(super) deferred: RefCell<Vec<Checked>>,
    pub(super) _lock: FileLock,
    pub(super) ending: Ending,
}

/// Tells of the thread's end when it is dropped.
pub(super) struct Ending {
    pub(super) shared: Arc<Shared>,
    /// Turns true when the thread has ended.
    pub(super) ended: watch::Sender<bool>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.shared.close();
        self.ended.send_replace(true);
    }
}

/// Why the thread stopped serving a connection.
enum Stop {
    Closed,
    Failed(String),
    /// What it writes would not be found again.
    Displaced(Displaced),
}

/// What there is to do.
enum Work {
    Request(Request),
    CheckRights(Checked),
    /// Nobody wrote for a while: to empty the log.
    Idle,
    /// Nobody wrote, and nothing is left to do: to look whether the files are still there.
    Look,
    Close,
}

impl Writer {
    /// Serves until it is told to close, or nobody is left who could tell it.
    pub(super) fn run(self, connection: Connection, mut watch: FileWatch) {
        let mut connection = connection;
        let mut failures = 0;
        loop {
            let stop = self.serve(&connection, &mut watch, &mut failures);
            // Whatever else is wrong: a connection to files that are others now is not used, nor closed as usual.
            let displaced = watch.check(&connection).err();
            let (cause, mut parked) = match (stop, displaced) {
                (Stop::Closed, None) => return self.shut(&connection),
                (Stop::Closed, Some(displaced)) => {
                    return self.shut_displaced(connection, &mut watch, &displaced);
                }
                (Stop::Failed(cause), None) => {
                    drop(connection);
                    watch.forget_log();
                    (cause, None)
                }
                (Stop::Failed(_), Some(displaced)) | (Stop::Displaced(displaced), _) => {
                    let cause = displaced.to_string();
                    self.ending.shared.withhold(&cause);
                    leave_alone(&connection);
                    // A file without a name lives for as long as somebody has it open.
                    (cause, Some(connection))
                }
            };
            match self.reopen(cause, &mut watch, &mut parked, &mut failures) {
                Some(reopened) => connection = reopened,
                None => return,
            }
        }
    }

    fn serve(&self, connection: &Connection, watch: &mut FileWatch, failures: &mut u32) -> Stop {
        let mut appender = match Appender::prepare(connection) {
            Ok(appender) => appender,
            Err(error) => return Stop::Failed(error.to_string()),
        };
        let mut group = Vec::new();
        let mut written_since_checkpoint = false;
        loop {
            match self.next(written_since_checkpoint) {
                Work::Close => return Stop::Closed,
                Work::Look => {
                    if let Err(displaced) = watch.check_at_rest(connection) {
                        return Stop::Displaced(displaced);
                    }
                }
                Work::Idle => match self.empty_log(connection, watch) {
                    Ok(done) => written_since_checkpoint = !done,
                    Err(stop) => return stop,
                },
                Work::CheckRights(checked) => match self.check_rights(connection, &mut appender, checked) {
                    Ok(()) => {
                        watch.note();
                        written_since_checkpoint = true;
                    }
                    Err(cause) => return Stop::Failed(cause),
                },
                Work::Request(first) => {
                    let mut closing = false;
                    let written = match watch.check(connection) {
                        Ok(()) => self.write_group(&mut appender, first, &mut group, &mut closing),
                        Err(displaced) => {
                            group.push(first);
                            return self.not_found_again(group, displaced, closing);
                        }
                    };
                    match written {
                        Ok(outcomes) => {
                            watch.note();
                            if let Err(displaced) = watch.check(connection) {
                                return self.not_found_again(group, displaced, closing);
                            }
                            answer_each(&mut group, outcomes);
                        }
                        Err(error) => {
                            let cause = open::words(&error, &self.path);
                            self.ending.shared.fail(&cause);
                            answer_unavailable(group, &cause);
                            return if closing {
                                Stop::Closed
                            } else {
                                Stop::Failed(cause)
                            };
                        }
                    }
                    (written_since_checkpoint, *failures) = (true, 0);
                    if closing {
                        return Stop::Closed;
                    }
                }
            }
        }
    }

    /// Answers whether the log is empty now.
    fn empty_log(&self, connection: &Connection, watch: &mut FileWatch) -> Result<bool, Stop> {
        watch.check_at_rest(connection).map_err(Stop::Displaced)?;
        let failed = |error: rusqlite::Error| Stop::Failed(error.to_string());
        let committed = Mark::newest(connection).map_err(failed)?;
        let done = open::checkpoint(connection, &self.options).map_err(failed)?;
        watch.note();
        if done {
            watch.expect(committed);
        }
        watch.check(connection).map_err(Stop::Displaced)?;
        Ok(done)
    }

    /// The group may be durable, in a file that nobody will find.
    fn not_found_again(&self, group: Vec<Request>, displaced: Displaced, closing: bool) -> Stop {
        let cause = displaced.to_string();
        self.ending.shared.withhold(&cause);
        answer_unavailable(group, &cause);
        match closing {
            true => Stop::Closed,
            false => Stop::Displaced(displaced),
        }
    }

    /// An error is what the database could not do: then nothing is known of the connection.
    fn check_rights(
        &self,
        connection: &Connection,
        appender: &mut Appender<'_>,
        checked: Checked,
    ) -> Result<(), String> {
        let looked = rights::first_fault(connection, appender).and_then(|fault| match fault {
            None => open::try_to_write(connection).map(|()| None),
            found => Ok(found),
        });
        match looked {
            Ok(fault) => {
                // Whoever asked may have gone.
                drop(checked.send(Ok(fault)));
                Ok(())
            }
            Err(error) => {
                let cause = open::words(&error, &self.path);
                self.ending.shared.fail(&cause);
                drop(checked.send(Err(StoreError::Unavailable(cause.clone()))));
                Err(cause)
            }
        }
    }

    fn next(&self, written_since_checkpoint: bool) -> Work {
        if let Some(checked) = self.deferred.borrow_mut().pop() {
            return Work::CheckRights(checked);
        }
        let (patience, then) = match written_since_checkpoint {
            true => (self.options.idle_checkpoint_after, Work::Idle),
            false => (self.options.look_every, Work::Look),
        };
        match self.messages.recv_timeout(patience) {
            Ok(Message::Commit(request)) => Work::Request(request),
            Ok(Message::CheckRights(checked)) => Work::CheckRights(checked),
            Err(RecvTimeoutError::Timeout) => then,
            Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => Work::Close,
        }
    }

    /// Writes `first` and what has queued behind it as one transaction, and what queues meanwhile, as much as a group may hold:
    /// whoever comes before the sync needs none of their own. Answers what became of each of the group.
    fn write_group(
        &self,
        appender: &mut Appender<'_>,
        first: Request,
        group: &mut Vec<Request>,
        closing: &mut bool,
    ) -> rusqlite::Result<Vec<Outcome>> {
        let mut weight = first.weight();
        group.push(first);
        appender.begin()?;
        let mut outcomes = Vec::new();
        loop {
            if !*closing {
                *closing = self.collect(group, &mut weight);
            }
            let unwritten = group.iter().skip(outcomes.len());
            let batches: Vec<&Batch> = unwritten.map(|request| &request.batch).collect();
            if batches.is_empty() {
                break;
            }
            outcomes.extend(appender.write(&batches)?);
        }
        appender.commit()?;
        Ok(outcomes)
    }

    /// Takes what has queued, as much as a group may hold. Answers whether it met the request to close.
    fn collect(&self, group: &mut Vec<Request>, weight: &mut usize) -> bool {
        while *weight < self.options.group_limit {
            match self.messages.try_recv() {
                Ok(Message::Commit(request)) => {
                    *weight += request.weight();
                    group.push(request);
                }
                Ok(Message::CheckRights(checked)) => {
                    // It has a transaction of its own, after this one.
                    self.deferred.borrow_mut().push(checked);
                    break;
                }
                Ok(Message::Close) => return true,
                Err(_) => break,
            }
        }
        false
    }

    /// Tries until the file is open again and its tails are sound; answers meanwhile that it is not. None: closed meanwhile.
    fn reopen(
        &self,
        cause: String,
        watch: &mut FileWatch,
        parked: &mut Option<Connection>,
        failures: &mut u32,
    ) -> Option<Connection> {
        let mut cause = cause;
        loop {
            tracing::error!(store = %self.path.display(), cause, "[kora.store.unavailable] the store failed and is reopened");
            self.ending.shared.fail(&cause);
            if !self.refuse_for(backoff(*failures), &cause) {
                return None;
            }
            *failures = failures.saturating_add(1);
            if let Some(connection) = parked
                && self.has_saved_the_log(connection, watch)
            {
                *parked = None;
            }
            match self.try_reopen(watch, parked.as_ref()) {
                Ok(connection) => {
                    tracing::info!(store = %self.path.display(), "the store is available again");
                    self.ending.shared.recover();
                    return Some(connection);
                }
                Err(error) => cause = error.cause(),
            }
        }
    }

    /// Refuses what comes for a while, at least what has queued. Answers whether to go on: not if it is asked to close.
    fn refuse_for(&self, wait: Duration, cause: &str) -> bool {
        let until = Instant::now() + wait;
        let mut refused = 0;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(Message::Commit(request)) => request.answer(Err(unavailable(cause))),
                Ok(Message::CheckRights(checked)) => {
                    drop(checked.send(Err(StoreError::Unavailable(cause.to_owned()))));
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => return false,
            }
            refused += 1;
            // Callers that try again at once must not keep it from reopening.
            if left.is_zero() && refused >= self.options.queue_limit {
                return true;
            }
        }
    }

    /// Who removes the log beside a database that runs takes away what was acknowledged last, but the connection has it still.
    fn has_saved_the_log(&self, connection: &Connection, watch: &mut FileWatch) -> bool {
        let is_saved =
            watch.has_lost_the_log_alone() && matches!(open::checkpoint(connection, &self.options), Ok(true));
        if is_saved {
            watch.forget_log();
            tracing::warn!(
                store = %self.path.display(),
                "[kora.store.log_saved] the write-ahead log was removed; what was in it is in the store's file now"
            );
        }
        is_saved
    }

    fn try_reopen(
        &self,
        watch: &mut FileWatch,
        parked: Option<&Connection>,
    ) -> Result<Connection, StoreError> {
        let failed = |error| open::failure(&error, &self.path);
        let displaced = |displaced: Displaced| {
            let cause = displaced.to_string();
            self.ending.shared.withhold(&cause);
            StoreError::Unavailable(cause)
        };
        // Opening another file would be taking its word for what this one acknowledged.
        watch.check_closed(parked).map_err(displaced)?;
        // Waiting for a lock would let the queue wait too.
        let impatient = SqliteOptions {
            busy_timeout: Duration::ZERO,
            ..self.options.clone()
        };
        let connection = open::writer(&self.path, &impatient).map_err(failed)?;
        open::check_that_it_may_be_written(&connection, &self.path)?;
        let (found, expected) = (schema::version(&connection, &self.path)?, schema::known_version());
        if found != expected {
            return Err(StoreError::Damaged(format!(
                "expected schema version {expected}, found {found}"
            )));
        }
        open::make_durable(&connection, &impatient)?;
        // What the failed sync left in the log may be on the medium or only in memory. This writes and syncs it anew, into
        // the file, before anything is built upon it.
        if !open::checkpoint(&connection, &impatient).map_err(failed)? {
            return Err(StoreError::Unavailable(
                "another connection is open, the log cannot be settled".to_owned(),
            ));
        }
        if let Some(fault) = tails::first_fault(&connection, CHECKED_ON_REOPEN)? {
            return Err(StoreError::Damaged(fault));
        }
        open::try_to_write(&connection).map_err(failed)?;
        connection
            .busy_timeout(self.options.busy_timeout)
            .map_err(failed)?;
        watch.forget_log();
        watch.note();
        watch.check(&connection).map_err(|found| {
            leave_alone(&connection);
            displaced(found)
        })?;
        Ok(connection)
    }

    fn shut(&self, connection: &Connection) {
        if let Err(error) = open::checkpoint(connection, &self.options) {
            // Nothing is lost: the log is read when the file is opened next.
            tracing::warn!(store = %self.path.display(), %error, "the store was closed without a checkpoint");
        }
    }

    /// The last that can be done for what was acknowledged, without touching what lies there now.
    fn shut_displaced(&self, connection: Connection, watch: &mut FileWatch, displaced: &Displaced) {
        if !self.has_saved_the_log(&connection, watch) {
            leave_alone(&connection);
            tracing::error!(
                store = %self.path.display(),
                cause = %displaced,
                "[kora.store.displaced] the store was closed, and what lies there is not what was acknowledged"
            );
        }
    }
}

fn answer_each(group: &mut Vec<Request>, outcomes: Vec<Outcome>) {
    for (request, outcome) in group.drain(..).zip(outcomes) {
        request.answer(outcome);
    }
}

fn answer_unavailable(group: Vec<Request>, cause: &str) {
    for request in group {
        request.answer(Err(unavailable(cause)));
    }
}

fn unavailable(cause: &str) -> CommitError {
    StoreError::Unavailable(cause.to_owned()).into()
}

/// None before the first attempt: most failures are over when the file is opened anew.
fn backoff(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST_BACKOFF
            .saturating_mul(1 << doublings.min(10))
            .min(LONGEST_BACKOFF),
    }
}
