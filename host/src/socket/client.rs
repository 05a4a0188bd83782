//! Asking the running daemon. One connection, any number of requests under way on it at the same time.

use std::{
    collections::HashMap,
    io,
    marker::PhantomData,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, OUTBOX_LINES,
    lines::{Line, Lines},
    listener::check_length,
    protocol::{Answer, Body, read_line, request_line, too_long},
};
use crate::service::{
    Problem, ProblemKind,
    api::{Call, Event, LogRecord, TailEvents, TailLogs},
};

/// Events of a stream that wait to be taken. More than these wait in the daemon.
const STREAM_BUFFER: usize = 256;

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    outbox: mpsc::Sender<Vec<u8>>,
    next_id: AtomicU64,
    waiting: Arc<Waiting>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// What a call that follows brings, one by one.
#[derive(Debug)]
pub struct Follow<T> {
    items: mpsc::Receiver<Result<Value, Problem>>,
    item: PhantomData<fn() -> T>,
}

/// Who waits for which answer, and why nobody does any more.
#[derive(Debug, Default)]
struct Waiting {
    inner: Mutex<WaitingInner>,
}

#[derive(Debug, Default)]
struct WaitingInner {
    by_id: HashMap<u64, Waiter>,
    over: Option<Problem>,
}

#[derive(Debug)]
enum Waiter {
    Call(oneshot::Sender<Result<Value, Problem>>),
    Follow(mpsc::Sender<Result<Value, Problem>>),
}

impl Client {
    /// Connects to the daemon whose socket is at `path`.
    ///
    /// # Errors
    /// If no daemon runs there (`daemon.not_running`), or it is another user's.
    pub async fn connect(path: &Path) -> Result<Self, Problem> {
        check_length(path)?;
        let stream = UnixStream::connect(path)
            .await
            .map_err(|error| unreachable(path, &error))?;
        let (read, write) = stream.into_split();
        let waiting = Arc::new(Waiting::default());
        let (outbox, lines) = mpsc::channel(OUTBOX_LINES);
        let reader = tokio::spawn(read_answers(read, Arc::clone(&waiting)));
        let writer = tokio::spawn(write_requests(write, lines));
        Ok(Self {
            outbox,
            next_id: AtomicU64::new(1),
            waiting,
            _tasks: [reader, writer].map(AbortOnDropHandle::new),
        })
    }

    /// Asks, and waits for the answer. Dropping the future does not take the call back.
    ///
    /// # Errors
    /// What the daemon answers, or that the connection ended before it did.
    pub async fn call(&self, call: &Call) -> Result<Value, Problem> {
        let (sender, answer) = oneshot::channel();
        self.ask(call, Waiter::Call(sender)).await?;
        answer.await.unwrap_or_else(|_| Err(connection_lost(None)))
    }

    /// [`call`](Self::call), with the answer as the type that the call is documented to have.
    ///
    /// # Errors
    /// Those of `call`, and an answer of another form, as a daemon of another release may give it.
    pub async fn call_as<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Problem> {
        read_answer(self.call(call).await?)
    }

    /// Begins a stream of events. It is open until this client is dropped; while the [`Follow`] is not read, other answers wait
    /// behind its events.
    ///
    /// # Errors
    /// Only if the connection has ended: what the daemon has against the request comes as the first item.
    pub async fn follow(&self, tail: TailEvents) -> Result<Follow<Event>, Problem> {
        self.stream(&Call::EventsTail(TailEvents { follow: true, ..tail }))
            .await
    }

    /// The same of records of the log.
    ///
    /// # Errors
    /// As [`follow`](Self::follow).
    pub async fn follow_logs(&self, tail: TailLogs) -> Result<Follow<LogRecord>, Problem> {
        self.stream(&Call::LogsTail(TailLogs { follow: true, ..tail }))
            .await
    }

    async fn stream<T>(&self, call: &Call) -> Result<Follow<T>, Problem> {
        let (sender, items) = mpsc::channel(STREAM_BUFFER);
        self.ask(call, Waiter::Follow(sender)).await?;
        Ok(Follow {
            items,
            item: PhantomData,
        })
    }

    async fn ask(&self, call: &Call, waiter: Waiter) -> Result<(), Problem> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let line = request_line(id, call);
        if line.len() > MAX_REQUEST_BYTES {
            return Err(too_long(MAX_REQUEST_BYTES));
        }
        self.waiting.add(id, waiter)?;
        // If the connection has ended, the reader knows why and tells every waiter, this one too.
        let _ended = self.outbox.send(line).await;
        Ok(())
    }
}

impl<T: DeserializeOwned> Follow<T> {
    /// The next item, and the same as the JSON that came; `None` when the daemon ended the stream. Cancel safe.
    ///
    /// # Errors
    /// What the daemon has against the request, or that the connection ended.
    pub async fn next(&mut self) -> Option<Result<(T, Value), Problem>> {
        let item = self.items.recv().await?;
        Some(item.and_then(|value| Ok((read_answer(value.clone())?, value))))
    }
}

impl Waiting {
    fn locked(&self) -> std::sync::MutexGuard<'_, WaitingInner> {
        // Nothing that holds it can panic half-way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: u64, waiter: Waiter) -> Result<(), Problem> {
        let mut inner = self.locked();
        if let Some(problem) = &inner.over {
            return Err(problem.clone());
        }
        inner.by_id.insert(id, waiter);
        Ok(())
    }

    /// Nobody will be answered any more; answers with the first reason for that.
    fn end(&self, problem: Problem) -> Problem {
        let (reason, waiters) = {
            let mut inner = self.locked();
            let reason = inner.over.get_or_insert(problem).clone();
            (reason, std::mem::take(&mut inner.by_id))
        };
        for waiter in waiters.into_values() {
            waiter.refuse(reason.clone());
        }
        reason
    }

    async fn deliver(&self, id: u64, body: Body) {
        let ends = !matches!(body, Body::Item(_));
        let waiter = if ends {
            self.locked().by_id.remove(&id)
        } else {
            self.stream(id)
        };
        match (waiter, body) {
            (Some(Waiter::Call(sender)), Body::Result(value)) => drop(sender.send(Ok(value))),
            (Some(Waiter::Call(sender)), Body::Error(problem)) => drop(sender.send(Err(problem))),
            (Some(Waiter::Follow(sender)), Body::Item(value)) => drop(sender.send(Ok(value)).await),
            (Some(Waiter::Follow(sender)), Body::Error(problem)) => drop(sender.send(Err(problem)).await),
            // A stream's end drops its sender. Whoever is gone needs no answer.
            (Some(Waiter::Follow(_)), Body::Result(_))
            | (Some(Waiter::Call(_)), Body::Item(_))
            | (None, _) => {}
        }
    }

    fn stream(&self, id: u64) -> Option<Waiter> {
        match self.locked().by_id.get(&id) {
            Some(Waiter::Follow(sender)) => Some(Waiter::Follow(sender.clone())),
            Some(Waiter::Call(_)) | None => None,
        }
    }
}

impl Waiter {
    fn refuse(self, problem: Problem) {
        match self {
            Self::Call(sender) => drop(sender.send(Err(problem))),
            // If its buffer is full, the stream ends without the reason.
            Self::Follow(sender) => drop(sender.try_send(Err(problem))),
        }
    }
}

/// A task of its own, so that a call whose future is dropped cannot leave half a line.
async fn write_requests(mut write: OwnedWriteHalf, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if write.write_all(&line).await.is_err() {
            return; // The daemon may have said why it closed: the reader knows.
        }
    }
}

async fn read_answers(read: OwnedReadHalf, waiting: Arc<Waiting>) {
    let mut lines = Lines::new(BufReader::new(read), MAX_ANSWER_BYTES);
    let problem = loop {
        let line = match lines.next().await {
            Ok(Some(Line::Whole(line))) => line,
            Ok(Some(Line::TooLong)) => break too_long(MAX_ANSWER_BYTES),
            Ok(None) => break connection_lost(None),
            Err(error) => break connection_lost(Some(&error)),
        };
        match read_line(&line) {
            Ok(Answer { id: Some(id), body }) => waiting.deliver(id, body).await,
            Ok(Answer {
                id: None,
                body: Body::Error(problem),
            })
            | Err(problem) => break problem,
            Ok(Answer { id: None, .. }) => {}
        }
    };
    waiting.end(problem);
}

/// A daemon's answer as what the call is documented to answer.
///
/// # Errors
/// If it has another form, as a daemon of another release may give it.
pub fn read_answer<T: DeserializeOwned>(value: Value) -> Result<T, Problem> {
    serde_json::from_value(value).map_err(|error| {
        let message = format!("the daemon's answer has not the form that this command knows: {error}");
        Problem::new(ProblemKind::Internal, "daemon.answer_unknown", message)
            .hint("the daemon may be of another release: compare `kora version` with `kora status --json`")
    })
}

pub(super) fn unreachable(path: &Path, error: &io::Error) -> Problem {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Problem::new(
            ProblemKind::Unavailable,
            "daemon.not_running",
            format!("no daemon runs in this home: nobody answers on `{shown}`"),
        )
        .hint("start one with `kora daemon`, or name its home with `--home DIR`"),
        io::ErrorKind::PermissionDenied => Problem::new(
            ProblemKind::Denied,
            "daemon.forbidden",
            format!("the system does not let this user talk to the daemon on `{shown}`"),
        )
        .hint("run the command as the user that runs the daemon"),
        io::ErrorKind::WouldBlock => Problem::new(
            ProblemKind::Unavailable,
            "daemon.busy",
            format!("the daemon on `{shown}` accepts no connection now"),
        )
        .hint("try again in a moment"),
        _ => Problem::new(
            ProblemKind::Unavailable,
            "daemon.unreachable",
            format!("the daemon cannot be reached on `{shown}`: {error}"),
        ),
    }
}

pub(super) fn connection_lost(error: Option<&io::Error>) -> Problem {
    let cause = error.map_or_else(String::new, |error| format!(": {error}"));
    let message = format!(
        "the daemon closed the connection before it answered{cause}; whether the call took effect is not known"
    );
    Problem::new(ProblemKind::Unavailable, "daemon.connection_lost", message)
        .hint("see with `kora status` whether it still runs, and with `kora events tail` what happened")
}
