//! The tool with which callers have somebody greeted.

use kora_plugin_api::{Host, Result, Tool, ToolCall, ToolResult, serde_json::json};
use serde::Deserialize;

use crate::settings::Settings;

pub fn greet_tool() -> Tool {
    Tool::new("greeter__greet", greet)
        .title("Greet somebody")
        .description("Makes a greeting for somebody, in the words of the tenant.")
        .input_schema(json!({
            "type": "object",
            "properties": {"whom": {"type": "string", "minLength": 1, "maxLength": 100}},
            "required": ["whom"],
            "additionalProperties": false,
        }))
        .output_schema(json!({
            "type": "object",
            "properties": {"greeting": {"type": "string"}},
            "required": ["greeting"],
        }))
        .read_only()
        .open_world(false)
}

#[derive(Deserialize)]
struct Whom {
    whom: String,
}

async fn greet(host: Host, call: ToolCall) -> Result<ToolResult> {
    let Whom { whom } = call.parse()?;
    let settings = Settings::of_tenant(&host.config(&call.tenant)?)?;
    if settings.greeting.is_empty() {
        return Ok(ToolResult::error("this tenant does not greet"));
    }
    let greeting = format!("{}, {whom}!", settings.greeting);
    ToolResult::json(json!({"greeting": greeting}))
}
