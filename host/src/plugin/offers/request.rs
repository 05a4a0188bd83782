//! What a plugin is asked with. The rims fill it in; it crosses as JSON.

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
#[derive(Debug, Clone, PartialEq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
