//! Webhooks: requests that strangers send.

use std::{fmt, future::Future, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Host, Result,
    tool::{Answering, milliseconds},
};

/// What came. Nothing of it was checked but its size: whether it is what it pretends to be is the handler's to find out.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct WebhookRequest {
    /// The webhook.
    pub webhook: String,
    /// Those headers that [`Webhook::headers`] names, their names in lower case, in the order in which they were sent.
    pub headers: Vec<(String, String)>,
    /// When it came: microseconds since 1970 UTC.
    pub received_at_us: i64,
    /// The sender's address, its last part masked.
    pub peer: String,
    /// What was sent, to the byte.
    #[serde(skip)]
    pub body: Vec<u8>,
}

/// Without values of headers and without the body, which may hold secrets.
impl fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().map(|(name, _)| name);
        f.debug_struct("WebhookRequest")
            .field("webhook", &self.webhook)
            .field("peer", &self.peer)
            .field("headers", &headers.collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl WebhookRequest {
    /// The first header of that name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What becomes of what came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhookAnswer {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl WebhookAnswer {
    /// The plugin took it.
    pub fn accepted() -> Self {
        Self::of("accepted")
    }

    /// The sender wants proof that the address is ours: the body goes back to it.
    pub fn challenge(body: impl Into<String>) -> Self {
        Self::of("challenge").body("text/plain", body)
    }

    /// It is not what it pretends to be, or not wanted. `reason` is one word of `[a-z0-9_]` for the operator; the sender is not told.
    pub fn rejected(reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..Self::of("rejected")
        }
    }

    /// The HTTP status: 200–299, or 400–599 for what is rejected. The host's choice unless said.
    #[must_use]
    pub fn http_status(mut self, status: u16) -> Self {
        self.http_status = Some(status);
        self
    }

    /// What the sender is sent.
    #[must_use]
    pub fn body(mut self, content_type: impl Into<String>, body: impl Into<String>) -> Self {
        self.content_type = Some(content_type.into());
        self.body = Some(body.into());
        self
    }

    fn of(status: &'static str) -> Self {
        Self {
            status,
            http_status: None,
            content_type: None,
            body: None,
            reason: None,
        }
    }
}

/// Takes what comes to a webhook. An `async fn(Host, WebhookRequest) -> Result<WebhookAnswer>` or such a closure is one as well.
///
/// The sender waits: answer soon, and do what takes long afterwards, in a daemon.
pub trait WebhookHandler: Send + Sync + 'static {
    /// Takes one request, or rejects it. After an error the sender may send it again.
    fn receive(
        &self,
        host: &Host,
        request: WebhookRequest,
    ) -> impl Future<Output = Result<WebhookAnswer>> + Send;
}

impl<F, Fut> WebhookHandler for F
where
    F: Fn(Host, WebhookRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<WebhookAnswer>> + Send,
{
    fn receive(
        &self,
        host: &Host,
        request: WebhookRequest,
    ) -> impl Future<Output = Result<WebhookAnswer>> + Send {
        self(*host, request)
    }
}

/// A webhook: who takes what comes, and how much that may be.
pub struct Webhook {
    pub(crate) name: String,
    pub(crate) handler: Box<dyn ErasedWebhook>,
    pub(crate) description: Value,
}

impl Webhook {
    /// The webhook `name` of this plugin, which is the last part of its path.
    pub fn new(name: impl Into<String>, handler: impl WebhookHandler) -> Self {
        let name = name.into();
        let description = json!({"name": name, "headers": [], "max_body_bytes": null, "timeout_ms": null});
        Self {
            name,
            handler: Box::new(handler),
            description,
        }
    }

    /// Which headers the handler is told of, in lower case. None unless said.
    #[must_use]
    pub fn headers(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.description["headers"] = names.into();
        self
    }

    /// The largest body, 16 MiB at most. 1 MiB unless said.
    #[must_use]
    pub fn max_body_bytes(mut self, bytes: u64) -> Self {
        self.description["max_body_bytes"] = bytes.into();
        self
    }

    /// How long an answer may take, a minute at most. 10 s unless said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.description["timeout_ms"] = milliseconds(timeout).into();
        self
    }
}

/// [`WebhookHandler`] with boxed futures.
pub(crate) trait ErasedWebhook: Send + Sync {
    fn receive<'a>(&'a self, host: &'a Host, request: WebhookRequest) -> Answering<'a, WebhookAnswer>;
}

impl<H: WebhookHandler> ErasedWebhook for H {
    fn receive<'a>(&'a self, host: &'a Host, request: WebhookRequest) -> Answering<'a, WebhookAnswer> {
        Box::pin(WebhookHandler::receive(self, host, request))
    }
}
