//! The SDK for authors of kora plugins: ordinary Rust, no FFI in sight.
//!
//! A plugin is a `cdylib` that implements [`Plugin`] and names it to [`export_plugin!`]:
//!
//! ```no_run
//! # mod example {
//! use std::time::Duration;
//! use kora_plugin_api::{BackgroundDaemon, Config, Daemon, Host, IdentityProvider, Plugin, Registrar, Result, Snapshot};
//!
//! #[derive(Default)]
//! struct Example;
//!
//! struct ExampleIdentity;
//!
//! impl IdentityProvider for ExampleIdentity {
//!     fn snapshot(&self, tenant: &str, _config: &Config) -> Result<Option<Snapshot>> {
//!         Ok(Some(Snapshot::new("Example", "1.0.0", format!("You serve {tenant}."))))
//!     }
//! }
//!
//! #[derive(Default)]
//! struct Clock;
//!
//! impl Daemon for Clock {
//!     async fn tick(&self, host: &Host, task: &str) -> Result {
//!         for tenant in host.tenants()? {
//!             host.append_event(&tenant.tenant, "example.ticked", &serde_json::json!({"task": task})).await?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! impl Plugin for Example {
//!     fn register(&self, registrar: &mut Registrar<'_>) -> Result {
//!         registrar.identity_provider("example", ExampleIdentity)?;
//!         registrar.background_daemon(
//!             BackgroundDaemon::new("clock", Clock::default)
//!                 .periodic_task("clock.tick", Duration::from_secs(60)),
//!         )
//!     }
//! }
//! # }
//! ```
//!
//! with `kora_plugin_api::export_plugin!(Example, manifest = "plugin.toml");` in the same file. The author's guide,
//! `docs/plugin-authors.md`, goes through the manifest, testing and packaging.
//!
//! What the macro brings: every call from the host is guarded, so that a panic becomes an error and puts out of use only
//! the entry in which it happened; `tracing` records and panic messages arrive in the host's log; asynchronous code runs on a
//! runtime of the plugin's own with one thread, which starts when it is first needed.

mod config;
mod daemon;
mod error;
#[doc(hidden)]
pub mod export;
mod host;
mod identity;
mod listener;
mod plugin;
mod prompt;
mod resource;
mod tool;
mod webhook;

#[doc(hidden)]
pub use kora_plugin_abi as abi;
pub use serde_json;
pub use tracing;

pub use config::Config;
pub use daemon::{BackgroundDaemon, Daemon, Overlap, RestartPolicy};
pub use error::{ErrorKind, PluginError, Result};
pub use host::{
    Appended, ClaimAnswer, CostState, Criticality, DaemonHealth, DaemonStatus, DegradationReason, EventQuery,
    Host, HostInfo, OfferKind, Operation, OperationalState, RetryReason, ServedTenant, SpendingDecision,
    Ticket, TicketClaim, TicketEnding, TicketProgress, TicketQuery, TicketResolution, Transition, Usage,
    UsageRecorded,
};
pub use identity::{IdentityProvider, Snapshot};
pub use listener::{Event, Listener, StateChange, Subscription};
pub use plugin::{Plugin, Registrar};
pub use prompt::{
    Completion, CompletionArgument, CompletionRequest, Prompt, PromptHandler, PromptRequest, PromptResult,
};
pub use resource::{Resource, ResourceContents, ResourceHandler, ResourceRequest};
pub use tool::{
    CallLogLevel, Caller, Content, InputRequired, Round, Tool, ToolCall, ToolHandler, ToolResult,
};
pub use webhook::{Webhook, WebhookAnswer, WebhookHandler, WebhookRequest};
