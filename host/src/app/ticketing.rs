//! What tickets need of the other parts: who acts in a tenant, and what the operator set.

use uuid::Uuid;

use crate::{
    config::Config,
    domain::{TenantActor, TenantId},
    engine::ticket::Ramp,
    tenants::Tenants,
    tickets::{Agents, TicketRules},
};

/// The actors of the register.
pub struct TenantAgents(pub Tenants);

impl Agents for TenantAgents {
    fn agent_of(&self, tenant: &TenantId) -> Option<Uuid> {
        let listed = self.0.get(tenant)?;
        let agent: &TenantActor = listed.canonical_actor()?;
        agent.active.then_some(agent.actor_id)
    }

    fn is_actor(&self, tenant: &TenantId, actor: Uuid) -> bool {
        let actors = self.0.get(tenant).map(|listed| listed.record.actors);
        let is_it = |known: &TenantActor| known.active && known.actor_id == actor;
        actors.is_some_and(|actors| actors.iter().any(is_it))
    }
}

/// As `[tickets]` of the configuration says.
pub fn ticket_rules(config: &Config) -> TicketRules {
    TicketRules {
        lease_seconds: config.tickets.lease_seconds,
        ramp: Ramp {
            lasts_seconds: config.tickets.ramp_seconds,
            spacing_seconds: config.tickets.ramp_spacing_seconds,
        },
    }
}
