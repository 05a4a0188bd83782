//! Tools that misbehave in calls, each in its way; of the mode `tools`, with a manifest that lists them.

use std::time::Duration;

use kora_plugin_api::{
    Content, Host, PluginError, Registrar, Result, Tool, ToolCall, ToolResult, Webhook, WebhookRequest,
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
    registrar.tool(Tool::new(
        "misbehave__foreign_call",
        |host: Host, call: ToolCall| async move {
            // A tool that calls one: what the host answers is told.
            let answer = host
                .call_tool(&call.tenant, "somebody__else", &call.arguments)
                .await;
            Ok(ToolResult::text(format!("{answer:?}")))
        },
    ))?;
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
