//! The events that tell what happened to an account.

use serde_json::json;

use crate::{
    domain::{Actor, EventId, Money, TenantId},
    engine::{
        cost::{Account, Comparison, Policy},
        vocabulary::OwnType,
    },
    tenants::Telling,
};

/// Whose account, under what policy, and who changed it.
pub(super) struct About<'a> {
    pub tenant: &'a TenantId,
    pub policy: &'a Policy,
    pub actor: &'a Actor,
}

impl About<'_> {
    /// That the tenant stands on another rung, if it does.
    pub fn rung(&self, before: &Account, after: &Account) -> Option<Telling> {
        let payload = json!({
            "from_rung": before.rung,
            "to_rung": after.rung,
            "spent_to_date_usd": after.spent_to_date_usd,
            "credit_pool_usd": self.policy.ladder.pool,
            "billing_period_start": after.billing_period_start.to_rfc3339_seconds(),
        });
        (before.rung != after.rung).then(|| self.telling(OwnType::CostRungChanged, payload))
    }

    /// That the provider's figure was compared.
    pub fn reconciled(&self, provider: Money, after: &Account, comparison: &Comparison) -> Telling {
        let payload = json!({
            "last_reconciled_usd": provider,
            "spent_to_date_usd": after.spent_to_date_usd,
            "bumped_by_usd": comparison.bumped_by,
            "within_tolerance": comparison.is_within_tolerance,
            "billing_period_start": after.billing_period_start.to_rfc3339_seconds(),
        });
        self.telling(OwnType::CostReconciled, payload)
    }

    /// That credit was granted anew.
    pub fn refreshed(&self, before: &Account, after: &Account) -> Telling {
        let payload = json!({
            "from_billing_period_start": before.billing_period_start.to_rfc3339_seconds(),
            "billing_period_start": after.billing_period_start.to_rfc3339_seconds(),
            "spent_in_period_usd": before.spent_to_date_usd,
            "credit_pool_usd": self.policy.ladder.pool,
        });
        self.telling(OwnType::CostRefreshed, payload)
    }

    fn telling(&self, event_type: OwnType, payload: serde_json::Value) -> Telling {
        Telling {
            tenant: self.tenant.clone(),
            event_id: EventId::new(),
            event_type,
            payload,
            actor: self.actor.clone(),
        }
    }
}
