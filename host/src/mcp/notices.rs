//! What a tool tells while it works, on its way to the client that called it.

#![expect(
    deprecated,
    reason = "messages of the log are gone from the revision of 2026; clients of those before hear of them"
)]

use std::future::Future;

use rmcp::{
    RoleServer,
    model::{
        LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken,
        ProtocolVersion,
    },
    service::RequestContext,
};
use tokio::sync::mpsc;

use super::handler::McpHandler;
use crate::service::tools::{CallNotice, LogNotice, ProgressNotice};

/// Notices that may wait; what finds no room is left out, for progress is worth nothing when it is late.
const QUEUE: usize = 64;

pub(super) fn channel() -> (mpsc::Sender<CallNotice>, mpsc::Receiver<CallNotice>) {
    mpsc::channel(QUEUE)
}

/// Waits for `call`, and meanwhile hands on what it tells.
pub(super) async fn while_forwarding<T>(
    handler: &McpHandler,
    context: &RequestContext<RoleServer>,
    mut told: mpsc::Receiver<CallNotice>,
    call: impl Future<Output = T>,
) -> T {
    tokio::pin!(call);
    loop {
        tokio::select! {
            // First what was told before it was done.
            biased;
            notice = told.recv() => match notice {
                Some(notice) => forward(handler, context, notice).await,
                None => return call.await,
            },
            done = &mut call => {
                while let Ok(notice) = told.try_recv() {
                    forward(handler, context, notice).await;
                }
                return done;
            }
        }
    }
}

/// A client that is gone hears nothing, and the call goes on.
async fn forward(handler: &McpHandler, context: &RequestContext<RoleServer>, notice: CallNotice) {
    let sent = match notice {
        CallNotice::Progress(progress) => match context.meta.get_progress_token() {
            // Without room for one more stream the answer comes alone: the call was begun, and what came of it is not to be lost.
            Some(token) if handler.may_stream() => {
                context.peer.notify_progress(progressed(token, progress)).await
            }
            _ => return,
        },
        // A client of the current revision is told what it asked for, and of the log nothing unless it did.
        CallNotice::Log(_) if is_current(context) && context.meta.log_level().is_none() => return,
        CallNotice::Log(_) if !handler.may_stream() => return,
        CallNotice::Log(log) => context.peer.notify_logging_message(logged(log)).await,
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "a notice of a tool did not reach its client");
    }
}

pub(super) fn is_current(context: &RequestContext<RoleServer>) -> bool {
    let version = context.protocol_version();
    version.is_some_and(|version| version.as_str() >= ProtocolVersion::V_2026_07_28.as_str())
}

fn progressed(token: ProgressToken, notice: ProgressNotice) -> ProgressNotificationParam {
    let mut param = ProgressNotificationParam::new(token, notice.progress);
    param.total = notice.total;
    param.message = notice.message;
    param
}

fn logged(notice: LogNotice) -> LoggingMessageNotificationParam {
    let level = serde_json::to_value(notice.level)
        .ok()
        .and_then(|level| serde_json::from_value(level).ok())
        .unwrap_or(LoggingLevel::Info);
    let mut param = LoggingMessageNotificationParam::new(level, notice.data);
    param.logger = notice.logger;
    param
}
