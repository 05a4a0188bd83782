//! `[cost]` and `[tenants.<id>.cost]`: what may be spent.

use serde::{Deserialize, Deserializer, Serialize};

use super::Config;
use crate::domain::{Money, TenantId};

/// `[cost]`: what holds for each tenant that has nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CostSection {
    /// What a tenant may spend in a billing period.
    #[serde(deserialize_with = "usd")]
    pub credit_pool_usd: Money,
    /// Where `warn_75` begins, in hundredths of the pool.
    pub warn_percent: u32,
    /// Where `downshift_90` begins, in hundredths of the pool.
    pub downshift_percent: u32,
    /// How long spending may go without being compared with the provider's figure.
    pub stale_after_seconds: u64,
    /// Models, the largest first.
    pub models: Vec<String>,
}

impl Default for CostSection {
    fn default() -> Self {
        Self {
            credit_pool_usd: Money::from_dollars(200),
            warn_percent: 75,
            downshift_percent: 90,
            stale_after_seconds: 7 * 24 * 3600,
            models: ["opus", "sonnet", "haiku"].map(str::to_owned).to_vec(),
        }
    }
}

/// `[tenants.<id>.cost]`: what is otherwise for one tenant.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantCostSection {
    /// Instead of `cost.credit_pool_usd`.
    #[serde(deserialize_with = "usd_if_set")]
    pub credit_pool_usd: Option<Money>,
    /// Instead of `cost.warn_percent`.
    pub warn_percent: Option<u32>,
    /// Instead of `cost.downshift_percent`.
    pub downshift_percent: Option<u32>,
    /// Instead of `cost.stale_after_seconds`.
    pub stale_after_seconds: Option<u64>,
}

impl TenantCostSection {
    /// Whether it says where a rung of the ladder begins.
    pub(super) fn has_own_thresholds(&self) -> bool {
        self.warn_percent.is_some() || self.downshift_percent.is_some()
    }
}

impl CostSection {
    /// With what is otherwise for one tenant laid over it.
    #[must_use]
    pub fn with(&self, over: &TenantCostSection) -> Self {
        Self {
            credit_pool_usd: over.credit_pool_usd.unwrap_or(self.credit_pool_usd),
            warn_percent: over.warn_percent.unwrap_or(self.warn_percent),
            downshift_percent: over.downshift_percent.unwrap_or(self.downshift_percent),
            stale_after_seconds: over.stale_after_seconds.unwrap_or(self.stale_after_seconds),
            models: self.models.clone(),
        }
    }

    /// What is wrong with the thresholds, if they are.
    pub(super) fn contradiction(&self) -> Option<String> {
        let (warn, downshift) = (self.warn_percent, self.downshift_percent);
        (warn >= downshift).then(|| {
            format!(
                "`warn_percent` is {warn} and `downshift_percent` {downshift}: expected the first to be less"
            )
        })
    }
}

impl Config {
    /// What a tenant may spend.
    pub fn cost_of(&self, tenant: &TenantId) -> CostSection {
        match self.tenant(tenant) {
            Some(section) => self.cost.with(&section.cost),
            None => self.cost.clone(),
        }
    }
}

/// An amount as an operator writes it. A floating-point number would not be exact.
#[derive(Deserialize)]
#[serde(untagged)]
enum Usd {
    Text(Money),
    Dollars(u32),
}

fn usd<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Money, D::Error> {
    Ok(match Usd::deserialize(deserializer)? {
        Usd::Text(money) => money,
        Usd::Dollars(dollars) => Money::from_dollars(dollars),
    })
}

fn usd_if_set<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Money>, D::Error> {
    usd(deserializer).map(Some)
}
