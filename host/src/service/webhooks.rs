//! Webhooks: handing what came from outside to the plugin that takes it.

use crate::plugin::{OfferError, WebhookAnswer, WebhookRequest, WebhookStatus};

use super::Service;

/// What came in.
#[derive(Debug, Clone)]
pub struct IncomingWebhook {
    /// Which plugin is to have it.
    pub plugin: String,
    /// Which of its webhooks.
    pub webhook: String,
    /// The headers, names in lower case; the plugin gets those that it asked for.
    pub headers: Vec<(String, String)>,
    /// What was sent, to the byte.
    pub body: Vec<u8>,
    /// The sender's address, its last part masked.
    pub peer: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WebhookOutcome {
    /// The plugin took it.
    Accepted(WebhookReply),
    /// The plugin turned it away, with one of its documented words.
    Rejected {
        /// The word.
        reason: String,
        /// What the sender gets.
        reply: WebhookReply,
    },
    /// The plugin did not come to an answer. The sender had better send it again.
    NotTaken {
        /// What sort of fault it was.
        kind: &'static str,
    },
}

/// What the sender gets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookReply {
    /// The status; absent: as it is usual for the outcome.
    pub status: Option<u16>,
    /// The body.
    pub body: Option<String>,
    /// Of the body.
    pub content_type: Option<String>,
}

impl Service {
    /// The largest body that a webhook takes; absent if there is no such webhook.
    pub fn webhook_max_bytes(&self, plugin: &str, webhook: &str) -> Option<u64> {
        let webhooks = self.plugins.webhooks();
        let found = webhooks
            .iter()
            .find(|offer| offer.plugin().name.as_str() == plugin && offer.descriptor().name == webhook);
        found.map(|offer| offer.descriptor().body_limit_bytes())
    }

    /// Hands one over.
    pub async fn receive_webhook(&self, incoming: IncomingWebhook) -> WebhookOutcome {
        let request = WebhookRequest {
            headers: incoming.headers,
            body: incoming.body,
            received_at_us: self.clock.now().as_micros(),
            peer: incoming.peer,
        };
        let answered = self
            .plugins
            .receive_webhook(&incoming.plugin, &incoming.webhook, request)
            .await;
        answered.map_or_else(|error| not_taken(&error), outcome)
    }
}

const fn not_taken(error: &OfferError) -> WebhookOutcome {
    WebhookOutcome::NotTaken { kind: error.kind() }
}

fn outcome(answer: WebhookAnswer) -> WebhookOutcome {
    let reply = WebhookReply {
        status: answer.http_status,
        body: answer.body,
        content_type: answer.content_type,
    };
    match (answer.status, answer.reason) {
        (WebhookStatus::Rejected, reason) => WebhookOutcome::Rejected {
            // What the registry lets through has one.
            reason: reason.unwrap_or_else(|| "rejected".to_owned()),
            reply,
        },
        (WebhookStatus::Accepted | WebhookStatus::Challenge, _) => WebhookOutcome::Accepted(reply),
    }
}
