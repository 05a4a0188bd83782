//! What tenants spent: looking, recording, comparing, renewing.

use super::{Principal, Problem, ProblemKind, Service, api};
use crate::{
    cost::{CostError, CostState, NewUsage},
    domain::{PrimaryState, TenantId, Timestamp},
    engine::cost::Usage,
};

/// From whom an operator's usages come: their ids do not meet those of plugins.
const OPERATOR_SOURCE: &str = "operator";

impl Service {
    /// How a tenant's money stands.
    ///
    /// # Errors
    /// If there is no such tenant, or its account cannot be read.
    pub async fn cost(&self, input: &api::MaybeTenant) -> Result<api::CostState, Problem> {
        let tenant = self.known_tenant_or_only(input.tenant.as_deref())?;
        self.cost_state(&tenant).await
    }

    /// Counts what a call of a model cost.
    ///
    /// # Errors
    /// If there is no such tenant, the usage makes no sense, or it cannot be counted.
    pub async fn record_usage(
        &self,
        by: &Principal,
        input: api::RecordUsage,
    ) -> Result<api::UsageRecorded, Problem> {
        let tenant = self.known_tenant_or_only(input.tenant.as_deref())?;
        let new = NewUsage {
            usage: Usage {
                route: input.route,
                model: input.model,
                input_tokens: input.input_tokens,
                output_tokens: input.output_tokens,
                cost_usd: input.cost_usd,
            },
            id: input.id,
            source: OPERATOR_SOURCE.to_owned(),
            actor: by.actor(),
        };
        let recorded = self.costs.record(&tenant, new).await;
        let recorded = recorded.map_err(|error| cost_problem(&error))?;
        Ok(api::UsageRecorded {
            tenant: tenant.to_string(),
            repeated: recorded.repeated,
            rung: recorded.rung.to_string(),
            spent_to_date_usd: recorded.spent_to_date_usd,
        })
    }

    /// Compares what was counted with the provider's figure.
    ///
    /// # Errors
    /// If there is no such tenant, the figure is none, or the account cannot be changed.
    pub async fn reconcile_cost(
        &self,
        by: &Principal,
        input: &api::ReconcileCost,
    ) -> Result<api::CostReconciled, Problem> {
        let tenant = self.known_tenant_or_only(input.tenant.as_deref())?;
        let reconciled = self.costs.reconcile(&tenant, input.spent_usd, by.actor()).await;
        let reconciled = reconciled.map_err(|error| cost_problem(&error))?;
        Ok(api::CostReconciled {
            tenant: tenant.to_string(),
            rung: reconciled.rung.to_string(),
            spent_to_date_usd: reconciled.comparison.spent,
            last_reconciled_usd: input.spent_usd,
            bumped_by_usd: reconciled.comparison.bumped_by,
            within_tolerance: reconciled.comparison.is_within_tolerance,
        })
    }

    /// Notes that credit was granted for a new billing period. A tenant that was paused for want of it stays so until it is resumed.
    ///
    /// # Errors
    /// If there is no such tenant, the time is none, no period may begin then, or the account cannot be changed.
    pub async fn refresh_cost(
        &self,
        by: &Principal,
        input: &api::RefreshCost,
    ) -> Result<api::CostState, Problem> {
        let tenant = self.known_tenant_or_only(input.tenant.as_deref())?;
        let start = input.billing_period_start.as_deref().map(moment).transpose()?;
        let refreshed = self.costs.refresh(&tenant, start, by.actor()).await;
        refreshed.map_err(|error| cost_problem(&error))?;
        self.cost_state(&tenant).await
    }

    /// Looks at the account of a tenant that was taken up or resumed. A fault keeps nobody from taking work, but from spending; the answer
    /// is false then.
    pub(super) async fn settle_cost(&self, tenant: &TenantId) -> bool {
        let settled = self.costs.settle(tenant).await;
        if let Err(error) = &settled {
            tracing::error!(%tenant, %error, "what the tenant spent is not known: it may not spend anything");
        }
        settled.is_ok()
    }

    /// Looks at the account of a tenant that runs here, because another host may have counted what spends the last of it: that one has no
    /// state to pause. A tenant that is booting is looked at once it has booted. False if the account could not be read.
    pub(super) async fn follow_cost(&self, tenant: &TenantId) -> bool {
        let now = self.states.current(tenant);
        let has_booted = now.is_some_and(|now| now.state.primary_state != PrimaryState::Booting);
        !has_booted || self.settle_cost(tenant).await
    }

    /// After a reload: what was said of money may have put tenants on another rung.
    pub(super) async fn settle_costs(&self, applied: &[String]) {
        let is_of_cost = |key: &String| key.split('.').any(|segment| segment == "cost");
        if applied.iter().any(is_of_cost) {
            for tenant in self.states.tenants() {
                self.settle_cost(&tenant).await;
            }
        }
    }

    async fn cost_state(&self, tenant: &TenantId) -> Result<api::CostState, Problem> {
        let state = self.costs.state(tenant).await;
        state
            .map(|state| view(tenant, state))
            .map_err(|error| cost_problem(&error))
    }
}

fn view(tenant: &TenantId, state: CostState) -> api::CostState {
    let shown = |moment: Timestamp| moment.to_rfc3339_seconds();
    let account = state.account;
    let of_route = |(route, models): (String, std::collections::BTreeMap<String, _>)| {
        let line = move |(model, line): (String, crate::engine::cost::Line)| api::UsageLine {
            route: route.clone(),
            model,
            usages: line.usages,
            input_tokens: line.input_tokens,
            output_tokens: line.output_tokens,
            cost_usd: line.cost_usd,
        };
        models.into_iter().map(line)
    };
    api::CostState {
        tenant: tenant.to_string(),
        rung: state.rung.to_string(),
        unknown: state.unknown.map(|why| why.to_string()),
        credit_pool_usd: state.ladder.pool,
        spent_to_date_usd: account.spent_to_date_usd,
        recorded_usd: account.recorded_usd,
        billing_period_start: shown(state.period.start()),
        billing_period_end: shown(state.period.end()),
        last_reconciled_at: account.last_reconciled_at.map(shown),
        last_reconciled_usd: account.last_reconciled_usd,
        burn_rate_usd_per_day: state.last_24h_usd,
        projected_usd: state.projected_usd,
        ramp_due: account.ramp_due,
        ramp_began_at: account.ramp_began_at.map(shown),
        usages: account.lines.into_iter().flat_map(of_route).collect(),
    }
}

/// A moment as an operator writes it; a date is its midnight in UTC.
fn moment(text: &str) -> Result<Timestamp, Problem> {
    let of_date = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let moment = text.parse::<jiff::Timestamp>().ok().or_else(of_date);
    let moment = moment.map(|moment| Timestamp::from_micros(moment.as_microsecond()));
    moment.ok_or_else(|| {
        let found: String = text.escape_debug().take(40).collect();
        let message = format!(
            "`{found}` is no time: expected a date such as `2026-12-01`, or a time such as `2026-12-01T00:00:00Z`"
        );
        Problem::new(ProblemKind::BadInput, "cost.period", message)
    })
}

fn cost_problem(error: &CostError) -> Problem {
    let (kind, code) = match error {
        CostError::Usage(_) | CostError::Key { .. } => (ProblemKind::BadInput, "cost.usage"),
        CostError::KeyReused { .. } => (ProblemKind::Conflict, "cost.id_reused"),
        CostError::Figure { .. } => (ProblemKind::BadInput, "cost.figure"),
        CostError::Period { .. } => (ProblemKind::Conflict, "cost.period"),
        CostError::Unreadable { .. } => (ProblemKind::Internal, "cost.unreadable"),
        CostError::KeptChanging { .. } => (ProblemKind::Conflict, "cost.kept_changing"),
        CostError::Store(_) | CostError::Commit(_) => (ProblemKind::Unavailable, "store.unavailable"),
        CostError::Interrupted(_) => (ProblemKind::Unavailable, "host.interrupted"),
    };
    Problem::new(kind, code, error.to_string())
}
