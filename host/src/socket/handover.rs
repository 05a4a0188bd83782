//! A connection that is handed over: from one answer on it carries another protocol's lines, and the socket reads them no more.
//!
//! ```text
//!   {"id":1,"method":"mcp.serve","params":{"caller":"pm"}}     request
//!   {"id":1,"result":null}                                      its answer; an error instead, and nothing was handed over
//!   …                                                           lines of MCP, in both directions
//! ```

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::{
    MAX_REQUEST_BYTES,
    client::{connection_lost, unreachable},
    listener::check_length,
    protocol::{Body, read_line, request_line},
};
use crate::service::{
    Problem,
    api::{Call, ServeMcp},
};

/// What the peer says. It ends when the peer has said all, or when the host stops.
pub type PeerReader = Box<dyn AsyncRead + Send + Sync + Unpin>;
/// What the peer hears.
pub type PeerWriter = Box<dyn AsyncWrite + Send + Sync + Unpin>;
/// What goes on over a connection once it was handed over.
pub type Conversation = Box<dyn FnOnce(PeerReader, PeerWriter) -> BoxFuture<'static, ()> + Send>;

/// The host knows at once whether it lets somebody speak.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// A reader that ends once the host stops, so that what was begun is answered and nothing more is taken.
pub(super) struct UntilStopped<R> {
    reader: R,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<R> UntilStopped<R> {
    pub fn new(reader: R, stop: CancellationToken) -> Self {
        Self {
            reader,
            stopped: Box::pin(stop.cancelled_owned()),
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilStopped<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.stopped.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.reader).poll_read(context, buffer)
    }
}

/// Asks the daemon whose socket is at `path` to speak MCP. What the answer holds of the conversation already is in the reader's buffer.
/// Blocks.
///
/// # Errors
/// What the daemon has against it, or why it cannot be reached.
pub fn open_mcp(path: &Path, serve: ServeMcp) -> Result<(BufReader<UnixStream>, UnixStream), Problem> {
    check_length(path)?;
    let mut write = UnixStream::connect(path).map_err(|error| unreachable(path, &error))?;
    let lost = |error: io::Error| connection_lost(Some(&error));
    let mut read = BufReader::new(write.try_clone().map_err(lost)?);
    write
        .write_all(&request_line(1, &Call::McpServe(serve)))
        .map_err(lost)?;
    write.set_read_timeout(Some(ANSWER_DEADLINE)).map_err(lost)?;
    let mut line = Vec::new();
    let most = u64::try_from(MAX_REQUEST_BYTES).unwrap_or(u64::MAX);
    read.by_ref()
        .take(most)
        .read_until(b'\n', &mut line)
        .map_err(lost)?;
    write.set_read_timeout(None).map_err(lost)?;
    if line.is_empty() {
        return Err(connection_lost(None));
    }
    match read_line(&line)?.body {
        Body::Result(_) => Ok((read, write)),
        Body::Error(problem) => Err(problem),
        Body::Item(_) => Err(connection_lost(None)),
    }
}
