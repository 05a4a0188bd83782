//! A call as data, to the use case that it names.

use serde::Serialize;
use serde_json::Value;

use super::{Principal, Problem, ProblemKind, Service, api::Call};

impl Service {
    /// Carries out a call of the operator's.
    ///
    /// # Errors
    /// What the use case answers.
    pub async fn call(&self, by: &Principal, call: Call) -> Result<Value, Problem> {
        self.need(call.tenant()).await;
        let answered = self.carry_out(by, call).await;
        answered.map_err(|problem| self.told_to(by, problem))
    }

    async fn carry_out(&self, by: &Principal, call: Call) -> Result<Value, Problem> {
        match call {
            Call::Status(_) => json(self.status().await),
            Call::Health(input) => json(self.health(&input).await?),
            Call::PluginsList(_) => json(self.plugins().await),
            Call::PluginsEnable(input) => json(self.enable_plugin(by, &input).await?),
            Call::PluginsDisable(input) => json(self.disable_plugin(by, &input).await?),
            Call::PluginsRestart(input) => json(self.restart_plugin(by, &input).await?),
            Call::TenantsList(_) => json(self.tenants()),
            Call::TenantsAdd(input) => json(self.add_tenant(by, input).await?),
            Call::TenantsDisable(input) => json(self.disable_tenant(by, &input).await?),
            Call::TenantsEnable(input) => json(self.enable_tenant(by, &input).await?),
            Call::IdentityList(_) => json(self.identities()),
            Call::IdentityShow(input) => json(self.identity(&input)?),
            Call::IdentitySwap(input) => json(self.swap_identity(by, input).await?),
            Call::IdentityRollback(input) => json(self.roll_identity_back(by, input).await?),
            Call::IdentityWhy(input) => json(self.why(&input).await?),
            Call::StateShow(input) => json(self.state(&input).await?),
            Call::StatePause(input) => json(self.pause(by, input).await?),
            Call::StateResume(input) => json(self.resume(by, input).await?),
            Call::BootHistory(input) => json(self.boot_history(&input).await?),
            Call::BootAcceptEpoch(input) => json(self.accept_epoch(by, &input).await?),
            Call::StateStop(input) => json(self.stop(by, input).await?),
            Call::StateReset(input) => json(self.reset(by, input).await?),
            Call::StateCommands(input) => json(self.commands(&input).await?),
            Call::CostShow(input) => json(self.cost(&input).await?),
            Call::CostRecord(input) => json(self.record_usage(by, input).await?),
            Call::CostReconcile(input) => json(self.reconcile_cost(by, &input).await?),
            Call::CostRefresh(input) => json(self.refresh_cost(by, &input).await?),
            Call::EventsAppend(input) => json(self.append_event(by, input).await?),
            Call::EventsTail(input) => json(self.tail_events(&input).await?),
            Call::EventsCheckpoint(input) => json(self.checkpoint(&input).await?),
            Call::TicketsCreate(input) => json(self.create_ticket(by, input).await?),
            Call::TicketsList(input) => json(self.tickets(input).await?),
            Call::TicketsShow(input) => json(self.ticket(&input).await?),
            Call::TicketsClaim(input) => json(self.claim_ticket(by, input).await?),
            Call::TicketsRefresh(input) => json(self.refresh_ticket(by, input).await?),
            Call::TicketsRelease(input) => json(self.release_ticket(by, input).await?),
            Call::TicketsResolve(input) => json(self.resolve_ticket(by, input).await?),
            Call::TicketsReopen(input) => json(self.reopen_ticket(by, &input).await?),
            Call::TicketsAssign(input) => json(self.assign_ticket(by, &input).await?),
            Call::OperationsList(input) => json(self.operations(input).await?),
            Call::LogsTail(input) => json(self.logs(&input)?),
            Call::LogsLevels(_) => json(self.log_levels()),
            Call::LogsSetLevel(input) => json(self.set_log_level(by, &input)?),
            // The tools work with the use cases; who holds both answers these.
            Call::ToolsList(_) | Call::ToolsCall(_) | Call::AuditFlush(_) | Call::McpServe(_) => {
                Err(Problem::new(
                    ProblemKind::Unavailable,
                    "tools.not_here",
                    "tools are called over the control socket, MCP or HTTP",
                ))
            }
            Call::ConfigShow(_) => json(self.show_config()),
            Call::ConfigReload(_) => json(self.reload_config(by).await?),
        }
    }
}

impl Call {
    /// The tenant that has to have booted for this.
    fn tenant(&self) -> Option<&str> {
        match self {
            Self::TenantsDisable(input)
            | Self::TenantsEnable(input)
            | Self::IdentityShow(input)
            | Self::IdentityWhy(input) => Some(&input.tenant),
            Self::IdentitySwap(input) => Some(&input.tenant),
            Self::IdentityRollback(input) => Some(&input.tenant),
            Self::StateShow(input) => input.tenant.as_deref(),
            Self::StatePause(input) | Self::StateResume(input) => input.tenant.as_deref(),
            Self::StateStop(input) => input.tenant.as_deref(),
            Self::StateReset(input) => input.tenant.as_deref(),
            Self::EventsAppend(input) => input.tenant.as_deref(),
            _ => None,
        }
    }
}

fn json(answer: impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(answer)
        .map_err(|error| Problem::new(ProblemKind::Internal, "host.answer", error.to_string()))
}
