//! What went wrong, once for every rim.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What kind of problem it is. Each rim maps it in one exhaustive `match`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The input is not valid.
    BadInput,
    /// There is no such thing.
    NotFound,
    /// The thing is not in a state that allows this.
    WrongState,
    /// Something else was expected: a generation, a sequence number.
    Conflict,
    /// The caller may not.
    Denied,
    /// It cannot be answered now.
    Unavailable,
    /// A fault of the host.
    Internal,
}

/// A use case that failed: what was expected, what was found, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Stable, for programs: `identity.generation_conflict`.
    pub code: String,
    /// What kind.
    pub kind: ProblemKind,
    /// One sentence for humans.
    pub message: String,
    /// What to do, one sentence each; may be empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// What else programs may want, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

impl Problem {
    /// A problem without hints.
    pub fn new(kind: ProblemKind, code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            kind,
            message: message.into(),
            hints: Vec::new(),
            data: Map::new(),
        }
    }

    /// The same, with something for programs.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        // What has no JSON form is left out: the message says it too.
        if let Ok(value) = serde_json::to_value(value) {
            self.data.insert(name.to_owned(), value);
        }
        self
    }

    /// The same, with one more thing to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}
