//! `kora__daemon_status`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Annotations, Context, HostTool, ToolFault, ToolKind};

/// How the host is.
pub(super) struct DaemonStatus;

/// Nothing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// How the host is.
#[derive(Serialize, JsonSchema)]
pub(super) struct Output {
    /// `booting`, `running`, `shutting_down` or `not_running`.
    state: String,
    /// Since it began to boot.
    uptime_seconds: u64,
    /// Why it ends, if it does.
    shutdown_reason: Option<String>,
    /// Its daemon entries.
    listeners: Vec<Listener>,
    /// Names this run of the host; a stop command is confirmed with it.
    daemon_session_id: String,
}

/// A daemon entry.
#[derive(Serialize, JsonSchema)]
struct Listener {
    /// Its name, with that of its plugin.
    name: String,
    /// Whether it runs.
    started: bool,
    /// How long it may take to stop.
    shutdown_timeout_seconds: f64,
}

impl HostTool for DaemonStatus {
    const NAME: &'static str = "kora__daemon_status";
    const TITLE: &'static str = "Daemon status";
    const DESCRIPTION: &'static str = "How the host is: its state, how long it runs, its daemon entries, and the session id that a stop command is confirmed with.";
    const KIND: ToolKind = ToolKind::Read;
    const ANNOTATIONS: Annotations = Annotations::READ;
    const IS_OF_TENANT: bool = false;
    type Input = Nothing;
    type Output = Output;

    async fn run(context: Context<'_>, _: Nothing) -> Result<Output, ToolFault> {
        let status = context.service.coordinator.status();
        let listeners = status.entries.into_iter().map(|entry| Listener {
            name: entry.id.to_string(),
            started: matches!(entry.state.to_string().as_str(), "running" | "degraded"),
            shutdown_timeout_seconds: entry.shutdown_timeout.as_secs_f64(),
        });
        Ok(Output {
            state: context.service.state_of_host(status.state).to_owned(),
            uptime_seconds: status.uptime.as_secs(),
            shutdown_reason: context.service.shutdown_reason(context.by),
            listeners: listeners.collect(),
            daemon_session_id: status.daemon_session_id,
        })
    }
}
