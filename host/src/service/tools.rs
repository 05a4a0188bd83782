//! The tools: what callers may have done, each with its schemas, the capability that it needs, and what it does.
//!
//! ```text
//!  a rim ─▶ Tools::call ─▶ name ─▶ capability ─▶ development only? ─▶ schema ─▶ tenant ─▶ the tool's own work ─▶ audit ─▶ answer
//!                            └───────────┴───── refused: audited before it is answered ┘
//! ```
//!
//! Every tool passes the same gate, whoever calls it by whatever way. The schema that is shown is the one that is enforced.

mod call;
mod catalogue;
mod control;
mod daemon_status;
mod events;
mod fault;
mod foreign;
mod gate;
mod health;
mod host_tool;
mod identities;
mod ledger;
mod offers;
mod plugins;
mod schema;
mod spec;
mod state;
mod tickets;
mod webhook_test;

pub use crate::plugin::{CallNotice, LogNotice, ProgressNotice};
pub use call::{Answer, ToolCall, Tools, ToolsParts};
pub use catalogue::{own_capabilities, own_specs};
pub use fault::ToolFault;
pub use foreign::Round;
pub use gate::PluginsGate;
pub use offers::Wanted;
pub use spec::{Annotations, ToolKind, ToolSpec};

use host_tool::{Context, HostTool};

/// The parameter that names a tenant, on every tool of a tenant's.
const WORKSPACE_ID: &str = "workspace_id";
