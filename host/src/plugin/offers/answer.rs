//! What plugins answer, read as hostile input. What passes has the shape that MCP's results have; keys that this host does not know
//! are left out of a result, and stay in what a result holds.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    domain::wire_enum,
    plugin::{refusal::shown, registration::is_mime_type},
};

/// Nobody nests deeper on purpose, and clients have limits of their own.
const MOST_LEVELS: usize = 64;
/// Blocks, messages or contents of one result.
const MOST_ITEMS: usize = 1024;
/// What a plugin asks back in one round.
const MOST_INPUT_REQUESTS: usize = 32;
/// What it wants back in the next round. It travels to the client and back.
const STATE_BYTES: usize = 64 << 10;
/// MCP's own limit on what completes an argument.
const MOST_COMPLETIONS: usize = 100;
/// A completion is a line.
const COMPLETION_CHARS: usize = 1000;
/// What goes back to the sender of a webhook.
const WEBHOOK_REPLY_BYTES: usize = 64 << 10;

/// What is wrong with an answer, in a line.
type Fault = String;

/// What a tool answered.
pub fn tool_result(bytes: &[u8]) -> Result<Value, Fault> {
    let mut answer = object(read(bytes)?, "the answer")?;
    if let Some(input) = input_required(&mut answer)? {
        return Ok(input);
    }
    each_item(&answer, "content", content_block)?;
    check(&answer, "isError", "a boolean", Value::is_boolean)?;
    check(&answer, "_meta", "an object", Value::is_object)?;
    Ok(only(
        answer,
        &["content", "structuredContent", "isError", "_meta"],
    ))
}

/// What came of getting a prompt.
pub fn prompt_result(bytes: &[u8]) -> Result<Value, Fault> {
    let mut answer = object(read(bytes)?, "the answer")?;
    if let Some(input) = input_required(&mut answer)? {
        return Ok(input);
    }
    each_item(&answer, "messages", |message, place| {
        let message = message
            .as_object()
            .ok_or_else(|| format!("{place} is no object"))?;
        if !matches!(
            message.get("role").and_then(Value::as_str),
            Some("user" | "assistant")
        ) {
            return Err(format!("{place}.role is neither `user` nor `assistant`"));
        }
        let content = message
            .get("content")
            .ok_or_else(|| format!("{place} has no content"))?;
        content_block(content, &format!("{place}.content"))
    })?;
    check(&answer, "description", "a text", Value::is_string)?;
    check(&answer, "_meta", "an object", Value::is_object)?;
    Ok(only(answer, &["description", "messages", "_meta"]))
}

/// What came of reading a resource. `None`: there is no such resource.
pub fn resource_result(bytes: &[u8]) -> Result<Option<Value>, Fault> {
    let answer = read(bytes)?;
    if answer.is_null() {
        return Ok(None);
    }
    let mut answer = object(answer, "the answer")?;
    if let Some(input) = input_required(&mut answer)? {
        return Ok(Some(input));
    }
    each_item(&answer, "contents", resource_contents)?;
    check(&answer, "_meta", "an object", Value::is_object)?;
    Ok(Some(only(answer, &["contents", "_meta"])))
}

/// What could stand in an argument.
pub fn completion(bytes: &[u8]) -> Result<Value, Fault> {
    let answer = object(read(bytes)?, "the answer")?;
    let values = answer.get("values").and_then(Value::as_array);
    let values = values.ok_or("`values` is no list")?;
    let is_line = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| text.chars().count() <= COMPLETION_CHARS)
    };
    if values.len() > MOST_COMPLETIONS || !values.iter().all(is_line) {
        return Err(format!(
            "`values` takes at most {MOST_COMPLETIONS} texts of {COMPLETION_CHARS} characters"
        ));
    }
    check(&answer, "total", "a whole number", Value::is_u64)?;
    check(&answer, "hasMore", "a boolean", Value::is_boolean)?;
    Ok(only(answer, &["values", "total", "hasMore"]))
}

wire_enum! {
    /// What becomes of what came to a webhook.
    WebhookStatus, "webhook status" {
        /// The plugin took it.
        Accepted = "accepted",
        /// The sender proves with it that the address is ours; the body goes back.
        Challenge = "challenge",
        /// It is not what it pretends to be, or not wanted.
        Rejected = "rejected",
    }
}

/// What a plugin answered to what came to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookAnswer {
    /// What becomes of it.
    pub status: WebhookStatus,
    /// For the sender: 200–299, or 400–599 if it was rejected. Absent: the host's choice.
    #[serde(default)]
    pub http_status: Option<u16>,
    /// For the sender.
    #[serde(default)]
    pub body: Option<String>,
    /// Of the body.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Why it was rejected: one word of `[a-z0-9_]`, there if and only if it was.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What became of what came to a webhook.
pub fn webhook_answer(bytes: &[u8]) -> Result<WebhookAnswer, Fault> {
    let answer: WebhookAnswer = serde_json::from_slice(bytes).map_err(|error| shown(&error.to_string()))?;
    let is_rejected = answer.status == WebhookStatus::Rejected;
    let expected = if is_rejected { 400..=599 } else { 200..=299 };
    if let Some(status) = answer.http_status.filter(|status| !expected.contains(status)) {
        return Err(format!(
            "`http_status` of what was {} is {status}, expected {} to {}",
            answer.status,
            expected.start(),
            expected.end()
        ));
    }
    match &answer.reason {
        Some(reason) if is_rejected && is_reason(reason) => {}
        None if !is_rejected => {}
        _ => return Err("`reason` is one word of 1 to 64 lower-case letters, digits and `_`, for what was rejected and nothing else".to_owned()),
    }
    if answer
        .body
        .as_ref()
        .is_some_and(|body| body.len() > WEBHOOK_REPLY_BYTES)
    {
        return Err(format!("`body` has more than {WEBHOOK_REPLY_BYTES} bytes"));
    }
    if answer
        .content_type
        .as_ref()
        .is_some_and(|kind| !is_mime_type(kind))
    {
        return Err("`content_type` is none".to_owned());
    }
    Ok(answer)
}

fn is_reason(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn read(bytes: &[u8]) -> Result<Value, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    let value: Value = serde_json::from_str(text).map_err(|error| shown(&error.to_string()))?;
    if levels(&value) > MOST_LEVELS {
        return Err(format!("it is nested deeper than {MOST_LEVELS} levels"));
    }
    Ok(value)
}

/// `serde_json` reads no more than 128, so this ends.
fn levels(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(levels).max().unwrap_or(0),
        _ => 0,
    }
}

fn object(value: Value, what: &str) -> Result<Map<String, Value>, Fault> {
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(format!("{what} is no JSON object")),
    }
}

/// What the plugin needs to know first, if that is its answer.
fn input_required(answer: &mut Map<String, Value>) -> Result<Option<Value>, Fault> {
    match answer.get("resultType").map(Value::as_str) {
        None | Some(Some("complete")) => return Ok(None),
        Some(Some("input_required")) => {}
        Some(_) => return Err("`resultType` is neither `complete` nor `input_required`".to_owned()),
    }
    if let Some(requests) = answer.get("inputRequests") {
        let requests = requests.as_object().ok_or("`inputRequests` is no object")?;
        if requests.len() > MOST_INPUT_REQUESTS {
            return Err(format!("`inputRequests` takes at most {MOST_INPUT_REQUESTS}"));
        }
        requests.values().try_for_each(input_request)?;
    }
    if let Some(state) = answer.get("requestState") {
        let state = state.as_str().ok_or("`requestState` is no text")?;
        if state.len() > STATE_BYTES {
            return Err(format!("`requestState` has more than {STATE_BYTES} bytes"));
        }
    }
    if !answer.contains_key("inputRequests") && !answer.contains_key("requestState") {
        return Err("it requires input and says neither `inputRequests` nor `requestState`".to_owned());
    }
    check(answer, "_meta", "an object", Value::is_object)?;
    let answer = std::mem::take(answer);
    Ok(Some(only(
        answer,
        &["resultType", "inputRequests", "requestState", "_meta"],
    )))
}

fn input_request(request: &Value) -> Result<(), Fault> {
    let method = request.get("method").and_then(Value::as_str);
    if !matches!(
        method,
        Some("elicitation/create" | "sampling/createMessage" | "roots/list")
    ) {
        return Err(
            "an input request's `method` is one of `elicitation/create`, `sampling/createMessage` and `roots/list`"
                .to_owned(),
        );
    }
    match request.get("params") {
        None | Some(Value::Object(_)) => Ok(()),
        Some(_) => Err("an input request's `params` is no object".to_owned()),
    }
}

fn each_item(
    answer: &Map<String, Value>,
    list: &str,
    check: impl Fn(&Value, &str) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let items = answer.get(list).and_then(Value::as_array);
    let items = items.ok_or_else(|| format!("`{list}` is no list"))?;
    if items.len() > MOST_ITEMS {
        return Err(format!(
            "`{list}` has {} items, expected at most {MOST_ITEMS}",
            items.len()
        ));
    }
    let mut numbered = items.iter().enumerate();
    numbered.try_for_each(|(index, item)| check(item, &format!("`{list}[{index}]`")))
}

fn content_block(block: &Value, place: &str) -> Result<(), Fault> {
    let text = |key: &str| block.get(key).and_then(Value::as_str);
    let needs = |keys: &[&str]| match keys.iter().find(|key| text(key).is_none()) {
        Some(key) => Err(format!("{place} has no text `{key}`")),
        None => Ok(()),
    };
    match text("type") {
        Some("text") => needs(&["text"]),
        Some("image" | "audio") => {
            needs(&["data", "mimeType"])?;
            base64(text("data"), &format!("{place}.data"))
        }
        Some("resource_link") => needs(&["uri", "name"]),
        Some("resource") => {
            let resource = block.get("resource").unwrap_or(&Value::Null);
            resource_contents(resource, &format!("{place}.resource"))
        }
        _ => Err(format!(
            "{place}.type is none of `text`, `image`, `audio`, `resource` and `resource_link`"
        )),
    }
}

fn resource_contents(contents: &Value, place: &str) -> Result<(), Fault> {
    let text = |key: &str| contents.get(key).and_then(Value::as_str);
    if text("uri").is_none() {
        return Err(format!("{place} has no text `uri`"));
    }
    match (text("text"), text("blob")) {
        (Some(_), None) => Ok(()),
        (None, blob @ Some(_)) => base64(blob, &format!("{place}.blob")),
        _ => Err(format!("{place} has not one of the texts `text` and `blob`")),
    }
}

/// The alphabet and the length; what it stands for is the client's to read.
fn base64(data: Option<&str>, place: &str) -> Result<(), Fault> {
    let data = data.unwrap_or_default();
    let body = data.trim_end_matches('=');
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    if data.len().is_multiple_of(4) && data.len() - body.len() <= 2 && body.bytes().all(fits) {
        Ok(())
    } else {
        Err(format!("{place} is not base64"))
    }
}

fn check(answer: &Map<String, Value>, key: &str, what: &str, fits: fn(&Value) -> bool) -> Result<(), Fault> {
    match answer.get(key) {
        Some(value) if !fits(value) => Err(format!("`{key}` is not {what}")),
        _ => Ok(()),
    }
}

/// The result with these keys alone.
fn only(mut answer: Map<String, Value>, keys: &[&str]) -> Value {
    answer.retain(|key, _| keys.contains(&key.as_str()));
    Value::Object(answer)
}
