//! Tickets and the operation ledger, as they are asked for and shown. The field names are those of the original's surface.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use crate::engine::{
    operation::OperationStatus,
    ticket::{ClaimResult, Criticality, Priority, Progress, Resolution, RetryReason, TicketStatus},
};
use crate::{
    domain::{ActorKind, Timestamp},
    engine::ticket,
    tickets::{self, StoredOperation, StoredTicket},
};

/// A ticket to make. Kind, origin and id are set by the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTicket {
    /// Whose; may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// What to do, in a line.
    pub title: String,
    /// What to do, at length.
    #[serde(default)]
    pub body: Option<String>,
    /// How much it matters; `normal` unless said.
    #[serde(default)]
    pub priority: Option<Priority>,
    /// Whether a lesser model may do it; it may not unless said.
    #[serde(default)]
    pub criticality: Option<Criticality>,
    /// Whose it is to do; the tenant's agent's unless said.
    #[serde(default)]
    pub assign_to: Option<Uuid>,
}

/// Which tickets.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListTickets {
    /// Whose; may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Only of these; empty: of any.
    #[serde(default)]
    pub statuses: Vec<TicketStatus>,
    /// Only those made before this one.
    #[serde(default)]
    pub before: Option<Uuid>,
    /// At most this many, 1 to 200; 50 unless said.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A ticket by id.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneTicket {
    /// Whose; may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its id.
    pub ticket: Uuid,
}

/// A claim that is wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimTicket {
    /// Whose; may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Which, due or not; without it, the next one that is due.
    #[serde(default)]
    pub ticket: Option<Uuid>,
    /// The version of the contract that the asker speaks.
    #[serde(default)]
    pub contract_version: Option<u32>,
}

/// A claim that is to last longer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshTicket {
    /// Whose; may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its id.
    pub ticket: Uuid,
    /// The token that the claim was answered with.
    pub claim_fence_token: u64,
    /// What went on meanwhile; without it the claim is not refreshed.
    #[serde(default)]
    pub progress: Option<Progress>,
    /// For how long from now; as long as a fresh claim unless said.
    #[serde(default)]
    pub extend_by_seconds: Option<u64>,
}

/// A ticket to give back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseTicket {
    /// Whose; may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its id.
    pub ticket: Uuid,
    /// The token that the claim was answered with.
    pub claim_fence_token: u64,
    /// Why; kept in the event.
    #[serde(default)]
    pub reason: Option<String>,
}

/// An attempt that ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveTicket {
    /// Whose; may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its id.
    pub ticket: Uuid,
    /// The token that the claim was answered with.
    pub claim_fence_token: u64,
    /// How it ended.
    pub resolution: Resolution,
    /// In words; kept in the event.
    pub resolution_summary: String,
    /// The tier of the model that did it.
    #[serde(default)]
    pub model_tier_used: Option<String>,
    /// Why it failed; it fixes when it is tried again.
    #[serde(default)]
    pub retry_reason: Option<RetryReason>,
    /// When it is tried again, from now; goes before the reason's.
    #[serde(default)]
    pub next_eligible_offset_seconds: Option<u64>,
}

/// Whose a ticket is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignTicket {
    /// Whose; may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Its id.
    pub ticket: Uuid,
    /// An actor of the tenant; without it, nobody.
    #[serde(default)]
    pub actor: Option<Uuid>,
}

/// Which rows of the ledger.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListOperations {
    /// Whose; may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Only of this one.
    #[serde(default)]
    pub status: Option<OperationStatus>,
    /// Only those made before this one.
    #[serde(default)]
    pub before: Option<Uuid>,
    /// At most this many, 1 to 200; 50 unless said.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// A ticket.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct Ticket {
    pub tenant: String,
    pub ticket_id: Uuid,
    pub kind: String,
    pub title: String,
    /// Only where one ticket is asked for.
    pub body: Option<String>,
    pub sea_status: TicketStatus,
    pub sea_priority: Priority,
    /// Absent means `frontier_only`.
    pub criticality: Option<Criticality>,
    pub origin_actor_kind: ActorKind,
    pub origin_actor_id: Option<String>,
    pub assigned_to_actor_id: Option<Uuid>,
    /// The fence token of the claim that holds it, if one does.
    pub active_claim_token: Option<u64>,
    pub claim: Option<Claim>,
    pub claim_count: u64,
    pub work_attempt_count: u64,
    pub failure_count: u32,
    pub next_eligible_at: Option<String>,
    pub last_resolution: Option<Resolved>,
    pub created_at: String,
    pub updated_at: String,
}

/// A hold on a ticket.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Claim {
    pub claim_fence_token: u64,
    pub holder_kind: ActorKind,
    pub holder_id: Option<String>,
    pub work_attempt_id: Uuid,
    pub kora_operation_id: Uuid,
    pub claimed_at: String,
    pub lease_expires_at: String,
    /// Operations of the attempt that are under way.
    pub open_operations: Vec<Uuid>,
}

/// How the newest attempt ended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Resolved {
    pub resolution: Resolution,
    pub resolution_summary: String,
    pub model_tier_used: Option<String>,
    pub resolved_at: String,
}

/// What came of asking for a claim.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct ClaimAnswer {
    /// Absent if no ticket is due.
    pub result: Option<ClaimResult>,
    /// Why it was not claimed.
    pub detail: Option<String>,
    pub claim_fence_token: Option<u64>,
    pub lease_expires_at: Option<String>,
    pub claim_count: Option<u64>,
    pub chain_event_id: Option<String>,
    pub work_attempt_id: Option<Uuid>,
    pub kora_operation_id: Option<Uuid>,
    /// The ticket, whole, if it was claimed.
    pub ticket: Option<Ticket>,
}

/// A row of the operation ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the original's surface")]
pub struct Operation {
    pub tenant: String,
    pub kora_operation_id: Uuid,
    pub work_attempt_id: Uuid,
    /// From 0: the claim itself.
    pub sequence_within_attempt: u32,
    pub ticket_id: Uuid,
    pub tool_name: String,
    pub status: OperationStatus,
    pub dispatch_result: Option<String>,
    pub dispatch_error: Option<String>,
    pub created_at: String,
    pub updated_at: String,
}

impl From<StoredTicket> for Ticket {
    fn from(stored: StoredTicket) -> Self {
        let ticket = stored.ticket;
        Self {
            tenant: stored.tenant.to_string(),
            ticket_id: stored.ticket_id,
            kind: ticket.kind.to_string(),
            title: ticket.title,
            body: ticket.body,
            sea_status: ticket.status,
            sea_priority: ticket.priority,
            criticality: ticket.criticality,
            origin_actor_kind: ticket.origin.kind,
            origin_actor_id: ticket.origin.id,
            assigned_to_actor_id: ticket.assigned_to_actor_id,
            active_claim_token: ticket.claim.as_ref().map(|claim| claim.fence_token),
            claim: ticket.claim.map(Claim::from),
            claim_count: ticket.claim_count,
            work_attempt_count: ticket.work_attempt_count,
            failure_count: ticket.failure_count,
            next_eligible_at: ticket.next_eligible_at.map(Timestamp::to_rfc3339),
            last_resolution: ticket.last_resolution.map(Resolved::from),
            created_at: ticket.created_at.to_rfc3339(),
            updated_at: ticket.updated_at.to_rfc3339(),
        }
    }
}

impl From<ticket::Claim> for Claim {
    fn from(claim: ticket::Claim) -> Self {
        Self {
            claim_fence_token: claim.fence_token,
            holder_kind: claim.holder.kind,
            holder_id: claim.holder.id,
            work_attempt_id: claim.work_attempt_id,
            kora_operation_id: claim.kora_operation_id,
            claimed_at: claim.claimed_at.to_rfc3339(),
            lease_expires_at: claim.lease_expires_at.to_rfc3339(),
            open_operations: claim.open_operations,
        }
    }
}

impl From<ticket::Resolved> for Resolved {
    fn from(resolved: ticket::Resolved) -> Self {
        Self {
            resolution: resolved.resolution,
            resolution_summary: resolved.summary,
            model_tier_used: resolved.model_tier_used,
            resolved_at: resolved.at.to_rfc3339(),
        }
    }
}

impl From<tickets::ClaimAnswer> for ClaimAnswer {
    fn from(answer: tickets::ClaimAnswer) -> Self {
        let empty = Self {
            result: None,
            detail: None,
            claim_fence_token: None,
            lease_expires_at: None,
            claim_count: None,
            chain_event_id: None,
            work_attempt_id: None,
            kora_operation_id: None,
            ticket: None,
        };
        match answer {
            tickets::ClaimAnswer::Claimed(claimed) => {
                let event = claimed.chain_event_id.to_string();
                let ticket = Ticket::from(claimed.stored);
                let claim = ticket.claim.as_ref();
                Self {
                    result: Some(ClaimResult::Claimed),
                    claim_fence_token: ticket.active_claim_token,
                    lease_expires_at: claim.map(|claim| claim.lease_expires_at.clone()),
                    claim_count: Some(ticket.claim_count),
                    chain_event_id: Some(event),
                    work_attempt_id: claim.map(|claim| claim.work_attempt_id),
                    kora_operation_id: claim.map(|claim| claim.kora_operation_id),
                    ticket: Some(ticket),
                    ..empty
                }
            }
            tickets::ClaimAnswer::Refused { result, detail } => Self {
                result: Some(result),
                detail: Some(detail),
                ..empty
            },
            tickets::ClaimAnswer::NothingDue => Self {
                detail: Some("no ticket is due".to_owned()),
                ..empty
            },
        }
    }
}

impl From<StoredOperation> for Operation {
    fn from(stored: StoredOperation) -> Self {
        let row = stored.operation;
        Self {
            tenant: stored.tenant.to_string(),
            kora_operation_id: stored.kora_operation_id,
            work_attempt_id: row.work_attempt_id,
            sequence_within_attempt: row.sequence_within_attempt,
            ticket_id: row.ticket_id,
            tool_name: row.tool_name,
            status: row.status,
            dispatch_result: row.dispatch_result,
            dispatch_error: row.dispatch_error,
            created_at: row.created_at.to_rfc3339(),
            updated_at: row.updated_at.to_rfc3339(),
        }
    }
}
