//! The original's JSON-RPC, from before it spoke the protocol: `tools/list` and `tools/call`, no handshake, no version.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    envelope::{Envelope, Malformed, NO_OBJECT},
    fault::{INTERNAL, code},
    handler::{McpHandler, is_input_required},
    params::PARAMS,
    shown,
};
use crate::service::tools::{Answer, Round, ToolFault};

const UNKNOWN_METHOD: &str = "unknown method: expected `tools/list` or `tools/call`; a client of MCP accepts `text/event-stream` too, or names its \
     revision in `MCP-Protocol-Version`";

const INPUT_REQUIRED: &str = "tool error: the tool asks for more (`input_required`) before it does anything, which a client of the \
     revision 2026-07-28 can answer; by bare JSON-RPC there is no way to";

/// What is answered, if anything is.
#[derive(Debug, Clone, PartialEq)]
pub enum BareAnswer {
    /// This.
    Json(Value),
    /// This, for what was sent is no request of the original's: nobody looked at what it asks for.
    Refused(Value),
    /// A notification is never answered.
    Nothing,
}

/// Whether a body is for the original's codes: one of its two methods and no version in `_meta`, or what is no request at all. The
/// headers were looked at before.
pub fn is_bare(envelope: Option<&Envelope<'_>>) -> bool {
    let method = envelope.and_then(Envelope::method);
    match method.as_deref() {
        None | Some("") => true,
        Some("tools/list" | "tools/call") => !envelope.is_some_and(Envelope::has_version),
        Some(_) => false,
    }
}

#[derive(Debug, Serialize)]
struct Fault {
    code: i32,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

impl Fault {
    fn new(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            data: None,
        }
    }
}

impl From<ToolFault> for Fault {
    fn from(fault: ToolFault) -> Self {
        Self {
            code: code(&fault),
            message: fault.to_string(),
            data: fault.data(),
        }
    }
}

/// Every tool that the caller could use, as `GET /mcp/tools/list` shows them.
pub fn listed(handler: &McpHandler) -> Value {
    let tools: Vec<Value> = handler
        .tools
        .list_for(&handler.by())
        .iter()
        .map(|spec| shown::bare_tool(spec))
        .collect();
    json!({ "tools": tools })
}

/// Answers a request of the original's.
pub async fn answer_bare(handler: &McpHandler, body: &[u8]) -> BareAnswer {
    let request: Value = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(_) => {
            let fault = Fault::new(-32700, "parse error: the body is not JSON");
            return BareAnswer::Refused(failed(Value::Null, fault));
        }
    };
    let Some(request) = request.as_object() else {
        let fault = Fault::new(-32600, NO_OBJECT);
        return BareAnswer::Refused(failed(Value::Null, fault));
    };
    let Some(id) = request.get("id").cloned() else {
        // Nothing is done for who does not want to know what came of it.
        return match request.get("method").is_some_and(Value::is_string) {
            true => BareAnswer::Nothing,
            false => BareAnswer::Refused(failed(Value::Null, no_method())),
        };
    };
    if !can_be_repeated(&id) {
        let malformed =
            Malformed::request("invalid request: `id` must be text, or a number of at most 64 bits");
        return BareAnswer::Refused(malformed.to_json());
    }
    match respond(handler, request).await {
        Ok(result) => BareAnswer::Json(json!({ "jsonrpc": "2.0", "id": id, "result": result })),
        Err(Stopped::ByTheGate(fault)) => BareAnswer::Json(failed(id, fault.into())),
        Err(Stopped::Asking(fault)) => BareAnswer::Json(failed(id, fault)),
        Err(Stopped::Before(fault)) => BareAnswer::Refused(failed(id, fault)),
    }
}

/// Whether an answer could say it as it was said: a number beyond what is read as one comes back as another.
fn can_be_repeated(id: &Value) -> bool {
    const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;
    match id {
        Value::Null | Value::String(_) => true,
        Value::Number(number) if number.is_f64() => {
            number.as_f64().is_some_and(|number| number.abs() < EXACT_BELOW)
        }
        Value::Number(_) => true,
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Where a request came to its end.
enum Stopped {
    /// Before anybody looked for a tool.
    Before(Fault),
    /// There, or behind it; it has been audited.
    ByTheGate(ToolFault),
    /// By a tool that needs to know something first; that has been audited too.
    Asking(Fault),
}

fn failed(id: Value, fault: Fault) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": fault })
}

async fn respond(handler: &McpHandler, request: &Map<String, Value>) -> Result<Value, Stopped> {
    match request.get("method").and_then(Value::as_str) {
        Some("tools/list") => Ok(listed(handler)),
        Some("tools/call") => call(handler, request.get("params")).await,
        Some(_) => Err(Stopped::Before(Fault::new(-32601, UNKNOWN_METHOD))),
        None => Err(Stopped::Before(no_method())),
    }
}

fn no_method() -> Fault {
    Fault::new(-32600, "invalid request: `method` is missing, or no text")
}

async fn call(handler: &McpHandler, params: Option<&Value>) -> Result<Value, Stopped> {
    let invalid = |what: &str| {
        Stopped::Before(Fault {
            data: Some(json!({ "code": PARAMS })),
            ..Fault::new(-32602, format!("invalid params: {what}"))
        })
    };
    let params = params.and_then(Value::as_object);
    let params = params.ok_or_else(|| invalid("`params` must be an object"))?;
    let name = params.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| invalid("`name` must be a text"))?;
    let arguments = match params.get("arguments") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(arguments)) => arguments.clone(),
        Some(_) => return Err(invalid("`arguments` must be an object")),
    };
    let answer = handler
        .tool(name, arguments, Round::default())
        .await
        .map_err(Stopped::ByTheGate)?;
    match answer {
        // Whoever speaks this cannot be asked back: there is no place for his answers.
        Answer::Result(result) if is_input_required(&result) => Err(Stopped::Asking(Fault {
            data: Some(json!({ "code": "plugin.input_required" })),
            ..Fault::new(INTERNAL, INPUT_REQUIRED)
        })),
        Answer::Output(output) => Ok(json!({ "content": [{ "type": "text", "text": output.to_string() }] })),
        Answer::Result(result) => Ok(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_bare(body: &[u8]) -> bool {
        super::is_bare(Envelope::read(body).ok().as_ref())
    }

    #[test]
    fn what_names_no_version_and_asks_for_one_of_the_two_methods_is_bare() {
        for body in [
            r#"{"method":"tools/list"}"#,
            r#" {"method":"tools\/call","params":{"name":"a","arguments":{"io.modelcontextprotocol/protocolVersion":1}}}"#,
            r#"{"method":"tools/call","params":[1]}"#,
        ] {
            assert!(is_bare(body.as_bytes()), "{body}");
        }
        let version = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        let of_protocol = format!(r#"{{"method":"tools/list","params":{{"_meta":{version}}}}}"#);
        assert!(!is_bare(of_protocol.as_bytes()));
        assert!(!is_bare(br#"{"method":"initialize","params":{}}"#));
    }

    #[test]
    fn what_is_no_request_is_answered_by_the_codes_of_the_original() {
        for body in [
            "",
            "{",
            "3",
            "[]",
            r#"[{"method":"initialize"}]"#,
            "[{},{}]",
            "[1,{},3]",
            "{}",
            r#"{"method":3}"#,
        ] {
            assert!(is_bare(body.as_bytes()), "{body}");
        }
    }
}
