//! `kora health`.

use clap::Args;

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Outcome},
        view,
    },
    service::api::{Call, Health, MaybeTenant},
    socket::read_answer,
};

/// The word for what nothing is wrong with.
const HEALTHY: &str = "healthy";

/// Show how healthy the host or a tenant is, and why
///
/// Without a tenant: the host, of which each subsignal is the worst of its own and its tenants'.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  healthy
  1  degraded, stopped or in outage
  2  the daemon cannot be reached: nothing is known")]
pub(in crate::cli) struct HealthArguments {
    /// The tenant
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

pub(in crate::cli) fn run(arguments: HealthArguments, context: &mut Context<'_>) -> Outcome {
    let call = Call::Health(MaybeTenant {
        tenant: arguments.tenant,
    });
    let answer = context.daemon()?.call(&call)?;
    let is_healthy = answer["overall_status"] == HEALTHY;
    if context.ui.json {
        context.ui.json(&answer)?;
    } else {
        let health: Health = read_answer(answer)?;
        context.ui.data(&view::health::health(&health))?;
    }
    Ok(if is_healthy { Exit::OK } else { Exit::FAILED })
}
