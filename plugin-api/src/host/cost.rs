//! What tenants spend, as an author sees it.

use kora_plugin_abi::cost1;
use serde::{Deserialize, Serialize};

use super::{Host, OnceLock, answer, fetch, parse};
use crate::Result;

/// What one call of a model used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// What it was for: 1 to 64 letters, digits and `_ - . : /`.
    pub route: String,
    /// Which model, in the same form.
    pub model: String,
    /// Tokens that the model read.
    pub input_tokens: u64,
    /// Tokens that the model wrote.
    pub output_tokens: u64,
    /// What it cost, in millionths of a US dollar. Round up: what is not counted is spent all the same.
    pub cost_micro_usd: u64,
    /// Recording the same id of this plugin twice is recording once: 1 to 128 printable ASCII characters without blanks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// What became of a usage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct UsageRecorded {
    /// It was recorded before.
    pub repeated: bool,
    /// `normal`, `warn_75`, `downshift_90` or `hard_stop_100`.
    pub rung: String,
    /// What counts as spent in the billing period, in millionths of a US dollar.
    pub spent_to_date_micro_usd: i64,
}

/// How a tenant's money stands. Amounts are millionths of a US dollar, times microseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CostState {
    /// `normal`, `warn_75`, `downshift_90` or `hard_stop_100`.
    pub rung: String,
    /// Why it is not known what was spent, if it is not: nothing may be spent then, whatever the rung.
    pub unknown: Option<String>,
    /// What may be spent in the billing period.
    pub credit_pool_micro_usd: i64,
    /// What counts as spent of it.
    pub spent_to_date_micro_usd: i64,
    /// When the billing period began.
    pub billing_period_start_us: i64,
    /// When it ends.
    pub billing_period_end_us: i64,
    /// When the provider's figure was last compared in this period.
    pub last_reconciled_at_us: Option<i64>,
    /// The provider's figure then.
    pub last_reconciled_micro_usd: Option<i64>,
    /// What was recorded in the last 24 hours.
    pub burn_rate_micro_usd_per_day: i64,
    /// What will have been spent at the end of the period at that rate; absent once it is over.
    pub projected_micro_usd: Option<i64>,
}

/// Whether work may be done by a smaller model when money runs short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Criticality {
    /// A smaller model will do.
    DownshiftEligible,
    /// It waits rather than being done by a smaller model.
    #[default]
    FrontierOnly,
}

impl Criticality {
    fn wire(self) -> &'static str {
        match self {
            Self::DownshiftEligible => "downshift_eligible",
            Self::FrontierOnly => "frontier_only",
        }
    }
}

/// Whether money may be spent on a piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SpendingDecision {
    /// `allowed`, `deferred`, `halted` or `unknown`. Whatever is not `allowed` means no.
    pub decision: String,
    /// The model to take, which may be a smaller one than was meant; absent unless it is allowed. It may be a word such as `haiku`
    /// that stands for a model.
    pub model: Option<String>,
    /// Why not.
    pub detail: Option<String>,
}

impl SpendingDecision {
    /// The model to take, if money may be spent.
    pub fn allowed(&self) -> Option<&str> {
        self.model.as_deref().filter(|_| self.decision == "allowed")
    }
}

impl Host {
    table!(cost_table, cost1, Cost);

    /// Counts what a call of a model cost a tenant, and answers once that is durable. If it spends the last of the credit, the
    /// tenant is paused. Permission `cost`.
    ///
    /// # Errors
    /// See [`Host`]; [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if the usage makes no sense,
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if its id was used for another. After any other error it may have been
    /// counted: with an id it can be told of again.
    pub async fn record_usage(&self, tenant: &str, usage: &Usage) -> Result<UsageRecorded> {
        let call = {
            let (table, handle) = self.cost_table()?;
            let usage = serde_json::to_vec(usage)?;
            (table.record)(handle, tenant.as_bytes().into(), usage.as_slice().into())
        };
        parse(answer(call.await))
    }

    /// How a tenant's money stands. Permission `cost`.
    ///
    /// # Errors
    /// See [`Host`]. Take an error for "unknown": nothing may be spent then.
    pub async fn cost_state(&self, tenant: &str) -> Result<CostState> {
        let call = {
            let (table, handle) = self.cost_table()?;
            (table.state)(handle, tenant.as_bytes().into())
        };
        parse(answer(call.await))
    }

    /// Whether money may be spent on a piece of work that is meant for `model`, and which model is to do it. Ask before each
    /// call. Permission `cost`.
    ///
    /// # Errors
    /// See [`Host`]. Take an error for a no.
    pub async fn may_spend(
        &self,
        tenant: &str,
        criticality: Criticality,
        model: &str,
    ) -> Result<SpendingDecision> {
        let call = {
            let (table, handle) = self.cost_table()?;
            (table.may_spend)(
                handle,
                tenant.as_bytes().into(),
                criticality.wire().as_bytes().into(),
                model.as_bytes().into(),
            )
        };
        parse(answer(call.await))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn only_what_is_allowed_names_a_model() {
        for (decision, model) in [("allowed", Some("haiku")), ("halted", None), ("tomorrow", None)] {
            let answer: SpendingDecision =
                from_value(json!({"decision": decision, "model": "haiku", "detail": null})).expect("reads");
            assert_eq!(answer.allowed(), model, "{decision}");
        }
    }
}
