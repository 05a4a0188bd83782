//! What tenants spend, as it is asked and answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::Money;

/// What a call of a model used. Amounts of money are decimal dollars as text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordUsage {
    /// Whose; may be left out where there is exactly one.
    #[serde(default)]
    pub tenant: Option<String>,
    /// What it was for.
    pub route: String,
    /// Which model.
    pub model: String,
    /// Tokens that the model read.
    #[serde(default)]
    pub input_tokens: u64,
    /// Tokens that the model wrote.
    #[serde(default)]
    pub output_tokens: u64,
    /// What it cost.
    pub cost_usd: Money,
    /// Recording the same id twice is recording once.
    #[serde(default)]
    pub id: Option<String>,
}

/// What the provider says was spent in the current billing period.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconcileCost {
    /// Whose; may be left out where there is exactly one.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The provider's figure.
    pub spent_usd: Money,
}

/// Credit that was granted anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshCost {
    /// Whose; may be left out where there is exactly one.
    #[serde(default)]
    pub tenant: Option<String>,
    /// When the new period began, in RFC 3339 or as a date; without it, at the end of the current one, or now if that is not over.
    #[serde(default)]
    pub billing_period_start: Option<String>,
}

/// How a tenant's money stands. Amounts are decimal dollars as text.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct CostState {
    pub tenant: String,
    /// `normal`, `warn_75`, `downshift_90` or `hard_stop_100`.
    pub rung: String,
    /// Why it is not known what was spent, if it is not: nothing may be spent then.
    pub unknown: Option<String>,
    pub credit_pool_usd: Money,
    pub spent_to_date_usd: Money,
    /// What was recorded; `spent_to_date_usd` has what reconciling added as well.
    pub recorded_usd: Money,
    pub billing_period_start: String,
    pub billing_period_end: String,
    pub last_reconciled_at: Option<String>,
    pub last_reconciled_usd: Option<Money>,
    /// What was recorded in the last 24 hours.
    pub burn_rate_usd_per_day: Money,
    /// What will have been spent at the end of the period at that rate; absent once it is over.
    pub projected_usd: Option<Money>,
    /// After a hard stop, work begins slowly: it is to, or it did at that time.
    pub ramp_due: bool,
    pub ramp_began_at: Option<String>,
    /// Sorted by route and model.
    pub usages: Vec<UsageLine>,
}

/// What one route used of one model in the billing period.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct UsageLine {
    pub route: String,
    pub model: String,
    pub usages: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost_usd: Money,
}

/// A usage that was counted.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct UsageRecorded {
    pub tenant: String,
    /// It was recorded before.
    pub repeated: bool,
    pub rung: String,
    pub spent_to_date_usd: Money,
}

/// A provider's figure that was compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CostReconciled {
    pub tenant: String,
    pub rung: String,
    /// What counts as spent from now on.
    pub spent_to_date_usd: Money,
    pub last_reconciled_usd: Money,
    /// By how much what was counted went up.
    pub bumped_by_usd: Money,
    /// Whether the two differed by no more than a tenth of the provider's.
    pub within_tolerance: bool,
}
