//! `kora__send_webhook_test_event`: a line in the log that looks like a webhook's, for trying what reads the log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Annotations, Context, HostTool, ToolFault, ToolKind};

/// Writing the line.
pub(super) struct SendWebhookTestEvent;

/// Whose webhook it is to look like.
#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Endpoint {
    Slack,
    Email,
}

/// A webhook that never came.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    endpoint: Endpoint,
    /// Only its keys are written.
    payload: Map<String, Value>,
}

/// What was written.
#[derive(Serialize, JsonSchema)]
pub(super) struct Sent {
    success: bool,
    endpoint: Endpoint,
    payload_keys: Vec<String>,
    /// The caller's label.
    caller_actor_kind: String,
    /// `dev`, `stg` or `prd`.
    deploy_env: String,
}

impl HostTool for SendWebhookTestEvent {
    const NAME: &'static str = "kora__send_webhook_test_event";
    const TITLE: &'static str = "Send a test event";
    const DESCRIPTION: &'static str =
        "Writes a line to the log as if a webhook had come. Refused in production.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    const DEV_ONLY: bool = true;
    const IS_OF_TENANT: bool = false;
    type Input = Event;
    type Output = Sent;

    async fn run(context: Context<'_>, input: Event) -> Result<Sent, ToolFault> {
        let mut payload_keys: Vec<String> = input.payload.keys().cloned().collect();
        payload_keys.sort();
        let endpoint = match input.endpoint {
            Endpoint::Slack => "slack",
            Endpoint::Email => "email",
        };
        tracing::info!(
            endpoint,
            keys = payload_keys.len(),
            "[kora.webhook.test_event] as if a webhook had come"
        );
        Ok(Sent {
            success: true,
            endpoint: input.endpoint,
            payload_keys,
            caller_actor_kind: context.caller_kind(),
            deploy_env: context.service.config.load().access.deploy_env.to_string(),
        })
    }
}
