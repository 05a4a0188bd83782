//! What tickets, stop commands and money ask of each other: who holds a claim back, and how much claimed work there is.

use std::sync::OnceLock;

use async_trait::async_trait;

use crate::{
    control::{CommandBook, Work},
    cost::Costs,
    domain::{Criticality, TenantId},
    engine::cost::Decision,
    tickets::{ClaimGuard, Refusal, Tickets},
};

/// Why work is broken off, in the ticket and its event.
const ABORTED: &str = "a stop command broke it off";

/// A command in force holds claims back.
pub struct StoppedClaims(pub CommandBook);

#[async_trait]
impl ClaimGuard for StoppedClaims {
    async fn refuses(&self, tenant: &TenantId, _criticality: Criticality) -> Option<Refusal> {
        let block = self.0.pre_claim(tenant).await.err()?;
        Some(Refusal::control(block.error))
    }
}

/// So does money that is spent, or of which nothing is known.
pub struct CostlyClaims(pub Costs);

#[async_trait]
impl ClaimGuard for CostlyClaims {
    async fn refuses(&self, tenant: &TenantId, criticality: Criticality) -> Option<Refusal> {
        let detail = match self.0.may_spend(tenant, Some(criticality)).await {
            Decision::Allowed(_) => return None,
            Decision::Deferred(rung) => {
                format!("money runs short (`{rung}`): only work that a smaller model may do goes on")
            }
            Decision::Halted => "all credit of the billing period is spent".to_owned(),
            Decision::Unknown(why) => why.to_string(),
        };
        Some(Refusal::cost(detail))
    }
}

/// The claimed tickets are the work that a stop command waits for or breaks off. Tickets are made after commands: until they are wired,
/// it is not known how much there is, and commands wait.
#[derive(Default)]
pub struct TicketWork(OnceLock<Tickets>);

impl TicketWork {
    /// From now on it looks at these.
    pub fn wire(&self, tickets: &Tickets) {
        let first_time = self.0.set(tickets.clone()).is_ok();
        debug_assert!(first_time, "the work is wired once");
    }

    fn tickets(&self) -> Result<&Tickets, String> {
        self.0.get().ok_or_else(|| "the host is starting".to_owned())
    }
}

#[async_trait]
impl Work for TicketWork {
    async fn held(&self, tenant: &TenantId) -> Result<u64, String> {
        let held = self.tickets()?.held(tenant).await;
        held.map_err(|error| error.to_string())
    }

    async fn abort(&self, tenant: &TenantId) -> Result<(), String> {
        let broken_off = self.tickets()?.break_off(tenant, ABORTED).await;
        broken_off.map(drop).map_err(|error| error.to_string())
    }
}
