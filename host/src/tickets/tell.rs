//! The events of tickets and of the ledger.

use serde_json::{Map, Value, json};

use super::{StoredOperation, StoredTicket};
use crate::{
    domain::{Actor, EventId, Timestamp},
    engine::{
        ticket::{Claim, Ended, Progress},
        vocabulary::OwnType,
    },
    tenants::Telling,
};

fn telling(stored: &StoredTicket, event_type: OwnType, more: Value, actor: &Actor) -> Telling {
    let mut payload = Map::new();
    payload.insert("sea_ticket_id".to_owned(), json!(stored.ticket_id));
    payload.insert("workspace_id".to_owned(), json!(stored.tenant));
    if let Value::Object(more) = more {
        payload.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Telling {
        tenant: stored.tenant.clone(),
        event_id: EventId::new(),
        event_type,
        payload: Value::Object(payload),
        actor: actor.clone(),
    }
}

pub(super) fn created(stored: &StoredTicket, by: &Actor) -> Telling {
    let ticket = &stored.ticket;
    let more = json!({
        "title": ticket.title,
        "kind": ticket.kind,
        "sea_priority": ticket.priority,
        "criticality": ticket.criticality,
        "origin_actor_kind": ticket.origin.kind,
        "origin_actor_id": ticket.origin.id,
        "assigned_to_actor_id": ticket.assigned_to_actor_id,
    });
    telling(stored, OwnType::TicketCreated, more, by)
}

pub(super) fn claimed(stored: &StoredTicket, claim: &Claim) -> Telling {
    let more = json!({
        "claim_fence_token": claim.fence_token,
        "work_attempt_id": claim.work_attempt_id,
        "kora_operation_id": claim.kora_operation_id,
        "claim_count": stored.ticket.claim_count,
        "lease_expires_at": claim.lease_expires_at.to_rfc3339(),
    });
    telling(stored, OwnType::TicketClaimed, more, &claim.holder)
}

pub(super) fn refreshed(
    stored: &StoredTicket,
    claim: &Claim,
    progress: Option<Progress>,
    by: &Actor,
) -> Telling {
    let more = json!({
        "claim_fence_token": claim.fence_token,
        "lease_expires_at": claim.lease_expires_at.to_rfc3339(),
        "progress": progress,
    });
    telling(stored, OwnType::TicketClaimRefreshed, more, by)
}

pub(super) fn resolved(stored: &StoredTicket, ended: &Ended, by: &Actor) -> Telling {
    let resolved = ended.ticket.last_resolution.as_ref();
    let more = json!({
        "resolution": ended.resolution,
        "resolution_summary": resolved.map(|resolved| &resolved.summary),
        "model_tier_used": resolved.and_then(|resolved| resolved.model_tier_used.as_ref()),
        "next_eligible_offset_seconds": ended.next_eligible_offset_seconds,
    });
    telling(stored, OwnType::TicketResolved, more, by)
}

pub(super) fn expired(stored: &StoredTicket, ended: &Ended) -> Telling {
    let more = json!({
        "claim_fence_token": ended.claim.fence_token,
        "work_attempt_id": ended.claim.work_attempt_id,
        "lease_expired_at": ended.claim.lease_expires_at.to_rfc3339(),
        "sea_status": ended.ticket.status,
        "failure_count": ended.ticket.failure_count,
        "next_eligible_at": ended.ticket.next_eligible_at.map(Timestamp::to_rfc3339),
    });
    telling(stored, OwnType::TicketClaimExpired, more, &Actor::host())
}

pub(super) fn reopened(stored: &StoredTicket, by: &Actor) -> Telling {
    telling(stored, OwnType::TicketReopened, Value::Null, by)
}

pub(super) fn assigned(stored: &StoredTicket, by: &Actor) -> Telling {
    let more = json!({"assigned_to_actor_id": stored.ticket.assigned_to_actor_id});
    telling(stored, OwnType::TicketAssigned, more, by)
}

pub(super) fn recorded(stored: &StoredOperation, by: &Actor) -> Telling {
    let row = &stored.operation;
    Telling {
        tenant: stored.tenant.clone(),
        event_id: EventId::new(),
        event_type: OwnType::OperationRecorded,
        payload: json!({
            "kora_operation_id": stored.kora_operation_id,
            "work_attempt_id": row.work_attempt_id,
            "sequence_within_attempt": row.sequence_within_attempt,
            "ticket_id": row.ticket_id,
            "tool_name": row.tool_name,
            "status": row.status,
        }),
        actor: by.clone(),
    }
}
