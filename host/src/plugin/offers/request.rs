//! What a plugin is asked with. The rims fill it in; it crosses as JSON.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::TenantId;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferCaller {
    /// What kind of caller: the label of `callers.toml`, `operator`, `plugin`, `anonymous`.
    pub kind: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Its actor, if it has one.
    pub actor_id: Option<String>,
}

/// A call of a tool, the getting of a prompt, or the reading of a resource.
#[derive(Clone, PartialEq, Serialize)]
pub struct OfferRequest {
    /// A tool's arguments, which fit its schema; a prompt's, all of them texts; nothing for a resource, whose variables the registry
    /// fills in.
    pub arguments: Map<String, Value>,
    /// For whom. The plugin must act for it.
    pub tenant: TenantId,
    /// Who asks.
    pub caller: OfferCaller,
    /// What an MCP client said it can do; absent for callers that are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_capabilities: Option<Map<String, Value>>,
    /// The answers to what was asked back in the round before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_responses: Option<Map<String, Value>>,
    /// What the round before wanted back, as the client sent it: it may have been tampered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_state: Option<String>,
}

impl OfferRequest {
    /// A first round, of a caller that is no MCP client.
    pub fn new(tenant: TenantId, caller: OfferCaller, arguments: Map<String, Value>) -> Self {
        Self {
            arguments,
            tenant,
            caller,
            client_capabilities: None,
            input_responses: None,
            request_state: None,
        }
    }
}

/// What could stand here? Asked of a prompt's argument or a template's variable.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CompletionRequest {
    /// Which one.
    pub argument: CompletionArgument,
    /// Those that are known already.
    pub arguments: Map<String, Value>,
    /// For whom. The plugin must act for it.
    pub tenant: TenantId,
    /// Who asks.
    pub caller: OfferCaller,
}

/// The argument to be completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CompletionArgument {
    /// Its name.
    pub name: String,
    /// How it begins.
    pub value: String,
}

/// A request that came to the webhook port.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookRequest {
    /// All headers that were sent, names in lower case. The registry hands on those that the plugin asked for.
    pub headers: Vec<(String, String)>,
    /// What was sent, to the byte.
    pub body: Vec<u8>,
    /// When: microseconds since 1970 UTC.
    pub received_at_us: i64,
    /// The sender's address, its last part masked.
    pub peer: String,
}

// What callers and strangers send may hold secrets: neither arguments nor headers nor bodies are shown.

impl fmt::Debug for OfferRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfferRequest")
            .field("tenant", &self.tenant)
            .field("caller", &self.caller)
            .field("arguments", &self.arguments.keys())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WebhookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.iter().map(|(name, _)| name);
        f.debug_struct("WebhookRequest")
            .field("peer", &self.peer)
            .field("headers", &headers.collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_that_may_be_secret_is_shown() {
        let caller = OfferCaller {
            kind: "operator".to_owned(),
            name: None,
            actor_id: None,
        };
        let arguments = json!({"token": "hunter2"}).as_object().cloned().unwrap();
        let mut request = OfferRequest::new("acme".parse().unwrap(), caller, arguments);
        request.request_state = Some("hunter2".to_owned());
        let webhook = WebhookRequest {
            headers: vec![("authorization".to_owned(), "hunter2".to_owned())],
            body: b"hunter2".to_vec(),
            received_at_us: 0,
            peer: "192.0.2.x".to_owned(),
        };
        let shown = format!("{request:?} {webhook:?}");
        assert!(shown.contains("token") && shown.contains("authorization") && shown.contains("acme"));
        assert!(
            !shown.contains("hunter2") && !shown.contains("104, 117"),
            "{shown}"
        );
    }
}
