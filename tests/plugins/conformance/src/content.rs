//! Tools that answer at once, or with notices on the way.

use std::time::Duration;

use kora_plugin_api::{
    CallLogLevel, Content, Host, OfferKind, Registrar, Result, Tool, ToolCall, ToolResult,
    serde_json::{Value, json},
};

use crate::{
    Switch,
    media::{RED_PIXEL_PNG, SILENCE_WAV},
};

/// Between two notices.
const STEP: Duration = Duration::from_millis(50);

static DYNAMIC_TOOL: Switch = Switch::on();
static DYNAMIC_PROMPT: Switch = Switch::on();

pub fn register(registrar: &mut Registrar<'_>) -> Result {
    let fixed = |name: &str, about: &str, result: ToolResult| {
        let answer = move |_: Host, _: ToolCall| {
            let result = result.clone();
            async move { Ok(result) }
        };
        Tool::new(name, answer)
            .description(about)
            .read_only()
            .open_world(false)
    };
    let png = || Content::image(RED_PIXEL_PNG, "image/png");
    registrar.tool(fixed(
        "test_simple_text",
        "Answers a text",
        ToolResult::text("This is a simple text response for testing."),
    ))?;
    registrar.tool(fixed(
        "test_image_content",
        "Answers a picture",
        ToolResult::new().with(png()),
    ))?;
    let wav = Content::audio(SILENCE_WAV, "audio/wav");
    registrar.tool(fixed(
        "test_audio_content",
        "Answers a sound",
        ToolResult::new().with(wav),
    ))?;
    let embedded = Content::resource(
        "test://embedded-resource",
        "text/plain",
        "This is an embedded resource content.",
    );
    registrar.tool(fixed(
        "test_embedded_resource",
        "Answers a resource with its content",
        ToolResult::new().with(embedded),
    ))?;
    let mixed = Content::resource(
        "test://mixed-content-resource",
        "application/json",
        r#"{"test":"data","value":123}"#,
    );
    registrar.tool(fixed(
        "test_multiple_content_types",
        "Answers a text, a picture and a resource",
        ToolResult::text("Multiple content types test:")
            .with(png())
            .with(mixed),
    ))?;
    registrar.tool(fixed(
        "test_error_handling",
        "Answers an error",
        ToolResult::error("This tool intentionally returns an error for testing"),
    ))?;
    registrar.tool(
        fixed(
            "test_structured_content",
            "Answers data",
            ToolResult::new().structured(json!({"temperature": 22.5, "unit": "celsius"})),
        )
        .output_schema(json!({
            "type": "object",
            "properties": {"temperature": {"type": "number"}, "unit": {"type": "string"}},
            "required": ["temperature", "unit"],
        })),
    )?;
    registrar.tool(fixed(
        "test_dynamic_tool",
        "Is listed now and then",
        ToolResult::text("here"),
    ))?;
    register_notices(registrar)?;
    register_schemas(registrar)?;
    register_triggers(registrar)
}

fn register_notices(registrar: &mut Registrar<'_>) -> Result {
    registrar.tool(
        Tool::new("test_tool_with_progress", |_: Host, call: ToolCall| async move {
            for progress in [0.0, 50.0, 100.0] {
                call.progress(progress, Some(100.0), "")?;
                tokio::time::sleep(STEP).await;
            }
            Ok(ToolResult::text("Progress was told."))
        })
        .description("Tells how far it is")
        .read_only(),
    )?;
    for name in ["test_tool_with_logging", "test_logging_tool"] {
        registrar.tool(
            Tool::new(name, |_: Host, call: ToolCall| async move {
                for message in [
                    "Tool execution started",
                    "Tool processing data",
                    "Tool execution completed",
                ] {
                    call.log(CallLogLevel::Info, message)?;
                    tokio::time::sleep(STEP).await;
                }
                Ok(ToolResult::text("Messages were sent."))
            })
            .description("Sends messages while it works")
            .read_only(),
        )?;
    }
    Ok(())
}

fn register_schemas(registrar: &mut Registrar<'_>) -> Result {
    let echo = |_: Host, call: ToolCall| async move {
        Ok(ToolResult::text(format!(
            "Arguments: {}",
            Value::Object(call.arguments)
        )))
    };
    registrar.tool(
        Tool::new("json_schema_2020_12_tool", echo)
            .description("Tool with JSON Schema 2020-12 features")
            .read_only()
            .input_schema(json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "$defs": {
                    "address": {
                        "$anchor": "addressDef",
                        "type": "object",
                        "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
                    },
                },
                "properties": {
                    "name": {"type": "string"},
                    "address": {"$ref": "#/$defs/address"},
                    "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                    "phone": {"type": "string"},
                    "email": {"type": "string"},
                },
                "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
                "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
                "then": {"required": ["phone"]},
                "else": {"required": ["email"]},
                "additionalProperties": false,
            })),
    )?;
    registrar.tool(
        Tool::new("test_custom_headers", echo)
            .description("Has an argument that stands in a header as well")
            .read_only()
            .input_schema(json!({
                "type": "object",
                "properties": {
                    "region": {"type": "string", "x-mcp-header": "Region"},
                    "query": {"type": "string"},
                },
                "required": ["region"],
                "additionalProperties": false,
            })),
    )
}

fn register_triggers(registrar: &mut Registrar<'_>) -> Result {
    registrar.tool(
        Tool::new("test_trigger_tool_change", |host: Host, _: ToolCall| async move {
            DYNAMIC_TOOL.turn(host, OfferKind::Tool, "test_dynamic_tool")?;
            Ok(ToolResult::text("The list of tools has changed."))
        })
        .description("Shows or hides `test_dynamic_tool`"),
    )?;
    registrar.tool(
        Tool::new(
            "test_trigger_prompt_change",
            |host: Host, _: ToolCall| async move {
                DYNAMIC_PROMPT.turn(host, OfferKind::Prompt, "test_dynamic_prompt")?;
                Ok(ToolResult::text("The list of prompts has changed."))
            },
        )
        .description("Shows or hides `test_dynamic_prompt`"),
    )
}
