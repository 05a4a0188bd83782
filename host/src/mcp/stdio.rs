//! The protocol over one stream of lines, as clients speak it to a process that they start.

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{handler::McpHandler, lines::Lines};

/// The stream did not come to be one of the protocol.
#[derive(Debug, thiserror::Error)]
#[error("the stream ended before it spoke the protocol: {0}")]
pub struct ServeStreamError(String);

/// Serves until the other side closes the stream. Dropping it ends it.
///
/// # Errors
/// If the other side does not speak the protocol.
pub fn serve_stream<R, W>(
    handler: McpHandler,
    read: R,
    write: W,
) -> BoxFuture<'static, Result<(), ServeStreamError>>
where
    R: AsyncRead + Send + Sync + Unpin + 'static,
    W: AsyncWrite + Send + Sync + Unpin + 'static,
{
    let failed = |error: &dyn std::fmt::Display| ServeStreamError(error.to_string());
    // In a box of its own: the compiler does not see through the whole of it that it may go from thread to thread.
    let starting: BoxFuture<'static, _> = Box::pin(rmcp::serve_server(handler, Lines::new(read, write)));
    Box::pin(async move {
        let running = starting.await.map_err(|error| failed(&error))?;
        let waiting: BoxFuture<'static, _> = Box::pin(running.waiting());
        waiting.await.map_err(|error| failed(&error))?;
        Ok(())
    })
}
