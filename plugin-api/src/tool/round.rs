//! Asking the caller back: a tool, a prompt or a resource answers what it needs to know, and is asked again with the answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What an earlier round brought, and what the caller can be asked.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Round {
    /// What an MCP client said it can do; absent for callers that are none, and cannot be asked anything.
    #[serde(default)]
    pub client_capabilities: Option<Map<String, Value>>,
    /// The answers, by the names that were given to the questions. They were not checked: a client sends what it likes.
    #[serde(default)]
    pub input_responses: Option<Map<String, Value>>,
    /// What [`InputRequired::state`] gave away. It was not checked: sign what you rely on.
    #[serde(default)]
    pub request_state: Option<String>,
}

impl Round {
    /// The answer to the question of that name.
    pub fn response(&self, name: &str) -> Option<&Value> {
        self.input_responses.as_ref()?.get(name)
    }

    /// Whether the caller can be asked so: `elicitation`, `sampling` or `roots`.
    pub fn can(&self, capability: &str) -> bool {
        let capabilities = self.client_capabilities.as_ref();
        capabilities.is_some_and(|capabilities| capabilities.contains_key(capability))
    }
}

/// What must be known first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InputRequired {
    requests: Map<String, Value>,
    state: Option<String>,
}

impl InputRequired {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the human at the client: `schema` is that of a flat object.
    #[must_use]
    pub fn elicit(self, name: impl Into<String>, message: impl Into<String>, schema: Value) -> Self {
        let params = json!({"message": message.into(), "requestedSchema": schema});
        self.ask(name, "elicitation/create", params)
    }

    /// Asks the client's model; `params` are those of `sampling/createMessage`.
    #[must_use]
    pub fn sample(self, name: impl Into<String>, params: Value) -> Self {
        self.ask(name, "sampling/createMessage", params)
    }

    /// Asks the client where it works.
    #[must_use]
    pub fn ask_for_roots(self, name: impl Into<String>) -> Self {
        self.ask(name, "roots/list", json!({}))
    }

    /// A text that comes back with the answers. It passes through the client, which can read and change it.
    #[must_use]
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    fn ask(mut self, name: impl Into<String>, method: &str, params: Value) -> Self {
        self.requests
            .insert(name.into(), json!({"method": method, "params": params}));
        self
    }
}

impl Serialize for InputRequired {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut answer = json!({"resultType": "input_required"});
        if !self.requests.is_empty() {
            answer["inputRequests"] = self.requests.clone().into();
        }
        if let Some(state) = &self.state {
            answer["requestState"] = state.as_str().into();
        }
        answer.serialize(serializer)
    }
}
