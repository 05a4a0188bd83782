//! What stop commands and money say about claims, and what stop commands do to those that are held.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::{
    control::{CommandBook, Work},
    cost::Costs,
    domain::{Criticality, TenantId},
    engine::{cost::Decision, ramp::SlowStart},
    tenants::Tenants,
    tickets::{ClaimGuard, Purse, Refusal, Tickets},
};

/// The words of a ticket that a command took from its holder.
const BROKEN_OFF: &str = "a stop command broke it off";

/// Nothing is claimed while a command forbids it.
pub struct StopCommands(pub CommandBook);

#[async_trait]
impl ClaimGuard for StopCommands {
    async fn refuses(&self, tenant: &TenantId, _: Criticality) -> Option<Refusal> {
        let block = self.0.pre_claim(tenant).await.err()?;
        Some(Refusal::control(block.error))
    }
}

/// Nothing is claimed for which there is no money, or of which that is not known.
pub struct Money(pub Costs);

#[async_trait]
impl ClaimGuard for Money {
    async fn refuses(&self, tenant: &TenantId, criticality: Criticality) -> Option<Refusal> {
        match self.0.may_spend(tenant, Some(criticality)).await {
            Decision::Allowed(_) => None,
            Decision::Deferred(rung) => Some(Refusal::cost(format!(
                "the money is on the rung `{rung}`, where work of this criticality waits"
            ))),
            Decision::Halted => Some(Refusal::cost("the money is spent")),
            Decision::Unknown(why) => Some(Refusal::cost(format!("it is not known what was spent: {why}"))),
        }
    }
}

#[async_trait]
impl Purse for Costs {
    async fn slow_start(&self, tenant: &TenantId) -> SlowStart {
        Self::slow_start(self, tenant).await
    }
}

/// The work that tenants do is their claims.
pub struct ClaimedWork {
    pub tickets: Tickets,
    pub tenants: Tenants,
}

#[async_trait]
impl Work for ClaimedWork {
    async fn held(&self, tenant: &TenantId) -> Result<u64, String> {
        let held = self
            .tickets
            .held(tenant)
            .await
            .map_err(|error| error.to_string())?;
        Ok(u64::try_from(held.len()).unwrap_or(u64::MAX))
    }

    async fn at_work(&self) -> Result<BTreeSet<TenantId>, String> {
        let mut at_work = self
            .tickets
            .tenants_at_work()
            .await
            .map_err(|error| error.to_string())?;
        at_work.retain(|tenant| self.tenants.is_served(tenant));
        Ok(at_work)
    }

    async fn abort(&self, tenant: &TenantId) -> Result<(), String> {
        let taken = self.tickets.take_back(tenant, BROKEN_OFF).await;
        taken.map(drop).map_err(|error| error.to_string())
    }
}
