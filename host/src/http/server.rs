//! Listening: connections up to a number, each with a time in which its request must arrive, ended in good order.

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use axum::{
    Extension, Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{Semaphore, oneshot},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{stalls::Impatient, webhooks::Peer};

/// After this, what is still under way when the host stops is dropped.
const DRAIN: Duration = Duration::from_secs(3);
/// More threads than this are not needed to hold thousands of connections; what they ask for is done by others.
const THREADS_MAX: usize = 8;
/// When nothing can be accepted, for example because there are no more descriptors, this is waited before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What may wait in the system's memory for one client. Left to itself the system holds some megabytes for each that takes nothing.
const SEND_BUFFER_BYTES: usize = 128 * 1024;
/// The largest head: more than any request of ours needs. The transport reads no less than this and sometimes twice as much before it
/// refuses a head by itself, so what it lets through is measured once more.
const HEAD_MAX_BYTES: usize = 64 * 1024;

/// How it listens.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// Where.
    pub listen: SocketAddr,
    /// How long the head of a request may take to arrive.
    pub read_timeout: Duration,
    /// The most connections at once.
    pub max_connections: usize,
}

/// A port that is held.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    options: ServerOptions,
}

impl HttpServer {
    /// Takes the port. Nothing is answered before [`serve`](Self::serve).
    ///
    /// # Errors
    /// If it cannot be had.
    pub async fn bind(options: ServerOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        Ok(Self { listener, options })
    }

    /// Where it listens: the port that the system chose, where it was to choose.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, then lets what is under way come to its end for a moment.
    ///
    /// Each core has a thread with a runtime of its own, and a connection stays on the thread that took it: what belongs to one request is
    /// done one after the other there, and no other thread is woken for a piece of it, which would take longer than the piece. What was
    /// asked for is done on the host's runtime if it has to wait ([`Service::run_to_end`](crate::service::Service::run_to_end)), so a
    /// flood of requests leaves the host its own threads.
    ///
    /// # Errors
    /// If there can be no more threads or descriptors.
    pub fn serve(self, router: &Router, stop: &CancellationToken) -> io::Result<Serving> {
        let listener = self.listener.into_std()?;
        let room = Arc::new(Semaphore::new(self.options.max_connections));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..cores.min(THREADS_MAX)).map(|_| {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            let desk = Desk {
                listener: {
                    let _within = runtime.enter();
                    TcpListener::from_std(listener.try_clone()?)?
                },
                options: self.options,
                router: router.clone(),
                room: room.clone(),
                stop: stop.clone(),
            };
            let (ended, wait) = oneshot::channel();
            thread::Builder::new()
                .name("kora-http".to_owned())
                .spawn(move || {
                    runtime.block_on(desk.serve());
                    runtime.shutdown_background();
                    // Nobody waits if the host did not come up.
                    let _ = ended.send(());
                })?;
            Ok(wait)
        });
        Ok(Serving(threads.collect::<io::Result<_>>()?))
    }
}

/// Threads that serve, until they are told to stop.
#[derive(Debug)]
pub struct Serving(Vec<oneshot::Receiver<()>>);

impl Serving {
    /// Waits until all have ended, which they do only when they are told to stop.
    pub async fn ended(self) {
        for thread in self.0 {
            // One that panicked has ended.
            drop(thread.await);
        }
    }
}

/// What one thread serves with.
struct Desk {
    listener: TcpListener,
    options: ServerOptions,
    router: Router,
    room: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Desk {
    async fn serve(self) {
        let connections = TaskTracker::new();
        loop {
            let free = tokio::select! {
                () = self.stop.cancelled() => break,
                free = self.room.clone().acquire_owned() => free,
            };
            let accepted = tokio::select! {
                () = self.stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    let router = self
                        .router
                        .clone()
                        .layer(from_fn(check_head))
                        .layer(Extension(Peer(address)));
                    let (stop, options) = (self.stop.clone(), self.options);
                    connections.spawn(async move {
                        serve_connection(stream, router, options, stop).await;
                        drop(free);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Nobody is taken any more.
        drop(self.listener);
        connections.close();
        // What does not end in time ends with the runtime.
        drop(tokio::time::timeout(DRAIN, connections.wait()).await);
    }
}

/// Refuses a head that is too large as the transport does: without a body, and with the end of the connection.
async fn check_head(request: Request, next: Next) -> Response {
    if head_bytes(&request) <= HEAD_MAX_BYTES {
        return next.run(request).await;
    }
    let close = HeaderValue::from_static("close");
    let refused = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    (refused, [(header::CONNECTION, close)]).into_response()
}

/// How long the head was, to within a few bytes.
fn head_bytes(request: &Request) -> usize {
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    let fields = request.headers().iter();
    // `: ` and a line end for each.
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + 4);
    target + fields.sum::<usize>()
}

async fn serve_connection(
    stream: TcpStream,
    router: Router,
    options: ServerOptions,
    stop: CancellationToken,
) {
    // Small answers are not held back to be joined with later ones.
    drop(stream.set_nodelay(true));
    if let Err(error) = set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES) {
        tracing::debug!(%error, "a connection keeps the system's own buffer");
    }
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.read_timeout)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(Impatient::new(stream)), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(DRAIN, connection.as_mut()).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
