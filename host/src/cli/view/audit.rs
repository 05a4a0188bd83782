//! Lines of the audit.

use serde_json::Value;

use super::text::{NOTHING, one_line};

/// A line: when, whose, what came of what, who asked by which way, and why not.
pub(in crate::cli) fn line(line: &Value) -> String {
    let details = &line["details"];
    let text = |value: &Value| value.as_str().unwrap_or(NOTHING).to_owned();
    let what = ["tool_name", "route"]
        .into_iter()
        .find_map(|key| details[key].as_str())
        .unwrap_or(NOTHING);
    let who = match (details["caller"].as_str(), details["caller_actor_kind"].as_str()) {
        (Some(name), Some(kind)) if name != kind => format!("{name} ({kind})"),
        (Some(name), _) => name.to_owned(),
        (None, kind) => kind.unwrap_or(NOTHING).to_owned(),
    };
    let mut shown = format!(
        "{}  {}  {}  {}  {what}  {who}  {}",
        text(&line["emitted_at"]),
        text(&line["tenant"]),
        text(&line["seam"]),
        text(&details["result"]),
        text(&line["source"]),
    );
    for key in ["code", "required_capability", "peer"] {
        if let Some(value) = details[key].as_str() {
            shown.push_str(&format!("  {key}={value}"));
        }
    }
    if let Some(count) = details["left_out"].as_u64() {
        shown.push_str(&format!("  left_out={count}"));
    }
    format!("{}\n", one_line(&shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_who_was_refused_what_and_why() {
        let denied = json!({
            "emitted_at": "2026-11-20T10:00:00.000000Z", "seam": "mcp.tool_called", "source": "mcp_http", "tenant": "host",
            "details": {
                "result": "capability_denied", "tool_name": "kora__request_pause", "caller": "pm", "caller_actor_kind": "agent",
                "required_capability": "kora__request_pause", "code": "capability_denied", "duration_ms": 0
            }
        });
        insta::assert_snapshot!(line(&denied), @"2026-11-20T10:00:00.000000Z  host  mcp.tool_called  capability_denied  kora__request_pause  pm (agent)  mcp_http  code=capability_denied  required_capability=kora__request_pause");
    }

    #[test]
    fn a_line_of_a_later_release_is_shown_as_far_as_it_is_known() {
        assert_eq!(line(&json!({ "seam": "new" })), "-  -  new  -  -  -  -\n");
    }
}
