//! What a tool answers.

use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::{Map, Value, json};

use super::{Content, InputRequired};
use crate::Result;

/// The result of a call, or what the tool needs to know first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolResult {
    content: Vec<Content>,
    structured: Option<Value>,
    is_error: bool,
    meta: Map<String, Value>,
    input_required: Option<InputRequired>,
}

impl ToolResult {
    /// An empty result, to which blocks are added.
    pub fn new() -> Self {
        Self::default()
    }

    /// One block of text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new().with(Content::text(text))
    }

    /// It did not work, for a reason that the caller can do something about, in words for the caller.
    pub fn error(why: impl Into<String>) -> Self {
        Self {
            is_error: true,
            ..Self::text(why)
        }
    }

    /// Data that fits the tool's output schema; as text as well if there is no other content.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn json(data: impl Serialize) -> Result<Self> {
        Ok(Self::new().structured(serde_json::to_value(data)?))
    }

    /// The same, beside what there is.
    #[must_use]
    pub fn structured(mut self, data: Value) -> Self {
        self.structured = Some(data);
        self
    }

    /// One more block.
    #[must_use]
    pub fn with(mut self, content: Content) -> Self {
        self.content.push(content);
        self
    }

    /// Something for programs that is no part of the result.
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }
}

impl From<InputRequired> for ToolResult {
    fn from(input: InputRequired) -> Self {
        Self {
            input_required: Some(input),
            ..Self::default()
        }
    }
}

impl Serialize for ToolResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(input) = &self.input_required {
            return input.serialize(serializer);
        }
        let mut result = json!({"content": self.content});
        if let Some(data) = &self.structured {
            if self.content.is_empty() {
                let text = serde_json::to_string(data).map_err(S::Error::custom)?;
                result["content"] = json!([Content::text(text)]);
            }
            result["structuredContent"] = data.clone();
        }
        if self.is_error {
            result["isError"] = true.into();
        }
        if !self.meta.is_empty() {
            result["_meta"] = self.meta.clone().into();
        }
        result.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(result: impl Into<ToolResult>, expected: Value) {
        assert_eq!(serde_json::to_value(result.into()).expect("is JSON"), expected);
    }

    #[test]
    fn a_result_has_the_shape_that_mcp_gives_it() {
        let text = |text: &str| json!({"type": "text", "text": text});
        check(ToolResult::text("a"), json!({"content": [text("a")]}));
        check(
            ToolResult::error("no"),
            json!({"content": [text("no")], "isError": true}),
        );
        check(
            ToolResult::json(json!({"a": 1})).expect("is JSON"),
            json!({"content": [text("{\"a\":1}")], "structuredContent": {"a": 1}}),
        );
        check(
            ToolResult::text("one").structured(json!(1)).meta("k", "v"),
            json!({"content": [text("one")], "structuredContent": 1, "_meta": {"k": "v"}}),
        );
        check(
            InputRequired::new().ask_for_roots("r").state("s"),
            json!({
                "resultType": "input_required",
                "inputRequests": {"r": {"method": "roots/list", "params": {}}},
                "requestState": "s",
            }),
        );
    }
}
