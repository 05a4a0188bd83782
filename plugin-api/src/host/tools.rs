//! Calling tools, and telling of what this plugin offers itself.

use std::sync::OnceLock;

use kora_plugin_abi::tools1;
use serde_json::{Map, Value};

use super::{Host, answer, fetch, parse};
use crate::Result;

/// What can be shown and hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum OfferKind {
    Tool,
    Prompt,
    Resource,
}

impl OfferKind {
    fn wire(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
        }
    }
}

impl Host {
    table!(tools_table, tools1, Tools);

    /// Calls a tool for a tenant, of the host's or of another plugin's, through the gate that callers pass. Answers its result as MCP
    /// has it: `content`, `structuredContent`, `isError`. Permission `tools`.
    ///
    /// # Errors
    /// See [`Host`]; [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if there is no such tool or the arguments do not fit it,
    /// [`ErrorKind::Denied`](crate::ErrorKind::Denied) if the operator does not let this plugin call it.
    pub async fn call_tool(&self, tenant: &str, name: &str, arguments: &Map<String, Value>) -> Result<Value> {
        let call = {
            let (table, handle) = self.tools_table()?;
            let arguments = serde_json::to_vec(arguments)?;
            (table.call)(
                handle,
                tenant.as_bytes().into(),
                name.as_bytes().into(),
                arguments.as_slice().into(),
            )
        };
        parse(answer(call.await))
    }

    /// Shows or hides something that this plugin registered, by its name or URI. What is hidden is not listed and cannot be called; all
    /// is shown at first. Callers that want to know are told.
    ///
    /// # Errors
    /// See [`Host`]; [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the plugin registered no such thing.
    pub fn offer(&self, kind: OfferKind, name: &str, is_offered: bool) -> Result {
        let (table, handle) = self.tools_table()?;
        let kind = kind.wire().as_bytes().into();
        answer((table.offer)(handle, kind, name.as_bytes().into(), is_offered))
    }

    /// Says that a resource of this plugin's has changed: callers who subscribed to it are told.
    ///
    /// # Errors
    /// See [`Host`]; [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the plugin registered no such resource.
    pub fn resource_updated(&self, uri: &str) -> Result {
        let (table, handle) = self.tools_table()?;
        answer((table.resource_updated)(handle, uri.as_bytes().into()))
    }

    pub(crate) fn tell_progress(&self, call: u64, notice: &Value) -> Result {
        let (table, handle) = self.tools_table()?;
        answer((table.progress)(
            handle,
            call,
            notice.to_string().as_bytes().into(),
        ))
    }

    pub(crate) fn tell_message(&self, call: u64, notice: &Value) -> Result {
        let (table, handle) = self.tools_table()?;
        answer((table.log)(handle, call, notice.to_string().as_bytes().into()))
    }
}
