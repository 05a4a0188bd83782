//! Prompts: texts that callers of the host may get.

use std::{future::Future, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    Caller, Content, Host, InputRequired, Result, Round,
    tool::{Answering, milliseconds},
};

/// A prompt is to be got.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct PromptRequest {
    /// The prompt.
    pub name: String,
    /// Its arguments, those that are required among them.
    pub arguments: Map<String, Value>,
    /// For whom.
    pub tenant: String,
    /// Who asks.
    pub caller: Caller,
    /// What an earlier round brought.
    #[serde(flatten)]
    pub round: Round,
}

impl PromptRequest {
    /// An argument; empty if it was not given.
    pub fn argument(&self, name: &str) -> &str {
        self.arguments
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// What could stand in an argument of a prompt, or in a variable of a template?
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct CompletionRequest {
    /// The prompt, or the template.
    pub name: String,
    /// Which argument, and how it begins.
    pub argument: CompletionArgument,
    /// Those that are known already.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// For whom.
    pub tenant: String,
    /// Who asks.
    pub caller: Caller,
}

/// The argument to be completed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CompletionArgument {
    /// Its name.
    pub name: String,
    /// How it begins.
    pub value: String,
}

/// What could stand there, the best first: a hundred at most, more are left out and said to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    values: Vec<String>,
}

impl Completion {
    /// These.
    pub fn new(values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            values: values.into_iter().map(Into::into).collect(),
        }
    }
}

impl Serialize for Completion {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const MOST: usize = 100;
        let shown = &self.values[..self.values.len().min(MOST)];
        let has_more = self.values.len() > MOST;
        json!({"values": shown, "total": self.values.len(), "hasMore": has_more}).serialize(serializer)
    }
}

/// A prompt's messages, or what must be known first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PromptResult {
    description: String,
    messages: Vec<Value>,
    input_required: Option<InputRequired>,
}

impl PromptResult {
    /// Without messages yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// One more message of the user's.
    #[must_use]
    pub fn user(mut self, content: Content) -> Self {
        self.messages.push(json!({"role": "user", "content": content}));
        self
    }

    /// One more message of the assistant's.
    #[must_use]
    pub fn assistant(mut self, content: Content) -> Self {
        self.messages
            .push(json!({"role": "assistant", "content": content}));
        self
    }
}

impl From<InputRequired> for PromptResult {
    fn from(input: InputRequired) -> Self {
        Self {
            input_required: Some(input),
            ..Self::default()
        }
    }
}

impl Serialize for PromptResult {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(input) = &self.input_required {
            return input.serialize(serializer);
        }
        let mut result = json!({"messages": self.messages});
        if !self.description.is_empty() {
            result["description"] = self.description.as_str().into();
        }
        result.serialize(serializer)
    }
}

/// Answers with a prompt. An `async fn(Host, PromptRequest) -> Result<PromptResult>` or such a closure is one as well.
pub trait PromptHandler: Send + Sync + 'static {
    /// Its messages for these arguments.
    fn get(&self, host: &Host, request: PromptRequest) -> impl Future<Output = Result<PromptResult>> + Send;

    /// What could stand in an argument.
    fn complete(
        &self,
        host: &Host,
        request: CompletionRequest,
    ) -> impl Future<Output = Result<Completion>> + Send {
        let _ = (host, request);
        async { Ok(Completion::default()) }
    }
}

impl<F, Fut> PromptHandler for F
where
    F: Fn(Host, PromptRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<PromptResult>> + Send,
{
    fn get(&self, host: &Host, request: PromptRequest) -> impl Future<Output = Result<PromptResult>> + Send {
        self(*host, request)
    }
}

/// A prompt: who answers, and what is said of it to callers.
pub struct Prompt {
    pub(crate) name: String,
    pub(crate) handler: Box<dyn ErasedPrompt>,
    pub(crate) description: Value,
}

impl Prompt {
    /// A prompt without arguments.
    pub fn new(name: impl Into<String>, handler: impl PromptHandler) -> Self {
        let name = name.into();
        let description =
            json!({"name": name, "title": null, "description": "", "arguments": [], "timeout_ms": null});
        Self {
            name,
            handler: Box::new(handler),
            description,
        }
    }

    /// Its name for humans.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.description["title"] = title.into().into();
        self
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description["description"] = description.into().into();
        self
    }

    /// An argument that must be given.
    #[must_use]
    pub fn required(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.argument(name.into(), description.into(), true)
    }

    /// An argument that may be given.
    #[must_use]
    pub fn optional(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.argument(name.into(), description.into(), false)
    }

    /// How long getting it may take. 30 s unless said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.description["timeout_ms"] = milliseconds(timeout).into();
        self
    }

    fn argument(mut self, name: String, description: String, required: bool) -> Self {
        if let Some(arguments) = self.description["arguments"].as_array_mut() {
            arguments.push(json!({"name": name, "description": description, "required": required}));
        }
        self
    }
}

/// [`PromptHandler`] with boxed futures.
pub(crate) trait ErasedPrompt: Send + Sync {
    fn get<'a>(&'a self, host: &'a Host, request: PromptRequest) -> Answering<'a, PromptResult>;
    fn complete<'a>(&'a self, host: &'a Host, request: CompletionRequest) -> Answering<'a, Completion>;
}

impl<H: PromptHandler> ErasedPrompt for H {
    fn get<'a>(&'a self, host: &'a Host, request: PromptRequest) -> Answering<'a, PromptResult> {
        Box::pin(PromptHandler::get(self, host, request))
    }
    fn complete<'a>(&'a self, host: &'a Host, request: CompletionRequest) -> Answering<'a, Completion> {
        Box::pin(PromptHandler::complete(self, host, request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_completions_than_may_be_sent_are_cut_and_said_to_be_there() {
        let all = Completion::new((0..150).map(|number| number.to_string()));
        let sent = serde_json::to_value(all).expect("is JSON");
        assert_eq!(sent["values"].as_array().expect("is a list").len(), 100);
        assert_eq!((&sent["total"], &sent["hasMore"]), (&json!(150), &json!(true)));
    }
}
