//! Prompts: who speaks for each tenant, in his own words.

use rmcp::{
    ErrorData,
    model::{GetPromptResult, Prompt, PromptMessage, Role},
};
use serde_json::{Map, Value};

use super::{fault, handler::McpHandler};
use crate::service::tools::Wanted;

/// What the name of such a prompt begins with; the tenant follows.
const IDENTITY: &str = "identity:";

/// One for each tenant that the caller may know of.
pub(super) fn list(handler: &McpHandler) -> Vec<Prompt> {
    let speaking = handler.service.seen_tenants(&handler.by());
    let prompt = |tenant: crate::domain::TenantId| {
        let description = format!("Who speaks for `{tenant}` now.");
        Prompt::new(format!("{IDENTITY}{tenant}"), Some(description), None)
    };
    speaking.into_iter().map(prompt).collect()
}

/// The words of a tenant's identity, through the gate of the tool that shows it.
pub(super) async fn get(handler: &McpHandler, name: &str) -> Result<GetPromptResult, ErrorData> {
    let Some(tenant) = name.strip_prefix(IDENTITY) else {
        let why = handler.unread(Wanted::Prompt(name));
        handler.note_asked_for("prompt", why).await;
        return Err(ErrorData::invalid_params(
            "there is no such prompt: `prompts/list` shows those there are",
            Some(serde_json::json!({ "code": "prompt.unknown" })),
        ));
    };
    let mut arguments = Map::new();
    arguments.insert("workspace_id".to_owned(), tenant.into());
    let identity = handler
        .own_tool("kora__get_identity", arguments)
        .await
        .map_err(|fault| fault::error(&fault))?;
    let text = |key: &str| {
        let text = identity["snapshot"][key].as_str().unwrap_or_default();
        text.to_owned()
    };
    let messages = [text("system_prompt"), text("soul_md")]
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| PromptMessage::new_text(Role::User, text));
    let described = |key: &str| {
        identity
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let description = format!("{} {}", described("agent_name"), described("agent_version"));
    Ok(GetPromptResult::new(messages.collect()).with_description(description))
}
