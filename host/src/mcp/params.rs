//! What each method takes, for whoever sent something else. The protocol's library hands on a request whose parameters it cannot read
//! as one of a method that it does not know.

use rmcp::{ErrorData, model::ErrorCode};
use serde_json::json;

/// The stable code of parameters that are not what a method takes.
pub(super) const PARAMS: &str = "mcp.params";

/// Why such a request of the current revision, or of one before, is not answered. Nothing of its parameters is in it: there may be a secret
/// among them.
pub(super) fn refused(method: String, is_current: bool) -> ErrorData {
    let is_there = match method.as_str() {
        // Gone from the current revision, whatever comes with them.
        "initialize" | "ping" => !is_current,
        "subscriptions/listen" => is_current,
        _ => true,
    };
    let Some(expected) = expected(&method).filter(|_| is_there) else {
        return ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None);
    };
    let message = format!("invalid params: `{method}` takes {expected}");
    ErrorData::invalid_params(message, Some(json!({ "code": PARAMS })))
}

/// What a method that there is takes.
fn expected(method: &str) -> Option<&'static str> {
    let expected = match method {
        "initialize" => {
            "an object with `protocolVersion` (text), `capabilities` (an object) and `clientInfo` (an object with `name` and `version`)"
        }
        "ping" | "server/discover" => "an object, or nothing",
        "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" => {
            "an object, or nothing; `cursor`, where there is one, is text"
        }
        "tools/call" => "an object with `name` (text) and, where there are any, `arguments` (an object)",
        "prompts/get" => {
            "an object with `name` (text) and, where there are any, `arguments` (an object of texts)"
        }
        "resources/read" => "an object with `uri` (text)",
        "completion/complete" => {
            "an object with `ref` (`type` is `ref/prompt` with a `name`, or `ref/resource` with a `uri`) and `argument` (an object with \
             `name` and `value`, both text)"
        }
        "subscriptions/listen" => "an object with `notifications` (an object)",
        _ => return None,
    };
    Some(expected)
}
