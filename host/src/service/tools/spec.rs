//! What is shown of a tool.

use std::{borrow::Cow, sync::Arc};

use serde_json::{Map, Value};

use crate::access::Capability;

/// What sort of tool it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolKind {
    /// It changes nothing.
    Read,
    /// It does.
    Mutating,
    /// A plugin's.
    Plugin,
}

impl ToolKind {
    /// As the audit names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Mutating => "mutating",
            Self::Plugin => "plugin",
        }
    }
}

/// What a tool says of itself; hints for whoever chooses tools, no promise. All four are always shown, since those left out mean the
/// worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Annotations {
    /// It changes nothing.
    pub read_only: bool,
    /// It may end or undo something.
    pub destructive: bool,
    /// Calling it twice is calling it once.
    pub idempotent: bool,
    /// It reaches beyond this host.
    pub open_world: bool,
}

impl Annotations {
    /// Of a tool that only looks.
    pub const READ: Self = Self {
        read_only: true,
        destructive: false,
        idempotent: true,
        open_world: false,
    };
    /// Of a tool that adds something.
    pub const ADDS: Self = Self {
        read_only: false,
        destructive: false,
        idempotent: false,
        open_world: false,
    };
    /// Of a tool that puts something into a state.
    pub const SETS: Self = Self {
        idempotent: true,
        ..Self::ADDS
    };
    /// Of a tool that may end something.
    pub const ENDS: Self = Self {
        destructive: true,
        ..Self::ADDS
    };
}

/// A tool.
#[derive(Debug, Clone)]
pub struct ToolSpec {
    /// Its name, unique among all tools.
    pub name: Cow<'static, str>,
    /// For people.
    pub title: Cow<'static, str>,
    /// What it does, for whoever chooses.
    pub description: Cow<'static, str>,
    /// What it takes: a JSON Schema of an object.
    pub input_schema: Arc<Map<String, Value>>,
    /// What it answers: a JSON Schema of an object; absent if it does not say.
    pub output_schema: Option<Arc<Map<String, Value>>>,
    /// What it says of itself.
    pub annotations: Annotations,
    /// What it needs; absent: any caller may.
    pub required_capability: Option<Capability>,
    /// Refused where the configuration says that this is production.
    pub dev_only: bool,
    /// Whether it is about one tenant.
    pub is_of_tenant: bool,
    /// What sort it is.
    pub kind: ToolKind,
    /// Whether it is done only if its line of the audit can be written, and answered once it is.
    pub needs_audit: bool,
}
