//! What one line says.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::{
    access::Principal,
    domain::{TenantId, Timestamp, wire_enum},
};

wire_enum! {
    /// Where in the host something was done or refused. A closed list.
    Seam, "seam of the audit" {
        /// A tool was called, or was to be.
        ToolCalled = "mcp.tool_called",
        /// A prompt or a resource was asked for.
        Read = "mcp.read",
        /// A request was turned away before anybody looked at what it asks for.
        RequestRefused = "http.request_refused",
        /// The HTTP interface was asked.
        HttpCalled = "http.called",
        /// A webhook was handed to a plugin.
        WebhookDelivered = "webhook.delivered",
        /// A webhook was not.
        WebhookDeadLetter = "webhook.dead_letter",
        /// Audit lines were left out, because there were too many of one sort at once.
        LinesLeftOut = "audit.lines_left_out",
    }
}
wire_enum! {
    /// How a request came in.
    Source, "source of a call" {
        /// MCP over HTTP.
        McpHttp = "mcp_http",
        /// MCP over standard input and output.
        McpStdio = "mcp_stdio",
        /// HTTP.
        Http = "http",
        /// The control socket.
        Socket = "socket",
        /// A plugin, through `tools/1`.
        Plugin = "plugin",
        /// A webhook.
        Webhook = "webhook",
    }
}

/// How it came out. A closed list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditResult {
    /// Done.
    Ok,
    /// A stop command was given.
    Issued {
        /// Its kind.
        kind: String,
        /// Its number.
        sequence: u64,
    },
    /// What a stop command would do was said.
    DryRunPredicted {
        /// Its kind.
        kind: String,
    },
    /// No token, or one that is nobody's.
    Unauthorized,
    /// The capability is missing.
    CapabilityDenied,
    /// The caller has no actor, and this needs one.
    ActorIdRequired,
    /// Only for development.
    DevOnlyRefused,
    /// The tenant is not the caller's, or is none.
    TenantDenied,
    /// A foreign `Host` or `Origin`.
    ForeignOrigin,
    /// Too many requests.
    RateLimited,
    /// Too large.
    TooLarge,
    /// It took too long to arrive.
    TooSlow,
    /// There is no such tool, prompt, resource or route.
    Unknown,
    /// The input is not valid.
    BadInput,
    /// The state does not allow it.
    WrongState,
    /// A stop command holds it.
    BlockedByControl,
    /// It cannot be answered now.
    Unavailable,
    /// A fault.
    Failed,
    /// It panicked.
    Exception,
    /// Nobody is there to take it.
    NoReceiver,
    /// A plugin turned it away, with one of its documented words.
    Rejected {
        /// The word.
        reason: String,
    },
}

impl AuditResult {
    /// Whether it was a denial.
    pub const fn is_denial(&self) -> bool {
        matches!(
            self,
            Self::Unauthorized
                | Self::CapabilityDenied
                | Self::ActorIdRequired
                | Self::DevOnlyRefused
                | Self::TenantDenied
                | Self::ForeignOrigin
        )
    }

    /// Whether it must be on its way to the disk before the answer is sent: a denial, and what may be the last thing that a host tells.
    /// Also what there is not: what is hidden from a caller takes him no longer.
    pub const fn precedes_answer(&self) -> bool {
        self.is_denial() || matches!(self, Self::Exception | Self::Unknown)
    }

    /// Its word alone, of a closed list: what counts outcomes may have it for a label.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Issued { .. } => "issued",
            Self::DryRunPredicted { .. } => "dry_run_predicted",
            Self::Unauthorized => "unauthorized",
            Self::CapabilityDenied => "capability_denied",
            Self::ActorIdRequired => "actor_id_required",
            Self::DevOnlyRefused => "dev_only_refused",
            Self::TenantDenied => "tenant_denied",
            Self::ForeignOrigin => "foreign_origin",
            Self::RateLimited => "rate_limited",
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Unknown => "unknown",
            Self::BadInput => "bad_input",
            Self::WrongState => "wrong_state",
            Self::BlockedByControl => "blocked_by_control",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
            Self::Exception => "exception",
            Self::NoReceiver => "no_receiver",
            Self::Rejected { .. } => "rejected",
        }
    }

    /// `ok`, `not_allowed` or `error`.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Ok | Self::Issued { .. } | Self::DryRunPredicted { .. } => "ok",
            _ if self.is_denial() => "not_allowed",
            _ => "error",
        }
    }
}

impl fmt::Display for AuditResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Issued { kind, sequence } => write!(f, ":{kind}@seq{sequence}"),
            Self::DryRunPredicted { kind } => write!(f, ":{kind}"),
            Self::Rejected { reason } => write!(f, ":{reason}"),
            _ => Ok(()),
        }
    }
}

impl Serialize for AuditResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is said of one outcome. What does not apply is left out of the line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The tool, if there is one of that name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<String>,
    /// `read` or `mutating`; of a plugin's tool `plugin`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_kind: Option<&'static str>,
    /// The route, the resource's sort, or the plugin's webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The caller's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The caller's label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_actor_kind: Option<String>,
    /// The actor that the caller stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller_actor_id: Option<String>,
    /// The capability that would have been needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_capability: Option<String>,
    /// The names of the arguments that the tool's schema knows, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args_keys: Vec<String>,
    /// How many other arguments there were.
    #[serde(skip_serializing_if = "is_zero")]
    pub unknown_args: usize,
    /// Of a stop command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
    /// Of a stop command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Of a stop command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// Of a stop command: whether the caller has an actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_id_present: Option<bool>,
    /// The stable code of what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The size of what came in, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// Where it came from, the last part of the address left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// How many lines were left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: usize,
    /// How long it took.
    pub duration_ms: u64,
}

impl Details {
    /// Of what `by` asked for.
    pub fn of(by: &Principal) -> Self {
        Self {
            caller: Some(by.name()),
            caller_actor_kind: Some(by.kind().to_owned()),
            caller_actor_id: by.actor_id().map(|id| id.hyphenated().to_string()),
            ..Self::default()
        }
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub emitted_at: Timestamp,
    /// Whose audit it belongs to: a tenant's, or the host's.
    pub tenant: TenantId,
    /// Where.
    pub seam: Seam,
    /// How the request came in.
    pub source: Source,
    /// How it came out.
    pub result: AuditResult,
    /// What else is said of it.
    pub details: Details,
}

#[derive(Serialize)]
struct Line<'a> {
    emitted_at: String,
    seam: Seam,
    source: Source,
    tenant: &'a str,
    details: Shown<'a>,
}

#[derive(Serialize)]
struct Shown<'a> {
    result: &'a AuditResult,
    tool_status: &'static str,
    #[serde(flatten)]
    details: &'a Details,
}

impl AuditEntry {
    /// The line, with its end.
    pub(super) fn to_line(&self) -> Vec<u8> {
        let line = Line {
            emitted_at: self.emitted_at.to_rfc3339(),
            seam: self.seam,
            source: self.source,
            tenant: self.tenant.as_str(),
            details: Shown {
                result: &self.result,
                tool_status: self.result.status(),
                details: &self.details,
            },
        };
        // Texts and numbers always have a JSON form.
        let mut bytes = serde_json::to_vec(&line).expect("a line of the audit has a JSON form");
        bytes.push(b'\n');
        bytes
    }
}

/// A line as it is read back. What a later release adds is kept.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct ReadLine {
    pub emitted_at: String,
    pub seam: String,
    pub source: String,
    pub tenant: String,
    pub details: serde_json::Map<String, serde_json::Value>,
}
