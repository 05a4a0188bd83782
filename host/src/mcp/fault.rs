//! The number of each fault. They are the original's: the revision of 2026 asks new codes to lie outside JSON-RPC's range, and these
//! are not new.

use rmcp::ErrorData;
use rmcp::model::{ErrorCode, ProtocolVersion};
use serde_json::{Value, json};

use super::{params::PARAMS, versions};
use crate::service::tools::ToolFault;

/// The caller may not.
const DENIED: i32 = -32001;
/// The input is not valid, or the state does not allow it.
const INVALID_PARAMS: i32 = -32602;
/// It cannot be done now, or a fault of the host's.
pub(super) const INTERNAL: i32 = -32603;

/// Asked more often than the caller may: it cannot be done now.
pub(super) const RATE_LIMITED: (i32, &str) =
    (INTERNAL, "rate_limited: this caller asks more often than it may");

/// JSON-RPC's own, but for those that tools use as well.
const OF_REQUEST: [i64; 3] = [-32700, -32600, -32601];

/// Whether an error refuses the request as such: it is none, asks for what there is not, or brings what the method does not take. What
/// was asked for has not been looked at, and has no line of its own in the audit.
pub fn is_of_request(code: i64, data: Option<&Value>) -> bool {
    let named = data.and_then(|data| data.get("code"));
    OF_REQUEST.contains(&code) || named.is_some_and(|named| named == PARAMS)
}

/// The same, of what the protocol's library says by itself over a stream; over HTTP such an answer has a status that says it.
pub(super) fn refuses(error: &ErrorData) -> bool {
    const REVISION_NOT_SPOKEN: i32 = -32022;
    let code = error.code.0;
    // Without a name it is none of the host's: a field that the protocol asks for is missing.
    let has_no_name = code == INVALID_PARAMS && error.data.is_none();
    has_no_name || code == REVISION_NOT_SPOKEN || is_of_request(code.into(), error.data.as_ref())
}

/// The number of a fault.
pub fn code(fault: &ToolFault) -> i32 {
    match fault {
        ToolFault::Unknown { .. } | ToolFault::InvalidParams(_) => INVALID_PARAMS,
        ToolFault::CapabilityDenied { .. }
        | ToolFault::DevOnly { .. }
        | ToolFault::ActorIdRequired { .. }
        | ToolFault::Blocked { .. } => DENIED,
        ToolFault::Failed(_) => INTERNAL,
    }
}

/// As the protocol tells it.
pub(super) fn error(fault: &ToolFault) -> ErrorData {
    ErrorData::new(ErrorCode(code(fault)), fault.to_string(), fault.data())
}

/// The answer to a request of a revision that is not spoken.
pub fn refused_version(requested: &str, id: &Value) -> Value {
    let requested: Option<ProtocolVersion> = serde_json::from_value(requested.into()).ok();
    let error = match requested {
        Some(requested) => ErrorData::unsupported_protocol_version(requested, &versions()),
        None => ErrorData::invalid_request("`MCP-Protocol-Version` names no revision", None),
    };
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}
