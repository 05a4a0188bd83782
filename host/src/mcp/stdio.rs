//! The protocol over one stream of lines, as clients speak it to a process that they start.

use tokio::io::{AsyncRead, AsyncWrite};

use super::handler::McpHandler;

/// The stream did not come to be one of the protocol.
#[derive(Debug, thiserror::Error)]
#[error("the stream ended before it spoke the protocol: {0}")]
pub struct ServeStreamError(String);

/// Serves until the other side closes the stream. Dropping it ends it.
///
/// # Errors
/// If the other side does not speak the protocol.
pub async fn serve_stream<R, W>(handler: McpHandler, read: R, write: W) -> Result<(), ServeStreamError>
where
    R: AsyncRead + Send + Sync + Unpin + 'static,
    W: AsyncWrite + Send + Sync + Unpin + 'static,
{
    let failed = |error: &dyn std::fmt::Display| ServeStreamError(error.to_string());
    let running = rmcp::serve_server(handler, (read, write))
        .await
        .map_err(|error| failed(&error))?;
    running.waiting().await.map_err(|error| failed(&error))?;
    Ok(())
}
