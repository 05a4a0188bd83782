//! Resources: what callers of the host may read.

use std::{future::Future, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    Caller, Completion, CompletionRequest, Host, InputRequired, Result, Round,
    tool::{Answering, base64, milliseconds},
};

/// A resource is to be read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct ResourceRequest {
    /// Which one.
    pub uri: String,
    /// The values of a template's variables, decoded.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// For whom.
    pub tenant: String,
    /// Who asks.
    pub caller: Caller,
    /// What an earlier round brought.
    #[serde(flatten)]
    pub round: Round,
}

impl ResourceRequest {
    /// The value of a variable; empty if there is none of that name.
    pub fn variable(&self, name: &str) -> &str {
        self.arguments
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// What a resource holds, or what must be known first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResourceContents {
    contents: Vec<Value>,
    input_required: Option<InputRequired>,
}

impl ResourceContents {
    /// A text.
    pub fn text(uri: &str, mime_type: &str, text: impl Into<String>) -> Self {
        Self::default().and(json!({"uri": uri, "mimeType": mime_type, "text": text.into()}))
    }

    /// Bytes.
    pub fn bytes(uri: &str, mime_type: &str, bytes: &[u8]) -> Self {
        Self::default().and(json!({"uri": uri, "mimeType": mime_type, "blob": base64(bytes)}))
    }

    /// These and the others, for a resource that holds several.
    #[must_use]
    pub fn with(mut self, others: Self) -> Self {
        self.contents.extend(others.contents);
        self
    }

    fn and(mut self, contents: Value) -> Self {
        self.contents.push(contents);
        self
    }
}

impl From<InputRequired> for ResourceContents {
    fn from(input: InputRequired) -> Self {
        Self {
            input_required: Some(input),
            ..Self::default()
        }
    }
}

impl Serialize for ResourceContents {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.input_required {
            Some(input) => input.serialize(serializer),
            None => json!({"contents": self.contents}).serialize(serializer),
        }
    }
}

/// Reads a resource. An `async fn(Host, ResourceRequest) -> Result<Option<ResourceContents>>` or such a closure is one as well.
pub trait ResourceHandler: Send + Sync + 'static {
    /// What it holds, or `None` if there is no such resource.
    fn read(
        &self,
        host: &Host,
        request: ResourceRequest,
    ) -> impl Future<Output = Result<Option<ResourceContents>>> + Send;

    /// What could stand in a variable of the template.
    fn complete(
        &self,
        host: &Host,
        request: CompletionRequest,
    ) -> impl Future<Output = Result<Completion>> + Send {
        let _ = (host, request);
        async { Ok(Completion::default()) }
    }
}

impl<F, Fut> ResourceHandler for F
where
    F: Fn(Host, ResourceRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<ResourceContents>>> + Send,
{
    fn read(
        &self,
        host: &Host,
        request: ResourceRequest,
    ) -> impl Future<Output = Result<Option<ResourceContents>>> + Send {
        self(*host, request)
    }
}

/// A resource, or a template of many: who reads it, and what is said of it to callers.
pub struct Resource {
    pub(crate) uri: String,
    pub(crate) handler: Box<dyn ErasedResource>,
    pub(crate) description: Value,
}

impl Resource {
    /// A resource under this URI; with variables in braces (`notes://{id}`), all those that it stands for.
    pub fn new(uri: impl Into<String>, name: impl Into<String>, handler: impl ResourceHandler) -> Self {
        let uri = uri.into();
        let description = json!({
            "uri": uri, "name": name.into(), "title": null, "description": "", "mime_type": null, "timeout_ms": null,
        });
        Self {
            uri,
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

    /// What it holds.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description["description"] = description.into().into();
        self
    }

    /// What kind of content.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.description["mime_type"] = mime_type.into().into();
        self
    }

    /// How long reading it may take. 30 s unless said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.description["timeout_ms"] = milliseconds(timeout).into();
        self
    }
}

/// [`ResourceHandler`] with boxed futures.
pub(crate) trait ErasedResource: Send + Sync {
    fn read<'a>(
        &'a self,
        host: &'a Host,
        request: ResourceRequest,
    ) -> Answering<'a, Option<ResourceContents>>;
    fn complete<'a>(&'a self, host: &'a Host, request: CompletionRequest) -> Answering<'a, Completion>;
}

impl<H: ResourceHandler> ErasedResource for H {
    fn read<'a>(
        &'a self,
        host: &'a Host,
        request: ResourceRequest,
    ) -> Answering<'a, Option<ResourceContents>> {
        Box::pin(ResourceHandler::read(self, host, request))
    }
    fn complete<'a>(&'a self, host: &'a Host, request: CompletionRequest) -> Answering<'a, Completion> {
        Box::pin(ResourceHandler::complete(self, host, request))
    }
}
