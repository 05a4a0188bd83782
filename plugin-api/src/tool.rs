//! Tools: what callers of the host may call.

mod content;
mod result;
mod round;

use std::{future::Future, pin::Pin, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

pub use content::Content;
pub(crate) use content::base64;
pub use result::ToolResult;
pub use round::{InputRequired, Round};

use crate::{ErrorKind, Host, PluginError, Result};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Caller {
    /// What kind of caller, for example `operator` or `plugin`, or a label of the operator's.
    pub kind: String,
    /// Its name, if it has one.
    #[serde(default)]
    pub name: Option<String>,
    /// Its actor, if it has one.
    #[serde(default)]
    pub actor_id: Option<String>,
}

/// A call of a tool. The host has checked that the caller may call it, for this tenant, and that the arguments fit the schema.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct ToolCall {
    /// The tool.
    pub name: String,
    /// The arguments, which fit the tool's input schema.
    pub arguments: Map<String, Value>,
    /// For whom.
    pub tenant: String,
    /// Who calls.
    pub caller: Caller,
    /// What an earlier round brought.
    #[serde(flatten)]
    pub round: Round,
    call: u64,
}

/// How grave a message for a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are MCP's")]
pub enum CallLogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl ToolCall {
    /// The arguments as a type of the author's.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], which the caller is told, if they have not that shape.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        let arguments = Value::Object(self.arguments.clone());
        serde_json::from_value(arguments)
            .map_err(|error| PluginError::of_kind(ErrorKind::Invalid, error.to_string()))
    }

    /// Tells the caller how far the call is, if it can hear that: `progress` of `total`, which grows each time, and in a line what is
    /// done now; an empty one says nothing.
    ///
    /// # Errors
    /// If the host does not give `tools/1`, or the call has ended. Nothing depends on it.
    pub fn progress(&self, progress: f64, total: Option<f64>, message: &str) -> Result {
        let mut notice = json!({"progress": progress});
        if let Some(total) = total {
            notice["total"] = total.into();
        }
        if !message.is_empty() {
            notice["message"] = message.into();
        }
        Host::new().tell_progress(self.call, &notice)
    }

    /// A message for the caller, if it can hear it.
    ///
    /// # Errors
    /// As [`progress`](Self::progress).
    pub fn log(&self, level: CallLogLevel, data: impl Serialize) -> Result {
        let data = serde_json::to_value(data)?;
        Host::new().tell_message(self.call, &json!({"level": level, "data": data}))
    }
}

/// Answers calls of a tool. An `async fn(Host, ToolCall) -> Result<ToolResult>` or such a closure is one as well.
///
/// Calls may overlap, and all run on the plugin's own thread. The host cancels one at its deadline, or when the caller gave up, by
/// dropping the future at an `await`.
pub trait ToolHandler: Send + Sync + 'static {
    /// Answers one call. What the caller can do something about is a [`ToolResult::error`], or an error of
    /// [`PluginError::invalid`]; of any other error the caller learns only that there was one.
    fn call(&self, host: &Host, call: ToolCall) -> impl Future<Output = Result<ToolResult>> + Send;
}

impl<F, Fut> ToolHandler for F
where
    F: Fn(Host, ToolCall) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<ToolResult>> + Send,
{
    fn call(&self, host: &Host, call: ToolCall) -> impl Future<Output = Result<ToolResult>> + Send {
        self(*host, call)
    }
}

/// A tool: who answers, and what is said of it to callers.
pub struct Tool {
    pub(crate) name: String,
    pub(crate) handler: Box<dyn ErasedTool>,
    pub(crate) description: Value,
}

impl Tool {
    /// A tool without arguments, which nobody may call without a capability of the tool's own name. Of its effects the worst is
    /// assumed until something else is said.
    pub fn new(name: impl Into<String>, handler: impl ToolHandler) -> Self {
        let name = name.into();
        let description = json!({
            "name": name,
            "title": null,
            "description": "",
            "input_schema": {"type": "object", "additionalProperties": false},
            "output_schema": null,
            "annotations": {"read_only": false, "destructive": true, "idempotent": false, "open_world": true},
            "required_capability": name,
            "dev_only": false,
            "timeout_ms": null,
        });
        Self {
            name,
            handler: Box::new(handler),
            description,
        }
    }

    /// Its name for humans.
    #[must_use]
    pub fn title(self, title: impl Into<String>) -> Self {
        self.with("title", title.into())
    }

    /// For models: what it does, and when to call it.
    #[must_use]
    pub fn description(self, description: impl Into<String>) -> Self {
        self.with("description", description.into())
    }

    /// JSON Schema 2020-12 of the arguments, an object. The host holds every call against it.
    #[must_use]
    pub fn input_schema(self, schema: Value) -> Self {
        self.with("input_schema", schema)
    }

    /// JSON Schema 2020-12 of what [`ToolResult::structured`] is given.
    #[must_use]
    pub fn output_schema(self, schema: Value) -> Self {
        self.with("output_schema", schema)
    }

    /// It changes nothing.
    #[must_use]
    pub fn read_only(self) -> Self {
        self.hint("read_only", true).hint("destructive", false)
    }

    /// Whether it may take away or overwrite. True unless said.
    #[must_use]
    pub fn destructive(self, destructive: bool) -> Self {
        self.hint("destructive", destructive)
    }

    /// Whether the same call twice does what it does once. False unless said.
    #[must_use]
    pub fn idempotent(self, idempotent: bool) -> Self {
        self.hint("idempotent", idempotent)
    }

    /// Whether it talks to things outside of the host. True unless said.
    #[must_use]
    pub fn open_world(self, open_world: bool) -> Self {
        self.hint("open_world", open_world)
    }

    /// The capability without which nobody may call it. The tool's name unless said.
    #[must_use]
    pub fn required_capability(self, capability: impl Into<String>) -> Self {
        self.with("required_capability", capability.into())
    }

    /// It is refused where the host runs in production.
    #[must_use]
    pub fn dev_only(self) -> Self {
        self.with("dev_only", true)
    }

    /// How long a call may take, an hour at most. 60 s unless said.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with("timeout_ms", milliseconds(timeout))
    }

    fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.description[key] = value.into();
        self
    }

    fn hint(mut self, key: &str, value: bool) -> Self {
        self.description["annotations"][key] = value.into();
        self
    }
}

pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A future that answers something.
pub(crate) type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// [`ToolHandler`] with boxed futures.
pub(crate) trait ErasedTool: Send + Sync {
    fn call<'a>(&'a self, host: &'a Host, call: ToolCall) -> Answering<'a, ToolResult>;
}

impl<H: ToolHandler> ErasedTool for H {
    fn call<'a>(&'a self, host: &'a Host, call: ToolCall) -> Answering<'a, ToolResult> {
        Box::pin(ToolHandler::call(self, host, call))
    }
}
