//! Tools that misbehave in calls, each in its way; of the mode `tools`, with a manifest that lists them.

use std::time::Duration;

use kora_plugin_api::{
    Content, Host, PluginError, Registrar, Result, Tool, ToolCall, ToolResult, Webhook, WebhookRequest,
    serde_json::{Value, json},
    tracing,
};

/// Long enough for a test to see that nobody waits for more.
const DEADLINE: Duration = Duration::from_millis(500);

pub fn register(registrar: &mut Registrar<'_>) -> Result {
    registrar.tool(Tool::new("misbehave__fine", |_: Host, _: ToolCall| async {
        Ok(ToolResult::text("fine"))
    }))?;
    registrar.tool(Tool::new("misbehave__panic", panics))?;
    registrar.tool(Tool::new("misbehave__error", |_: Host, _: ToolCall| async {
        Err(PluginError::new("misbehaves on purpose in a tool"))
    }))?;
    registrar.tool(Tool::new("misbehave__invalid", |_: Host, _: ToolCall| async {
        Err(PluginError::invalid("the moon is not full"))
    }))?;
    registrar.tool(Tool::new("misbehave__hang", hangs).timeout(DEADLINE))?;
    registrar.tool(Tool::new("misbehave__spin", spins).timeout(DEADLINE))?;
    registrar.tool(Tool::new("misbehave__huge", |_: Host, _: ToolCall| async {
        Ok(ToolResult::new().with(Content::text("x".repeat(5 << 20))))
    }))?;
    let anything = json!({ "type": "object" });
    registrar.tool(Tool::new("misbehave__foreign_call", calls_another).input_schema(anything))?;
    registrar.webhook(Webhook::new("panic", |_: Host, _: WebhookRequest| async {
        panic!("misbehaves on purpose in a webhook")
    }))
}

async fn panics(_: Host, _: ToolCall) -> Result<ToolResult> {
    panic!("misbehaves on purpose in a tool")
}

async fn hangs(_: Host, _: ToolCall) -> Result<ToolResult> {
    struct Dropped;
    impl Drop for Dropped {
        fn drop(&mut self) {
            tracing::info!("the call was cancelled");
        }
    }
    let _dropped = Dropped;
    std::future::pending().await
}

async fn spins(_: Host, _: ToolCall) -> Result<ToolResult> {
    loop {
        std::hint::spin_loop();
    }
}

/// Calls a tool, and tells what the host answered: `{answer}`, or `{kind, error}`. `tool` and `arguments` say which and with what, and
/// `tenant` for whom; otherwise it is somebody else's, with what this one was called with, for the same tenant.
async fn calls_another(host: Host, call: ToolCall) -> Result<ToolResult> {
    let said = |key| call.arguments.get(key).and_then(Value::as_str);
    let tenant = said("tenant").unwrap_or(&call.tenant);
    let tool = said("tool").unwrap_or("somebody__else");
    let arguments = match call.arguments.get("arguments") {
        Some(Value::Object(arguments)) => arguments,
        _ => &call.arguments,
    };
    ToolResult::json(match host.call_tool(tenant, tool, arguments).await {
        Ok(answer) => json!({ "answer": answer }),
        Err(error) => json!({ "kind": format!("{:?}", error.kind()), "error": error.to_string() }),
    })
}
