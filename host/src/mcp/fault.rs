//! The number of each fault. They are the original's: the revision of 2026 asks new codes to lie outside JSON-RPC's range, and these
//! are not new.

use rmcp::ErrorData;
use rmcp::model::{ErrorCode, ProtocolVersion};
use serde_json::{Value, json};

use super::versions;
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
