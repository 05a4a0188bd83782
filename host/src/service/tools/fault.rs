//! Why a tool was not done. One fault, one code, whichever tool it is; the rims give each its number.

use serde_json::{Map, Value};

use crate::{
    access::{AuditResult, Principal},
    service::{Problem, ProblemKind, Service},
};

/// The name of a panic.
const PANIC: &str = "panic";
/// Nothing was done, since its line of the audit could not be written.
const AUDIT_UNAVAILABLE: &str = "audit.unavailable";
/// It was done, and its line is not written yet.
const AUDIT_UNWRITTEN: &str = "audit.unwritten";

/// Why a tool was not done.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ToolFault {
    /// There is no such tool.
    #[error("unknown tool: '{name}'")]
    Unknown {
        /// What was asked for, cut to a sensible length.
        name: String,
        /// There is, for tenants of others. The audit alone tells them apart.
        is_hidden: bool,
    },
    /// The input is not valid, or the state does not allow it.
    #[error("invalid params: {0}")]
    InvalidParams(Box<Problem>),
    /// The caller may not.
    #[error("capability_denied")]
    CapabilityDenied {
        /// What it would need.
        required_capability: String,
        /// The caller's label.
        caller_actor_kind: String,
    },
    /// Only for development.
    #[error("dev_only_tool: `{tool}` is refused where `access.deploy_env` is `prd`")]
    DevOnly {
        /// The tool.
        tool: String,
    },
    /// A stop command needs somebody to answer for it.
    #[error("actor_id_required_for_stop")]
    ActorIdRequired {
        /// The caller's label.
        caller_actor_kind: String,
        /// The tool.
        tool: String,
    },
    /// A stop command holds it.
    #[error("stop_kora: {error}")]
    Blocked {
        /// What holds it.
        error: String,
        /// For programs.
        data: Map<String, Value>,
    },
    /// It cannot be done now, or a fault of the host's: only its name is told.
    #[error("tool error: {0}")]
    Failed(String),
}

impl From<Problem> for ToolFault {
    fn from(problem: Problem) -> Self {
        match problem.kind {
            ProblemKind::BadInput
            | ProblemKind::NotFound
            | ProblemKind::WrongState
            | ProblemKind::Conflict
            | ProblemKind::Denied => Self::InvalidParams(Box::new(problem)),
            ProblemKind::Unavailable | ProblemKind::Internal => Self::Failed(problem.code),
        }
    }
}

impl ToolFault {
    /// Nothing was done: there is no room for its line of the audit.
    pub(super) fn audit_unavailable() -> Self {
        Self::Failed(AUDIT_UNAVAILABLE.to_owned())
    }

    /// It was done, and is not acknowledged: its line of the audit is held, and could be lost with the host.
    pub(super) fn audit_unwritten() -> Self {
        Self::Failed(AUDIT_UNWRITTEN.to_owned())
    }

    /// The input is not valid.
    pub(super) fn bad_input(code: &str, message: impl Into<String>) -> Self {
        Problem::new(ProblemKind::BadInput, code, message).into()
    }

    /// The same, with what this caller may know of it.
    pub(super) fn told_to(self, service: &Service, by: &Principal) -> Self {
        match self {
            Self::InvalidParams(problem) => Self::InvalidParams(Box::new(service.told_to(by, *problem))),
            other => other,
        }
    }

    /// How the audit names it.
    pub fn audit_result(&self) -> AuditResult {
        match self {
            Self::Unknown { is_hidden: true, .. } => AuditResult::TenantDenied,
            Self::Unknown { .. } => AuditResult::Unknown,
            Self::InvalidParams(problem) => match problem.kind {
                ProblemKind::WrongState | ProblemKind::Conflict => AuditResult::WrongState,
                ProblemKind::NotFound if problem.code == "tenant.unknown" => AuditResult::TenantDenied,
                ProblemKind::Denied => AuditResult::CapabilityDenied,
                _ => AuditResult::BadInput,
            },
            Self::CapabilityDenied { .. } => AuditResult::CapabilityDenied,
            Self::DevOnly { .. } => AuditResult::DevOnlyRefused,
            Self::ActorIdRequired { .. } => AuditResult::ActorIdRequired,
            Self::Blocked { .. } => AuditResult::BlockedByControl,
            Self::Failed(code) if code == PANIC => AuditResult::Exception,
            Self::Failed(code) if code == AUDIT_UNAVAILABLE => AuditResult::Unavailable,
            Self::Failed(_) => AuditResult::Failed,
        }
    }

    /// The stable code, for the audit.
    pub fn code(&self) -> &str {
        match self {
            Self::Unknown { .. } => "tool.unknown",
            Self::InvalidParams(problem) => &problem.code,
            Self::CapabilityDenied { .. } => "capability_denied",
            Self::DevOnly { .. } => "dev_only_tool",
            Self::ActorIdRequired { .. } => "actor_id_required_for_stop",
            Self::Blocked { .. } => "stop_kora",
            Self::Failed(code) => code,
        }
    }

    /// What programs may want beside the message.
    pub fn data(&self) -> Option<Value> {
        let data = match self {
            Self::CapabilityDenied {
                required_capability,
                caller_actor_kind,
            } => serde_json::json!({
                "required_capability": required_capability,
                "caller_actor_kind": caller_actor_kind,
            }),
            Self::ActorIdRequired {
                caller_actor_kind,
                tool,
            } => serde_json::json!({
                "caller_actor_kind": caller_actor_kind,
                "tool": tool,
                "remediation": "give the caller an actor: `kora callers add --actor-id UUID`, or `actor_id` in `callers.toml`",
            }),
            Self::Blocked { data, .. } => Value::Object(data.clone()),
            Self::InvalidParams(problem) => {
                let mut data = problem.data.clone();
                data.insert("code".to_owned(), problem.code.clone().into());
                if !problem.hints.is_empty() {
                    data.insert("hints".to_owned(), problem.hints.clone().into());
                }
                Value::Object(data)
            }
            Self::Unknown { .. } => serde_json::json!({ "code": self.code() }),
            Self::DevOnly { .. } | Self::Failed(_) => return None,
        };
        Some(data)
    }
}
