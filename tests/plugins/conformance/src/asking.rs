//! Tools that ask back before they answer.

use kora_plugin_api::{
    Host, InputRequired, PluginError, Registrar, Result, Round, Tool, ToolCall, ToolResult,
    serde_json::{Value, json},
};

use crate::signed::{sign, verify};

pub fn register(registrar: &mut Registrar<'_>) -> Result {
    registrar.tool(
        tool("test_sampling", |call| {
            let prompt = call
                .arguments
                .get("prompt")
                .and_then(Value::as_str)
                .unwrap_or_default();
            Ok(match call.round.response("answer").and_then(said) {
                Some(said) => ToolResult::text(format!("LLM response: {said}")),
                None => InputRequired::new()
                    .sample("answer", user_says(prompt, 100))
                    .into(),
            })
        })
        .input_schema(one_text("prompt")),
    )?;
    registrar.tool(
        tool("test_elicitation", |call| {
            let message = call
                .arguments
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let schema = json!({
                "type": "object",
                "properties": {
                    "username": {"type": "string", "description": "User's response"},
                    "email": {"type": "string", "description": "User's email address"},
                },
                "required": ["username", "email"],
            });
            Ok(match call.round.response("user") {
                Some(answer) => ToolResult::text(format!("User response: {answer}")),
                None => InputRequired::new().elicit("user", message, schema).into(),
            })
        })
        .input_schema(one_text("message")),
    )?;
    registrar.tool(form("test_elicitation_sep1034_defaults", defaults))?;
    registrar.tool(form("test_elicitation_sep1330_enums", enums))?;
    registrar.tool(
        Tool::new(
            "test_streaming_elicitation",
            |_: Host, call: ToolCall| async move {
                call.progress(1.0, None, "before it asks")?;
                Ok(ask_for_name(&call.round))
            },
        )
        .description("Tells how far it is, then asks"),
    )?;
    registrar.tool(tool("test_missing_capability", |_| {
        Ok(InputRequired::new()
            .sample("answer", user_says("Say something", 10))
            .into())
    }))?;
    register_rounds(registrar)?;
    register_states(registrar)
}

fn register_rounds(registrar: &mut Registrar<'_>) -> Result {
    registrar.tool(tool("test_input_required_result_elicitation", |call| {
        Ok(ask_for_name(&call.round))
    }))?;
    registrar.tool(tool("test_input_required_result_sampling", |call| {
        let question = user_says("What is the capital of France?", 100);
        Ok(match call.round.response("capital_question").and_then(said) {
            Some(said) => ToolResult::text(said),
            None => InputRequired::new().sample("capital_question", question).into(),
        })
    }))?;
    registrar.tool(tool("test_input_required_result_list_roots", |call| {
        Ok(
            match call
                .round
                .response("client_roots")
                .and_then(|answer| answer.get("roots"))
            {
                Some(roots) => ToolResult::text(format!("Roots: {roots}")),
                None => InputRequired::new().ask_for_roots("client_roots").into(),
            },
        )
    }))?;
    registrar.tool(tool("test_input_required_result_capabilities", |call| {
        let mut input = InputRequired::new().state(sign("capabilities"));
        if call.round.can("elicitation") {
            input = input.elicit("confirm", "Please confirm", one_boolean("ok"));
        }
        if call.round.can("sampling") {
            input = input.sample("greeting", user_says("Generate a greeting", 50));
        }
        if call.round.can("roots") {
            input = input.ask_for_roots("client_roots");
        }
        Ok(if call.round.input_responses.is_some() {
            ToolResult::text("Thank you.")
        } else {
            input.into()
        })
    }))
}

fn register_states(registrar: &mut Registrar<'_>) -> Result {
    for name in [
        "test_input_required_result_request_state",
        "test_input_required_result_tampered_state",
    ] {
        registrar.tool(tool(name, |call| {
            let ask = InputRequired::new().elicit("confirm", "Please confirm", one_boolean("ok"));
            let state = state_of(&call.round)?;
            Ok(match call.round.response("confirm") {
                Some(_) if state == Some("asked") => ToolResult::text("state-ok"),
                _ => ask.state(sign("asked")).into(),
            })
        }))?;
    }
    registrar.tool(tool("test_input_required_result_multiple_inputs", |call| {
        let ask = InputRequired::new()
            .elicit("user_name", "What is your name?", one_text("name"))
            .sample("greeting", user_says("Generate a greeting", 50))
            .ask_for_roots("client_roots")
            .state(sign("asked"));
        let state = state_of(&call.round)?;
        let has_all = ["user_name", "greeting", "client_roots"]
            .iter()
            .all(|name| call.round.response(name).is_some());
        Ok(if has_all && state == Some("asked") {
            ToolResult::text("All three were answered.")
        } else {
            ask.into()
        })
    }))?;
    registrar.tool(tool("test_input_required_result_multi_round", |call| {
        let step = |name: &str, message: &str, key: &str, state: &str| {
            let ask = InputRequired::new().elicit(name, message, one_text(key));
            ToolResult::from(ask.state(sign(state)))
        };
        let round = &call.round;
        Ok(match state_of(round)? {
            Some("second") if round.response("step2").is_some() => ToolResult::text("Both were answered."),
            Some("first" | "second")
                if round.response("step1").is_some() || round.request_state.is_some() =>
            {
                step("step2", "Step 2: What is your favorite color?", "color", "second")
            }
            _ => step("step1", "Step 1: What is your name?", "name", "first"),
        })
    }))
}

/// A tool whose answer depends on the call alone.
fn tool(name: &str, answer: fn(&ToolCall) -> Result<ToolResult>) -> Tool {
    Tool::new(name, move |_: Host, call: ToolCall| async move { answer(&call) })
        .description("Asks back before it answers")
        .read_only()
}

/// A tool that has a form filled in and tells what was written.
fn form(name: &str, schema: fn() -> Value) -> Tool {
    let answer = move |_: Host, call: ToolCall| async move {
        Ok(match call.round.response("form") {
            Some(answer) => ToolResult::text(format!(
                "Elicitation completed: action={}, content={}",
                answer["action"].as_str().unwrap_or_default(),
                answer["content"]
            )),
            None => InputRequired::new()
                .elicit("form", "Please fill this in", schema())
                .into(),
        })
    };
    Tool::new(name, answer)
        .description("Has a form filled in")
        .read_only()
}

fn ask_for_name(round: &Round) -> ToolResult {
    let name = round
        .response("user_name")
        .and_then(|answer| answer["content"]["name"].as_str());
    match name {
        Some(name) => ToolResult::text(format!("Hello, {name}!")),
        None => InputRequired::new()
            .elicit("user_name", "What is your name?", one_text("name"))
            .into(),
    }
}

/// What came back, if anything did; an error for the client if somebody has changed it.
fn state_of(round: &Round) -> Result<Option<&str>> {
    let Some(signed) = &round.request_state else {
        return Ok(None);
    };
    let state = verify(signed);
    state
        .map(Some)
        .ok_or_else(|| PluginError::invalid("the request state was tampered with"))
}

/// The text of a model's answer.
fn said(answer: &Value) -> Option<String> {
    answer["content"]["text"].as_str().map(str::to_owned)
}

fn user_says(text: &str, most_tokens: u32) -> Value {
    json!({
        "messages": [{"role": "user", "content": {"type": "text", "text": text}}],
        "maxTokens": most_tokens,
    })
}

fn one_text(name: &str) -> Value {
    json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]})
}

fn one_boolean(name: &str) -> Value {
    json!({"type": "object", "properties": {name: {"type": "boolean"}}, "required": [name]})
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            "verified": {"type": "boolean", "default": true},
        },
        "required": [],
    })
}

fn enums() -> Value {
    let titled = |titles: [&str; 3]| -> Vec<Value> {
        let values = ["value1", "value2", "value3"].into_iter().zip(titles);
        values
            .map(|(value, title)| json!({"const": value, "title": title}))
            .collect()
    };
    let options = ["option1", "option2", "option3"];
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": {"type": "string", "enum": options},
            "titledSingle": {"type": "string", "oneOf": titled(["First Option", "Second Option", "Third Option"])},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
            "titledMulti": {
                "type": "array",
                "items": {"anyOf": titled(["First Choice", "Second Choice", "Third Choice"])},
            },
        },
        "required": [],
    })
}
