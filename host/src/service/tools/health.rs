//! `kora__get_health_rollup`.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Annotations, Context, HostTool, ToolFault, ToolKind, daemon_status::Nothing};
use crate::service::api;

/// How healthy a tenant is.
pub(super) struct GetHealthRollup;

/// How healthy a tenant is.
#[derive(Serialize, JsonSchema)]
pub(super) struct Rollup {
    /// `healthy`, `degraded`, `stopped` or `outage`: the worse of the two below.
    overall_status: String,
    control_plane_status: String,
    worker_status: String,
    subsignals: Vec<Subsignal>,
    /// Whether the tenant has a state at all.
    holder_available: bool,
}

/// One thing that was looked at.
#[derive(Serialize, JsonSchema)]
struct Subsignal {
    name: String,
    /// `fresh`, `stale`, `missing` or `degraded`.
    status: String,
    last_update_at: Option<String>,
    detail: String,
}

impl HostTool for GetHealthRollup {
    const NAME: &'static str = "kora__get_health_rollup";
    const TITLE: &'static str = "Health rollup";
    const DESCRIPTION: &'static str = "How healthy a tenant is: eight subsignals, two groups, one word.";
    const KIND: ToolKind = ToolKind::Read;
    const ANNOTATIONS: Annotations = Annotations::READ;
    type Input = Nothing;
    type Output = Rollup;

    async fn run(context: Context<'_>, _: Nothing) -> Result<Rollup, ToolFault> {
        let input = api::MaybeTenant {
            tenant: context.tenant_text()?,
        };
        let health = context.service.health(&input).await?;
        let subsignals = health.subsignals.into_iter().map(|signal| Subsignal {
            name: signal.name,
            status: signal.status,
            last_update_at: signal.last_update_at,
            detail: signal.detail,
        });
        Ok(Rollup {
            overall_status: health.overall_status,
            control_plane_status: health.control_plane_status,
            worker_status: health.worker_status,
            subsignals: subsignals.collect(),
            holder_available: context.service.states.current(context.tenant()?).is_some(),
        })
    }
}
