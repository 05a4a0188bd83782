//! The protocol over one stream of lines, as clients speak it to a process that they start.

use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use rmcp::{
    ErrorData, RoleServer, Service,
    model::{ClientRequest, ErrorCode, ProtocolVersion},
    service::{NotificationContext, RequestContext, ServiceRole},
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    fault::RATE_LIMITED,
    handler::{Asker, McpHandler},
    lines::Lines,
};
use crate::access::Principal;

/// Who says how often a caller may ask, and notes what is turned away before anybody looks at what it asks for.
#[async_trait]
pub trait Admission: Send + Sync + 'static {
    /// Whether it may ask once more. Whoever is refused is noted.
    async fn admit(&self, by: &Principal) -> bool;

    /// Notes what is no request, or not as the method takes it.
    async fn note_malformed(&self, by: &Principal);
}

/// Who speaks on a stream, and who keeps count of it.
#[derive(Clone)]
pub(super) struct Door {
    pub by: Asker,
    pub admission: Arc<dyn Admission>,
}

/// The stream did not come to be one of the protocol.
#[derive(Debug, thiserror::Error)]
#[error("the stream ended before it spoke the protocol: {0}")]
pub struct ServeStreamError(String);

/// Serves until the other side closes the stream, as often as `admission` allows it to ask. Dropping it ends it.
///
/// # Errors
/// If the other side does not speak the protocol.
pub fn serve_stream<R, W>(
    handler: McpHandler,
    admission: Arc<dyn Admission>,
    read: R,
    write: W,
) -> BoxFuture<'static, Result<(), ServeStreamError>>
where
    R: AsyncRead + Send + Sync + Unpin + 'static,
    W: AsyncWrite + Send + Sync + Unpin + 'static,
{
    let failed = |error: &dyn std::fmt::Display| ServeStreamError(error.to_string());
    // In a box of its own: the compiler does not see through the whole of it that it may go from thread to thread.
    let door = Door {
        by: handler.asker(),
        admission,
    };
    let lines = Lines::new(read, write, door.clone());
    let limited = Limited {
        handler,
        door,
        has_begun: AtomicBool::new(false),
    };
    let starting: BoxFuture<'static, _> = Box::pin(rmcp::serve_server(limited, lines));
    Box::pin(async move {
        let running = starting.await.map_err(|error| failed(&error))?;
        let waiting: BoxFuture<'static, _> = Box::pin(running.waiting());
        waiting.await.map_err(|error| failed(&error))?;
        Ok(())
    })
}

/// Answers what it may, and refuses what comes too often.
struct Limited {
    handler: McpHandler,
    door: Door,
    /// Whether there was a handshake.
    has_begun: AtomicBool,
}

impl Service<RoleServer> for Limited {
    async fn handle_request(
        &self,
        request: <RoleServer as ServiceRole>::PeerReq,
        context: RequestContext<RoleServer>,
    ) -> Result<<RoleServer as ServiceRole>::Resp, ErrorData> {
        let is_admitted = self.door.admission.admit(&self.handler.by()).await;
        // A handshake counts, and is answered: if it were refused, the conversation would be over before the client could wait.
        let is_handshake =
            matches!(request, ClientRequest::InitializeRequest(_)) && !self.has_begun.swap(true, Relaxed);
        if !is_admitted && !is_handshake {
            return Err(ErrorData::new(ErrorCode(RATE_LIMITED.0), RATE_LIMITED.1, None));
        }
        self.handler.handle_request(request, context).await
    }

    async fn handle_notification(
        &self,
        notification: <RoleServer as ServiceRole>::PeerNot,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.handler.handle_notification(notification, context).await
    }

    fn get_info(&self) -> <RoleServer as ServiceRole>::Info {
        Service::get_info(&self.handler)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Service::supported_protocol_versions(&self.handler)
    }
}
