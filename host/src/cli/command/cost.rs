//! `kora cost`.

use clap::{Args, Subcommand};

use crate::{
    cli::{context::Context, failure::Outcome, view},
    domain::Money,
    service::api::{Call, MaybeTenant, ReconcileCost, RecordUsage, RefreshCost},
};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum CostCommand {
    /// Show what a tenant spent, on which rung of the ladder it stands, and what it will have spent
    Show(Whose),
    /// Count what a call of a model cost
    ///
    /// Money that is spent is counted on every rung. Once all credit is spent, the tenant is paused.
    Record(Record),
    /// Compare what was counted with what the provider says was spent in the billing period
    ///
    /// What was counted is lifted to the provider's figure if that is more than a tenth higher, or on a higher rung; it is never lowered.
    /// Spending that was not compared for longer than `cost.stale_after_seconds` counts as unknown, and nothing more may be spent.
    Reconcile(Reconcile),
    /// Confirm that credit was granted for a new billing period
    ///
    /// Nothing is spent of it yet. A tenant that was paused for want of credit stays so until `kora state resume`.
    Refresh(Refresh),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Whose {
    /// The tenant; may be left out where there is exactly one
    tenant: Option<String>,
    /// The same, as `kora state` and `kora tickets` take it
    #[arg(long = "tenant", value_name = "TENANT", conflicts_with = "tenant")]
    named: Option<String>,
}

impl Whose {
    fn tenant(self) -> Option<String> {
        self.tenant.or(self.named)
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Record {
    #[command(flatten)]
    whose: Whose,
    /// What it cost, in US dollars with at most six decimals
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    cost: Money,
    /// Which model
    #[arg(long, value_name = "NAME")]
    model: String,
    /// What it was for
    #[arg(long, value_name = "NAME", default_value = "unknown")]
    route: String,
    /// Tokens that the model read
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    input_tokens: u64,
    /// Tokens that the model wrote
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    output_tokens: u64,
    /// Recording the same id twice is recording once
    #[arg(long, value_name = "TEXT")]
    id: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Reconcile {
    #[command(flatten)]
    whose: Whose,
    /// The provider's figure for the current billing period, in US dollars
    #[arg(long, value_name = "USD", allow_hyphen_values = true)]
    spent: Money,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Refresh {
    #[command(flatten)]
    whose: Whose,
    /// When the new period began, as a date or in RFC 3339; else at the end of the current one, or now if that is not over
    #[arg(long, value_name = "TIME")]
    period_start: Option<String>,
}

pub(in crate::cli) fn run(command: CostCommand, context: &mut Context<'_>) -> Outcome {
    match command {
        CostCommand::Show(whose) => {
            let tenant = whose.tenant();
            context.ask(&Call::CostShow(MaybeTenant { tenant }), view::cost::state)
        }
        CostCommand::Record(record) => context.ask(&Call::CostRecord(record.into()), view::cost::recorded),
        CostCommand::Reconcile(Reconcile { whose, spent }) => {
            let call = Call::CostReconcile(ReconcileCost {
                tenant: whose.tenant(),
                spent_usd: spent,
            });
            context.ask(&call, view::cost::reconciled)
        }
        CostCommand::Refresh(Refresh { whose, period_start }) => {
            let call = Call::CostRefresh(RefreshCost {
                tenant: whose.tenant(),
                billing_period_start: period_start,
            });
            context.ask(&call, view::cost::state)
        }
    }
}

impl From<Record> for RecordUsage {
    fn from(record: Record) -> Self {
        Self {
            tenant: record.whose.tenant(),
            route: record.route,
            model: record.model,
            input_tokens: record.input_tokens,
            output_tokens: record.output_tokens,
            cost_usd: record.cost,
            id: record.id,
        }
    }
}
