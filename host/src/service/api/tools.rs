//! Tools, as the operator sees and calls them, and the protocol that he lets a program speak.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A tool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// For people.
    pub title: String,
    /// What it does.
    pub description: String,
    /// `read`, `mutating` or `plugin`.
    pub kind: String,
    /// What a caller needs for it; absent: nothing.
    pub required_capability: Option<String>,
    /// Refused where the configuration says that this is production.
    pub dev_only: bool,
    /// Whether it is about one tenant.
    pub is_of_tenant: bool,
    /// What it says of itself: `read_only`, `destructive`, `idempotent`, `open_world`.
    pub annotations: BTreeMap<String, bool>,
    /// What it takes: a JSON Schema of an object.
    pub input_schema: Map<String, Value>,
    /// What it answers: a JSON Schema of an object; absent if it does not say.
    pub output_schema: Option<Map<String, Value>>,
}

/// A call of a tool.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallTool {
    /// Which tool.
    pub name: String,
    /// With what; of a tool of one tenant's also `workspace_id`.
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// Whose rights the other end has once it speaks MCP.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeMcp {
    /// A caller by name; else nobody's, which is no capability at all.
    #[serde(default)]
    pub caller: Option<String>,
}
