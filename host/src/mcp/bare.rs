//! The original's JSON-RPC, from before it spoke the protocol: `tools/list` and `tools/call`, no handshake, no version.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};

use super::{fault::code, handler::McpHandler, shown};
use crate::service::tools::{Answer, Round, ToolFault};

/// The key in `_meta` with which a request of the protocol names its version.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// What is answered, if anything is.
#[derive(Debug, Clone, PartialEq)]
pub enum BareAnswer {
    /// This.
    Json(Value),
    /// A notification is never answered.
    Nothing,
}

/// Enough of a request to tell what it is.
#[derive(Deserialize)]
struct Sniffed<'a> {
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

/// Whether a body is a request of the original's: one of its two methods, and no version in `_meta`. The headers were looked at before.
pub fn is_bare(body: &[u8]) -> bool {
    let Ok(sniffed) = serde_json::from_slice::<Sniffed<'_>>(body) else {
        // What is no object is answered by the original's codes, and so is what is no JSON.
        return true;
    };
    let method = sniffed.method.map(RawValue::get).unwrap_or_default();
    let has_version = sniffed
        .params
        .is_some_and(|params| params.get().contains(VERSION_KEY));
    matches!(method, "\"tools/list\"" | "\"tools/call\"") && !has_version
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

/// Every tool, as `GET /mcp/tools/list` shows them.
pub fn listed(handler: &McpHandler) -> Value {
    let tools: Vec<Value> = handler
        .tools
        .list()
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
            return failed(
                Value::Null,
                Fault::new(-32700, "parse error: the body is not JSON"),
            );
        }
    };
    let Some(request) = request.as_object() else {
        return failed(
            Value::Null,
            Fault::new(-32600, "invalid request: expected one object"),
        );
    };
    let id = request.get("id").cloned();
    let outcome = respond(handler, request, id.is_some()).await;
    match (id, outcome) {
        (None, _) => BareAnswer::Nothing,
        (Some(id), Ok(result)) => BareAnswer::Json(json!({ "jsonrpc": "2.0", "id": id, "result": result })),
        (Some(id), Err(fault)) => failed(id, fault),
    }
}

fn failed(id: Value, fault: Fault) -> BareAnswer {
    BareAnswer::Json(json!({ "jsonrpc": "2.0", "id": id, "error": fault }))
}

async fn respond(handler: &McpHandler, request: &Map<String, Value>, is_asked: bool) -> Result<Value, Fault> {
    match request.get("method").and_then(Value::as_str) {
        Some("tools/list") => Ok(listed(handler)),
        // Nothing is done for who does not want to know what came of it.
        Some("tools/call") if !is_asked => Ok(Value::Null),
        Some("tools/call") => call(handler, request.get("params")).await,
        Some(_) => Err(Fault::new(
            -32601,
            "unknown method: expected `tools/list` or `tools/call`",
        )),
        None => Err(Fault::new(-32600, "invalid request: `method` is missing")),
    }
}

async fn call(handler: &McpHandler, params: Option<&Value>) -> Result<Value, Fault> {
    let invalid = |what: &str| Fault::new(-32602, format!("invalid params: {what}"));
    let params = params.and_then(Value::as_object);
    let params = params.ok_or_else(|| invalid("`params` must be an object"))?;
    let name = params.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| invalid("`name` must be a text"))?;
    let arguments = match params.get("arguments") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(arguments)) => arguments.clone(),
        Some(_) => return Err(invalid("`arguments` must be an object")),
    };
    match handler.tool(name, arguments, Round::default()).await? {
        Answer::Output(output) => Ok(json!({ "content": [{ "type": "text", "text": output.to_string() }] })),
        Answer::Result(result) => Ok(result),
    }
}
