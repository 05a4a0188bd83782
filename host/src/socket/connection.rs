//! One connection: lines in, a task for each request, answers out. It ends when the peer has said all it wanted and has its
//! answers, or when the daemon stops.

use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use serde::Serialize;
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
    Conversation, MAX_CALLS_IN_FLIGHT, MAX_FOLLOWS, MAX_REQUEST_BYTES, OUTBOX_LINES,
    handover::UntilStopped,
    lines::{Line, Lines},
    protocol::{Answer, BadRequest, Request, read_request, too_long},
    server::Handler,
};
use crate::service::{
    Problem, ProblemKind,
    api::{Call, ServeMcp},
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
    let stop = shared.stop.clone();
    let (outbox, outgoing) = mpsc::channel(OUTBOX_LINES);
    let mut tasks = JoinSet::new();
    let connection = Arc::new(Connection {
        operator_uid,
        ended: shared.stop.child_token(),
        shared,
        outbox,
        calls: Arc::new(Semaphore::new(MAX_CALLS_IN_FLIGHT)),
        follows: Arc::new(Semaphore::new(MAX_FOLLOWS)),
    });
    let writer = AbortOnDropHandle::new(tokio::spawn(write_lines(write, outgoing)));
    let mut lines = Lines::new(BufReader::new(read), MAX_REQUEST_BYTES);
    let handed_over = read_requests(&connection, &mut lines, &mut tasks).await;
    connection.ended.cancel();
    while tasks.join_next().await.is_some() {}
    drop(connection); // With it the last sender: the writer ends once it has written what waits.
    match (writer.await, handed_over) {
        (Ok(Some(write)), Some(conversation)) => {
            let read = UntilStopped::new(lines.into_reader(), stop);
            conversation(Box::new(read), Box::new(write)).await;
        }
        (Ok(_), _) => {}
        (Err(error), _) => tracing::error!(%error, "the answers of a connection could not be written"),
    }
}

/// Why no more requests are read: the peer has gone or the daemon stops, or the connection was handed over.
type End = Option<Conversation>;

async fn read_requests<H: Handler>(
    connection: &Arc<Connection<H>>,
    lines: &mut Lines<BufReader<OwnedReadHalf>>,
    tasks: &mut JoinSet<()>,
) -> End {
    loop {
        let next = tokio::select! {
            biased;
            () = connection.ended.cancelled() => return None,
            Some(_) = tasks.join_next() => continue,
            next = lines.next() => next,
        };
        let line = match next {
            Ok(Some(line)) => line,
            Ok(None) => return None,
            Err(error) => {
                tracing::debug!(%error, "a connection of the control socket broke off");
                return None;
            }
        };
        if let ControlFlow::Break(end) = Arc::clone(connection).take(line, tasks).await {
            return end;
        }
    }
}

impl<H: Handler> Connection<H> {
    /// Begins what the line asks for.
    async fn take(self: Arc<Self>, line: Line, tasks: &mut JoinSet<()>) -> ControlFlow<End> {
        let request = match line {
            Line::Whole(bytes) if bytes.trim_ascii().is_empty() => return ControlFlow::Continue(()),
            Line::Whole(bytes) => read_request(&bytes),
            Line::TooLong => Err(BadRequest {
                id: None,
                problem: too_long(MAX_REQUEST_BYTES),
            }),
        };
        match request {
            Err(BadRequest { id, problem }) => self.reply(&Answer::error(id, problem)).await,
            Ok(Request {
                id,
                call: Call::McpServe(serve),
            }) => {
                while tasks.try_join_next().is_some() {}
                self.hand_over(id, serve, !tasks.is_empty()).await
            }
            Ok(Request { id, call }) if follows(&call) => {
                match Arc::clone(&self.follows).try_acquire_owned() {
                    Ok(permit) => {
                        tasks.spawn(self.follow(id, call, permit));
                        ControlFlow::Continue(())
                    }
                    Err(_) => self.reply(&Answer::error(Some(id), too_many_follows())).await,
                }
            }
            Ok(Request { id, call }) => {
                let permit = tokio::select! {
                    biased;
                    () = self.ended.cancelled() => return ControlFlow::Break(None),
                    permit = Arc::clone(&self.calls).acquire_owned() => permit,
                };
                let Ok(permit) = permit else {
                    return ControlFlow::Break(None);
                };
                tasks.spawn(self.call(id, call, permit));
                ControlFlow::Continue(())
            }
        }
    }

    /// Lets another protocol have the connection, if nothing else is under way on it: an answer would be a stranger there.
    async fn hand_over(&self, id: u64, serve: ServeMcp, is_busy: bool) -> ControlFlow<End> {
        if is_busy {
            return self.reply(&Answer::error(Some(id), busy())).await;
        }
        let agreed = guarded(self.shared.handler.converse(self.operator_uid, serve)).await;
        match agreed {
            Ok(conversation) => {
                let told = self.send(&Answer::new(id, Ok(Value::Null))).await;
                ControlFlow::Break(told.map(|()| conversation))
            }
            Err(problem) => self.reply(&Answer::error(Some(id), problem)).await,
        }
    }

    /// Answers a line, and goes on if somebody still reads.
    async fn reply(&self, answer: &Answer) -> ControlFlow<End> {
        match self.send(answer).await {
            Some(()) => ControlFlow::Continue(()),
            None => ControlFlow::Break(None),
        }
    }

    async fn call(self: Arc<Self>, id: u64, call: Call, _permit: OwnedSemaphorePermit) {
        let outcome = guarded(self.shared.handler.call(self.operator_uid, call)).await;
        // If nobody reads any more, the call was made all the same; its events tell of it.
        let _gone = self.send(&Answer::new(id, outcome)).await;
    }

    async fn follow(self: Arc<Self>, id: u64, call: Call, _permit: OwnedSemaphorePermit) {
        let (handler, uid) = (&self.shared.handler, self.operator_uid);
        let outcome = match call {
            Call::EventsTail(tail) => self.stream(id, handler.follow(uid, tail)).await,
            Call::LogsTail(tail) => self.stream(id, handler.follow_logs(uid, tail)).await,
            // `follows` lets no other through.
            _ => Ok(Value::Null),
        };
        let _gone = self.send(&Answer::new(id, outcome)).await;
    }

    async fn stream<T: Serialize>(
        &self,
        id: u64,
        following: impl Future<Output = Result<mpsc::Receiver<T>, Problem>>,
    ) -> Result<Value, Problem> {
        let Some(items) = self.unless_ended(guarded(following)).await else {
            return Ok(Value::Null);
        };
        let mut items = items?;
        while let Some(item) = self.unless_ended(items.recv()).await.flatten() {
            let item = serde_json::to_value(&item).map_err(|error| unrenderable(&error))?;
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

/// Whether a call brings one item after another, and does not end by itself.
const fn follows(call: &Call) -> bool {
    match call {
        Call::EventsTail(tail) => tail.follow,
        Call::LogsTail(tail) => tail.follow,
        _ => false,
    }
}

/// Answers the half that it wrote to, once there is nothing more to write; nothing if the peer has gone.
async fn write_lines(
    mut write: OwnedWriteHalf,
    mut lines: mpsc::Receiver<Vec<u8>>,
) -> Option<OwnedWriteHalf> {
    while let Some(line) = lines.recv().await {
        if let Err(error) = write.write_all(&line).await {
            // Returning closes the channel, which tells the senders.
            tracing::debug!(%error, "the peer of the control socket has gone");
            return None;
        }
    }
    Some(write)
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
        format!("an item has no JSON form: {error}"),
    )
}

fn busy() -> Problem {
    let message = "other calls are under way on this connection, which cannot be handed over meanwhile";
    Problem::new(ProblemKind::Conflict, "socket.in_use", message).hint("open another connection")
}

fn too_many_follows() -> Problem {
    let message = format!("{MAX_FOLLOWS} streams are open on this connection, which is the limit");
    Problem::new(ProblemKind::Unavailable, "socket.too_many_streams", message)
        .hint("close one, or open another connection")
}
