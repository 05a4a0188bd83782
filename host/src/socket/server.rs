//! Accepting on the control socket: who may speak, how many at a time, and how it ends. What a connection says is read in
//! `connection`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use tokio::{
    io::AsyncWriteExt as _,
    net::UnixStream,
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    ControlSocket, Conversation, DRAIN, MAX_CONNECTIONS,
    connection::{self, Shared},
    protocol::Answer,
};
use crate::service::{
    Problem, ProblemKind,
    api::{Call, Event, LogRecord, ServeMcp, TailEvents, TailLogs},
};

/// The system has no descriptors left, or the like: it passes, and trying at once would only burn time.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long a peer that is turned away may take to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// Who answers. A call runs to its end even if the one who asked has gone.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers `call` as the operator with this uid.
    async fn call(&self, operator_uid: u32, call: Call) -> Result<Value, Problem>;

    /// The events that `tail` asks for, in order, then those that are appended from now on, without a gap: after a place all of
    /// them, else as many of the newest as the limit says. The stream ends when either side drops its half.
    async fn follow(&self, operator_uid: u32, tail: TailEvents) -> Result<mpsc::Receiver<Event>, Problem>;

    /// The records of the log that `tail` asks for, then those that are logged from now on. The stream ends when either side drops its
    /// half.
    async fn follow_logs(
        &self,
        operator_uid: u32,
        tail: TailLogs,
    ) -> Result<mpsc::Receiver<LogRecord>, Problem>;

    /// What goes on over a connection that is handed over. It is begun once nothing else is under way on the connection, ends when it
    /// likes, and soon after what it reads has ended.
    async fn converse(&self, operator_uid: u32, serve: ServeMcp) -> Result<Conversation, Problem>;
}

/// Whose uid may speak.
#[derive(Debug, Clone)]
pub(super) struct Operators(pub Vec<u32>);

impl Operators {
    /// The daemon's own user, and root, who could be that user anyway.
    fn of_this_process() -> Self {
        Self(vec![rustix::process::geteuid().as_raw(), 0])
    }

    fn contain(&self, uid: u32) -> bool {
        self.0.contains(&uid)
    }
}

impl ControlSocket {
    /// Answers until `stop`. Then nobody new is accepted, streams end, and calls under way have 10 seconds to end and be
    /// answered; what is left then is dropped.
    pub async fn serve<H: Handler>(self, handler: Arc<H>, stop: CancellationToken) {
        self.serve_for(Operators::of_this_process(), handler, stop).await;
    }

    pub(super) async fn serve_for<H: Handler>(
        self,
        operators: Operators,
        handler: Arc<H>,
        stop: CancellationToken,
    ) {
        let mut connections = JoinSet::new();
        let shared = Arc::new(Shared {
            handler,
            stop: stop.clone(),
        });
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = connections.join_next() => note_end(ended),
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let full = connections.len() >= MAX_CONNECTIONS;
                        match admit(&stream, &operators, full) {
                            Ok(uid) => drop(connections.spawn(connection::run(stream, uid, Arc::clone(&shared)))),
                            Err(problem) => drop(tokio::spawn(turn_away(stream, problem))),
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the control socket could not accept a connection");
                        sleep(ACCEPT_RETRY).await;
                    }
                },
            }
        }
        drop(self); // The file goes first: who comes now learns that no daemon runs.
        drain(connections).await;
    }
}

fn admit(stream: &UnixStream, operators: &Operators, full: bool) -> Result<u32, Problem> {
    let uid = stream.peer_cred().map(|peer| peer.uid()).map_err(|error| {
        let message = format!("the system does not say who you are: {error}");
        Problem::new(ProblemKind::Denied, "socket.unknown_peer", message)
    })?;
    if !operators.contain(uid) {
        tracing::warn!(
            uid,
            "a user who is not the operator was turned away from the control socket"
        );
        let message = format!("expected the user that runs the daemon, or root; found uid {uid}");
        return Err(Problem::new(ProblemKind::Denied, "socket.denied", message)
            .hint("run the command as the user that runs the daemon"));
    }
    if full {
        let message = format!("{MAX_CONNECTIONS} connections to the daemon are open, which is the limit");
        return Err(Problem::new(ProblemKind::Unavailable, "socket.busy", message)
            .hint("end a command that is still connected, such as `kora events tail --follow`"));
    }
    Ok(uid)
}

async fn turn_away(mut stream: UnixStream, problem: Problem) {
    let line = Answer::error(None, problem).to_line();
    // Whoever does not read it has not asked to know.
    let _unread = timeout(FAREWELL, stream.write_all(&line)).await;
}

async fn drain(mut connections: JoinSet<()>) {
    let all = async {
        while let Some(ended) = connections.join_next().await {
            note_end(ended);
        }
    };
    if timeout(DRAIN, all).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            seconds = DRAIN.as_secs(),
            "calls over the control socket did not end in time and were dropped"
        );
        connections.shutdown().await;
    }
}

fn note_end(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection of the control socket ended with a fault");
    }
}
