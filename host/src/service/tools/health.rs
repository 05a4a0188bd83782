//! `kora__get_health_rollup`.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Annotations, Context, HostTool, ToolFault, ToolKind, daemon_status::Nothing};
use crate::service::api;

/// Of a tenant that another host holds: how it is is known there.
const UNKNOWN: &str = "unknown";

/// How healthy a tenant is.
pub(super) struct GetHealthRollup;

/// How healthy a tenant is.
#[derive(Serialize, JsonSchema)]
pub(super) struct Rollup {
    /// `healthy`, `degraded`, `stopped` or `outage`: the worse of the two below. `unknown` of a tenant that does not run here.
    overall_status: String,
    control_plane_status: String,
    worker_status: String,
    subsignals: Vec<Subsignal>,
    /// Whether the tenant runs here.
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
        if context.service.membership.holder(context.tenant()?).is_some() {
            return Ok(Rollup {
                overall_status: UNKNOWN.to_owned(),
                control_plane_status: UNKNOWN.to_owned(),
                worker_status: UNKNOWN.to_owned(),
                subsignals: Vec::new(),
                holder_available: false,
            });
        }
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
