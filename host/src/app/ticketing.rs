//! What tickets need of the other parts: who acts in a tenant, and what the operator set; and what plugins ask of them.

use serde_json::Value;
use uuid::Uuid;

use super::wire;
use crate::{
    config::Config,
    domain::{Actor, ActorKind, TenantActor, TenantId},
    engine::{
        ramp::Ramp,
        ticket::{Ending, Held, NotHeld},
    },
    plugin::{ListRequest, PluginIdentity, PortError, TicketCall},
    service::api,
    tenants::Tenants,
    tickets::{Agents, ClaimRequest, LIST_MAX, LedgerRow, TicketError, TicketQuery, TicketRules, Tickets},
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

/// What a plugin asked of tickets or the ledger, in its own name.
pub async fn answer_plugin(
    tickets: &Tickets,
    from: &PluginIdentity,
    tenant: TenantId,
    call: TicketCall,
) -> Result<Value, PortError> {
    let by = Actor {
        kind: ActorKind::Plugin,
        id: Some(from.name.to_string()),
    };
    let held = |fence_token| Held {
        fence_token,
        by: by.clone(),
    };
    let ticket = |stored| json(api::Ticket::from(stored));
    let row = |stored| json(api::Operation::from(stored));
    match call {
        TicketCall::List(query) => list(tickets, &tenant, query).await,
        TicketCall::Claim(wanted) => {
            let request = ClaimRequest {
                ticket: wanted.ticket,
                contract_version: wanted.contract_version,
                holder: by,
            };
            let answer = tickets.claim(&tenant, request).await.map_err(refused)?;
            json(api::ClaimAnswer::from(answer))
        }
        TicketCall::Refresh(it) => {
            let held = held(it.claim_fence_token);
            let refreshed = tickets.refresh(&tenant, it.ticket, held, it.progress, it.extend_by_seconds);
            refreshed.await.map_err(refused).and_then(ticket)
        }
        TicketCall::Release(it) => {
            let released = tickets.release(&tenant, it.ticket, held(it.claim_fence_token), it.reason);
            released.await.map_err(refused).and_then(ticket)
        }
        TicketCall::Resolve(it) => {
            let ending = Ending {
                resolution: it.resolution,
                summary: it.resolution_summary,
                model_tier_used: it.model_tier_used,
                retry_reason: it.retry_reason,
                next_eligible_offset_seconds: it.next_eligible_offset_seconds,
            };
            let resolved = tickets.resolve(&tenant, it.ticket, held(it.claim_fence_token), ending);
            resolved.await.map_err(refused).and_then(ticket)
        }
        TicketCall::Allocate(it) => {
            let allocated = tickets.allocate(&tenant, it.ticket, held(it.claim_fence_token), &it.tool_name);
            allocated.await.map_err(refused).and_then(row)
        }
        TicketCall::Step(it) => {
            let none = || PortError::Invalid("no step leads to `allocated`".to_owned());
            let step = it.step().ok_or_else(none)?;
            let place = LedgerRow {
                ticket: it.ticket,
                held: held(it.claim_fence_token),
                operation: it.operation,
            };
            let stepped = tickets.step(&tenant, place, step);
            stepped.await.map_err(refused).and_then(row)
        }
    }
}

async fn list(tickets: &Tickets, tenant: &TenantId, query: ListRequest) -> Result<Value, PortError> {
    if let Some(limit) = query.limit.filter(|limit| !(1..=LIST_MAX).contains(limit)) {
        let message = format!("limit is {limit}, expected 1 to {LIST_MAX}");
        return Err(PortError::Invalid(message));
    }
    let query = TicketQuery {
        statuses: query.statuses,
        before: query.before,
        limit: query.limit,
    };
    let found = tickets.list(tenant, query).await.map_err(refused)?;
    let without_body = |stored| api::Ticket {
        body: None,
        ..api::Ticket::from(stored)
    };
    json(found.into_iter().map(without_body).collect::<Vec<_>>())
}

fn json(answer: impl serde::Serialize) -> Result<Value, PortError> {
    serde_json::to_value(answer).map_err(|error| PortError::Failed(error.to_string()))
}

fn refused(error: TicketError) -> PortError {
    let message = error.to_string();
    match error {
        TicketError::Unknown { .. }
        | TicketError::ActorUnknown { .. }
        | TicketError::Input(_)
        | TicketError::NoProgress => PortError::Invalid(message),
        TicketError::NotHeld(NotHeld::Anothers) => PortError::Denied(message),
        TicketError::NotHeld(_)
        | TicketError::NotUnderWay { .. }
        | TicketError::Step(_)
        | TicketError::Status { .. }
        | TicketError::KeptChanging => PortError::Conflict(message),
        TicketError::TooManyOperations => PortError::Quota(message),
        TicketError::Commit(error) => wire::commit_error(error),
        TicketError::Store(_) | TicketError::Interrupted(_) => PortError::Unavailable(message),
        TicketError::Damaged { .. } => PortError::Failed(message),
    }
}
