//! One connection: lines in, a task for each request, answers out. It ends when the peer has said all it wanted and has its
//! answers, or when the daemon stops.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use serde_json::Value;
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    MAX_CALLS_IN_FLIGHT, MAX_FOLLOWS, MAX_REQUEST_BYTES, OUTBOX_LINES,
    lines::{Line, Lines},
    protocol::{Answer, BadRequest, Request, read_request, too_long},
    server::Handler,
};
use crate::service::{
    Problem, ProblemKind,
    api::{Call, Event, TailEvents},
};

/// What all connections have in common.
pub(super) struct Shared<H> {
    pub handler: Arc<H>,
    pub stop: CancellationToken,
}

/// What the tasks of one connection have in common.
struct Connection<H> {
    operator_uid: u32,
    shared: Arc<Shared<H>>,
    outbox: mpsc::Sender<Vec<u8>>,
    /// The peer has gone or the daemon stops: streams end.
    ended: CancellationToken,
    calls: Arc<Semaphore>,
    follows: Arc<Semaphore>,
}

pub(super) async fn run<H: Handler>(stream: UnixStream, operator_uid: u32, shared: Arc<Shared<H>>) {
    let (read, write) = stream.into_split();
    let (outbox, lines) = mpsc::channel(OUTBOX_LINES);
    let mut tasks = JoinSet::new();
    let connection = Arc::new(Connection {
        operator_uid,
        ended: shared.stop.child_token(),
        shared,
        outbox,
        calls: Arc::new(Semaphore::new(MAX_CALLS_IN_FLIGHT)),
        follows: Arc::new(Semaphore::new(MAX_FOLLOWS)),
    });
    let writer = AbortOnDropHandle::new(tokio::spawn(write_lines(write, lines)));
    read_requests(&connection, read, &mut tasks).await;
    connection.ended.cancel();
    while tasks.join_next().await.is_some() {}
    drop(connection); // With it the last sender: the writer ends once it has written what waits.
    if let Err(error) = writer.await {
        tracing::error!(%error, "the answers of a connection could not be written");
    }
}

async fn read_requests<H: Handler>(
    connection: &Arc<Connection<H>>,
    read: OwnedReadHalf,
    tasks: &mut JoinSet<()>,
) {
    let mut lines = Lines::new(BufReader::new(read), MAX_REQUEST_BYTES);
    loop {
        let next = tokio::select! {
            biased;
            () = connection.ended.cancelled() => return,
            Some(_) = tasks.join_next() => continue,
            next = lines.next() => next,
        };
        let line = match next {
            Ok(Some(line)) => line,
            Ok(None) => return,
            Err(error) => return tracing::debug!(%error, "a connection of the control socket broke off"),
        };
        if Arc::clone(connection).take(line, tasks).await.is_none() {
            return;
        }
    }
}

impl<H: Handler> Connection<H> {
    /// Begins what the line asks for. `None` when the connection has ended.
    async fn take(self: Arc<Self>, line: Line, tasks: &mut JoinSet<()>) -> Option<()> {
        let request = match line {
            Line::Whole(bytes) if bytes.trim_ascii().is_empty() => return Some(()),
            Line::Whole(bytes) => read_request(&bytes),
            Line::TooLong => Err(BadRequest {
                id: None,
                problem: too_long(MAX_REQUEST_BYTES),
            }),
        };
        match request {
            Err(BadRequest { id, problem }) => self.send(&Answer::error(id, problem)).await,
            Ok(Request {
                id,
                call: Call::EventsTail(tail),
            }) if tail.follow => match Arc::clone(&self.follows).try_acquire_owned() {
                Ok(permit) => {
                    tasks.spawn(self.follow(id, tail, permit));
                    Some(())
                }
                Err(_) => self.send(&Answer::error(Some(id), too_many_follows())).await,
            },
            Ok(Request { id, call }) => {
                let permit = tokio::select! {
                    biased;
                    () = self.ended.cancelled() => return None,
                    permit = Arc::clone(&self.calls).acquire_owned() => permit.ok()?,
                };
                tasks.spawn(self.call(id, call, permit));
                Some(())
            }
        }
    }

    async fn call(self: Arc<Self>, id: u64, call: Call, _permit: OwnedSemaphorePermit) {
        let outcome = guarded(self.shared.handler.call(self.operator_uid, call)).await;
        // If nobody reads any more, the call was made all the same; its events tell of it.
        let _gone = self.send(&Answer::new(id, outcome)).await;
    }

    async fn follow(self: Arc<Self>, id: u64, tail: TailEvents, _permit: OwnedSemaphorePermit) {
        let following = guarded(self.shared.handler.follow(self.operator_uid, tail));
        let outcome = match self.unless_ended(following).await {
            Some(Ok(events)) => self.stream(id, events).await,
            Some(Err(problem)) => Err(problem),
            None => Ok(Value::Null),
        };
        let _gone = self.send(&Answer::new(id, outcome)).await;
    }

    async fn stream(&self, id: u64, mut events: mpsc::Receiver<Event>) -> Result<Value, Problem> {
        while let Some(event) = self.unless_ended(events.recv()).await.flatten() {
            let item = serde_json::to_value(&event).map_err(|error| unrenderable(&error))?;
            let sent = self.unless_ended(self.send(&Answer::item(id, item))).await;
            if sent.flatten().is_none() {
                break;
            }
        }
        Ok(Value::Null)
    }

    async fn unless_ended<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.ended.run_until_cancelled(future).await
    }

    /// Waits for room. `None` when nobody reads any more.
    async fn send(&self, answer: &Answer) -> Option<()> {
        self.outbox.send(answer.to_line()).await.ok()
    }
}

async fn write_lines(mut write: OwnedWriteHalf, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.recv().await {
        if let Err(error) = write.write_all(&line).await {
            // Returning closes the channel, which tells the senders.
            return tracing::debug!(%error, "the peer of the control socket has gone");
        }
    }
}

/// A fault of the handler is answered, so that the peer does not wait for ever.
async fn guarded<T>(answering: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    let mut answering = pin!(answering);
    std::future::poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(context)))
            .unwrap_or_else(|_| Poll::Ready(Err(handler_fault())))
    })
    .await
}

fn handler_fault() -> Problem {
    Problem::new(
        ProblemKind::Internal,
        "internal.fault",
        "the daemon has a fault: it could not finish the call",
    )
    .hint("its log names the place; please report it")
}

fn unrenderable(error: &serde_json::Error) -> Problem {
    Problem::new(
        ProblemKind::Internal,
        "internal.fault",
        format!("an event has no JSON form: {error}"),
    )
}

fn too_many_follows() -> Problem {
    let message = format!("{MAX_FOLLOWS} streams are open on this connection, which is the limit");
    Problem::new(ProblemKind::Unavailable, "socket.too_many_streams", message)
        .hint("close one, or open another connection")
}
