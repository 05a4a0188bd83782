//! Listening: connections up to a number, each with a time in which its request must arrive, ended in good order.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use super::{stalls::Impatient, webhooks::Peer};

/// After this, what is still under way when the host stops is dropped.
const DRAIN: Duration = Duration::from_secs(3);
/// More threads than this are not needed to hold thousands of connections; what they ask for is done by others.
const THREADS_MAX: usize = 8;
/// How long a thread looks for the next request before it sleeps.
const AWAKE: Duration = Duration::from_micros(50);
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

    /// Serves until `stop`, then lets what is under way come to its end for a moment. Within the host's runtime.
    ///
    /// Each core has a thread with a runtime of its own, and a connection stays on the thread that it was given to: what belongs to one
    /// request is done one after the other there, and no other thread is woken for a piece of it, which would take longer than the
    /// piece. What was asked for is done on the host's runtime if it has to wait
    /// ([`Service::run_to_end`](crate::service::Service::run_to_end)), so a flood of requests leaves the host its own threads.
    ///
    /// # Errors
    /// If there can be no more threads or descriptors.
    pub fn serve(self, router: &Router, stop: &CancellationToken) -> io::Result<Serving> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut clerks = Vec::new();
        let mut ends = Vec::new();
        for _ in 0..cores.min(THREADS_MAX) {
            let (clerk, ended) = Clerk::start(router.clone(), self.options, stop.clone())?;
            clerks.push(clerk);
            ends.push(ended);
        }
        tokio::spawn(accept(self.listener, clerks, self.options, stop.clone()));
        Ok(Serving(ends))
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

/// A connection that was taken, not yet of any runtime.
struct Taken {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    place: Place,
}

/// Its place among all connections, and among those of its thread.
struct Place {
    of_thread: Arc<AtomicUsize>,
    _of_all: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of_thread.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thread that serves connections.
struct Clerk {
    connections: Arc<AtomicUsize>,
    taken: mpsc::UnboundedSender<Taken>,
}

impl Clerk {
    fn start(
        router: Router,
        options: ServerOptions,
        stop: CancellationToken,
    ) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (taken, queue) = mpsc::unbounded_channel();
        let (ended, wait) = oneshot::channel();
        thread::Builder::new()
            .name("kora-http".to_owned())
            .spawn(move || {
                runtime.block_on(serve_all(queue, router, options, stop));
                runtime.shutdown_background();
                // Nobody waits if the host did not come up.
                let _ = ended.send(());
            })?;
        let connections = Arc::default();
        Ok((Self { connections, taken }, wait))
    }

    /// What is taken faster than it is begun is bounded by the most connections there may be.
    fn give(&self, stream: TcpStream, peer: SocketAddr, of_all: OwnedSemaphorePermit) -> io::Result<()> {
        let stream = stream.into_std()?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        let place = Place {
            of_thread: self.connections.clone(),
            _of_all: of_all,
        };
        let taken = Taken { stream, peer, place };
        self.taken
            .send(taken)
            .map_err(|_| io::Error::other("the thread that serves has ended"))
    }
}

/// Takes connections until `stop`, and gives each to the thread that has the fewest.
async fn accept(listener: TcpListener, clerks: Vec<Clerk>, options: ServerOptions, stop: CancellationToken) {
    let room = Arc::new(Semaphore::new(options.max_connections));
    loop {
        let free = tokio::select! {
            () = stop.cancelled() => return,
            free = room.clone().acquire_owned() => free,
        };
        // It is never closed.
        let Ok(free) = free else { return };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let idlest = clerks
            .iter()
            .min_by_key(|clerk| clerk.connections.load(Ordering::Relaxed));
        let Some(clerk) = idlest else { return };
        if let Err(error) = accepted.and_then(|(stream, peer)| clerk.give(stream, peer, free)) {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Serves what it is given until nobody gives any more, then waits for the last ones for a moment.
async fn serve_all(
    mut queue: mpsc::UnboundedReceiver<Taken>,
    router: Router,
    options: ServerOptions,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    let answered = Arc::new(Notify::new());
    let awake = AbortOnDropHandle::new(tokio::spawn(stay_awake(answered.clone())));
    let router = router.layer(from_fn(move |request, next| {
        let answered = answered.clone();
        async move {
            let answer = check_head(request, next).await;
            answered.notify_one();
            answer
        }
    }));
    while let Some(Taken { stream, peer, place }) = queue.recv().await {
        let stream = match TcpStream::from_std(stream) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be served");
                continue;
            }
        };
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(async move {
            serve_connection(stream, Peer(peer), router, options, stop).await;
            drop(place);
        });
    }
    drop(awake);
    connections.close();
    // What does not end in time ends with the runtime.
    drop(tokio::time::timeout(DRAIN, connections.wait()).await);
}

/// Keeps a thread from sleeping for a moment after each answer. Whoever makes one call after the other sends the next at once, and to wake a
/// core that has gone to sleep takes as long as a good part of the call.
async fn stay_awake(answered: Arc<Notify>) {
    loop {
        answered.notified().await;
        let until = Instant::now() + AWAKE;
        while Instant::now() < until {
            tokio::task::yield_now().await;
        }
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
    peer: Peer,
    router: Router,
    options: ServerOptions,
    stop: CancellationToken,
) {
    // Small answers are not held back to be joined with later ones.
    drop(stream.set_nodelay(true));
    if let Err(error) = set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES) {
        tracing::debug!(%error, "a connection keeps the system's own buffer");
    }
    let router = TowerToHyperService::new(router);
    // By hand, since a layer would make all routes anew for each connection.
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.call(request)
    });
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
