//! `kora__list_active_sea_tickets`, `kora__create_sea_ticket`, `kora__claim_sea_ticket`, `kora__refresh_claim`, `kora__release_claim`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Annotations, Context, HostTool, ToolFault, ToolKind,
    host_tool::said,
    ledger::{limit_default, or_unavailable},
};
use crate::service::api;

/// The tickets that are being worked on.
pub(super) struct ListActiveSeaTickets;
/// Making a ticket.
pub(super) struct CreateSeaTicket;
/// Claiming a ticket.
pub(super) struct ClaimSeaTicket;
/// Making a claim last longer.
pub(super) struct RefreshClaim;
/// Giving a ticket back.
pub(super) struct ReleaseClaim;

/// The statuses of tickets that are active.
const ACTIVE: [api::TicketStatus; 3] = [
    api::TicketStatus::Claimed,
    api::TicketStatus::InProgress,
    api::TicketStatus::FailedRetryable,
];

/// How many.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HowMany {
    /// At most this many.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 200))]
    limit: u32,
}

/// Tickets.
#[derive(Serialize, JsonSchema)]
pub(super) struct Tickets {
    /// The newest first.
    tickets: Vec<Ticket>,
    limit_applied: u32,
    /// The store cannot be read now: there may be tickets.
    provider_unavailable: bool,
}

/// A ticket.
#[derive(Serialize, JsonSchema)]
struct Ticket {
    ticket_id: Uuid,
    title: String,
    sea_status: api::TicketStatus,
    sea_priority: api::Priority,
    /// The fence token of the claim that holds it.
    active_claim_token: Option<u64>,
    claim_count: u64,
    work_attempt_count: u64,
    next_eligible_at: Option<String>,
    created_at: String,
}

impl HostTool for ListActiveSeaTickets {
    const NAME: &'static str = "kora__list_active_sea_tickets";
    const TITLE: &'static str = "Active tickets";
    const DESCRIPTION: &'static str =
        "A tenant's tickets that are claimed, in progress, or failed and will be tried again.";
    const KIND: ToolKind = ToolKind::Read;
    const ANNOTATIONS: Annotations = Annotations::READ;
    type Input = HowMany;
    type Output = Tickets;

    async fn run(context: Context<'_>, input: HowMany) -> Result<Tickets, ToolFault> {
        let query = api::ListTickets {
            tenant: context.tenant_text()?,
            statuses: ACTIVE.to_vec(),
            before: None,
            limit: Some(input.limit),
        };
        let (found, provider_unavailable) = or_unavailable(context.service.tickets(query).await)?;
        let tickets = found.into_iter().map(|ticket| Ticket {
            ticket_id: ticket.ticket_id,
            title: ticket.title,
            sea_status: ticket.sea_status,
            sea_priority: ticket.sea_priority,
            active_claim_token: ticket.active_claim_token,
            claim_count: ticket.claim_count,
            work_attempt_count: ticket.work_attempt_count,
            next_eligible_at: ticket.next_eligible_at,
            created_at: ticket.created_at,
        });
        Ok(Tickets {
            tickets: tickets.collect(),
            limit_applied: input.limit,
            provider_unavailable,
        })
    }
}

/// A ticket to make. What else is given is ignored: kind and origin are set by the host.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Draft {
    /// What to do, in a line.
    #[schemars(length(min = 1))]
    title: String,
    /// What to do, at length.
    #[serde(default)]
    body: Option<String>,
    /// How much it matters.
    #[serde(default)]
    priority: Option<api::Priority>,
}

/// A ticket that was made.
#[derive(Serialize, JsonSchema)]
pub(super) struct Created {
    success: bool,
    ticket_id: Uuid,
    /// The ticket as it is kept.
    raw_response: RawTicket,
    /// The caller's label.
    caller_actor_kind: String,
}

/// What the host made of the draft.
#[derive(Serialize, JsonSchema)]
struct RawTicket {
    ticket_id: Uuid,
    title: String,
    body: Option<String>,
    kind: String,
    origin_actor_kind: String,
    sea_status: api::TicketStatus,
    sea_priority: api::Priority,
    created_at: String,
}

impl HostTool for CreateSeaTicket {
    const NAME: &'static str = "kora__create_sea_ticket";
    const TITLE: &'static str = "Create a ticket";
    const DESCRIPTION: &'static str = "Makes a ticket for a tenant's agent. Kind, origin and id are set by the host, whatever the caller says.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    type Input = Draft;
    type Output = Created;

    async fn run(context: Context<'_>, input: Draft) -> Result<Created, ToolFault> {
        let draft = api::CreateTicket {
            tenant: context.tenant_text()?,
            title: said("title", &input.title)?,
            body: input.body,
            priority: input.priority,
            criticality: None,
            assign_to: None,
        };
        let made = context.service.create_ticket(context.by, draft).await?;
        Ok(Created {
            success: true,
            ticket_id: made.ticket_id,
            raw_response: RawTicket {
                ticket_id: made.ticket_id,
                title: made.title,
                body: made.body,
                kind: made.kind,
                origin_actor_kind: made.origin_actor_kind.to_string(),
                sea_status: made.sea_status,
                sea_priority: made.sea_priority,
                created_at: made.created_at,
            },
            caller_actor_kind: context.caller_kind(),
        })
    }
}

/// A claim that is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Claim {
    /// Which, due or not; without it, the next one that is due.
    #[serde(default)]
    ticket_id: Option<Uuid>,
    /// The version of the contract that the caller speaks.
    #[serde(default)]
    contract_version: Option<u32>,
}

/// What came of it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Claimed {
    /// Absent if no ticket is due.
    result: Option<api::ClaimResult>,
    /// Why it was not claimed.
    detail: Option<String>,
    ticket_id: Option<Uuid>,
    /// To be shown with everything that is done under the claim.
    claim_fence_token: Option<u64>,
    lease_expires_at: Option<String>,
    claim_count: Option<u64>,
    chain_event_id: Option<String>,
    work_attempt_id: Option<Uuid>,
    kora_operation_id: Option<Uuid>,
    /// What to do, at length.
    body: Option<String>,
    title: Option<String>,
}

impl HostTool for ClaimSeaTicket {
    const NAME: &'static str = "kora__claim_sea_ticket";
    const TITLE: &'static str = "Claim a ticket";
    const DESCRIPTION: &'static str = "Claims a ticket for a tenant's agent, under a lease. That it is not to be had is an answer and no error.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    type Input = Claim;
    type Output = Claimed;

    async fn run(context: Context<'_>, input: Claim) -> Result<Claimed, ToolFault> {
        let request = api::ClaimTicket {
            tenant: context.tenant_text()?,
            ticket: input.ticket_id,
            contract_version: input.contract_version,
        };
        let answer = context.service.claim_ticket(context.by, request).await?;
        let ticket = answer.ticket.as_ref();
        Ok(Claimed {
            result: answer.result,
            detail: answer.detail,
            ticket_id: ticket.map(|ticket| ticket.ticket_id),
            claim_fence_token: answer.claim_fence_token,
            lease_expires_at: answer.lease_expires_at,
            claim_count: answer.claim_count,
            chain_event_id: answer.chain_event_id,
            work_attempt_id: answer.work_attempt_id,
            kora_operation_id: answer.kora_operation_id,
            body: ticket.and_then(|ticket| ticket.body.clone()),
            title: ticket.map(|ticket| ticket.title.clone()),
        })
    }
}

/// A claim that is to last longer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    /// The ticket.
    ticket_id: Uuid,
    /// The token that the claim was answered with.
    claim_fence_token: u64,
    /// For how long from now; as long as a fresh claim unless said.
    #[serde(default)]
    extend_by_seconds: Option<u64>,
    /// What went on meanwhile; without it the claim is not refreshed.
    #[serde(default)]
    progress: Option<api::Progress>,
}

/// A ticket that is being given back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Release {
    /// The ticket.
    ticket_id: Uuid,
    /// The token that the claim was answered with.
    claim_fence_token: u64,
    /// Why; it is kept in the tenant's chain.
    #[serde(default)]
    reason: Option<String>,
}

/// How the ticket stands now.
#[derive(Serialize, JsonSchema)]
pub(super) struct Held {
    success: bool,
    ticket_id: Uuid,
    sea_status: api::TicketStatus,
    lease_expires_at: Option<String>,
    claim_count: u64,
}

fn held(ticket: api::Ticket) -> Held {
    Held {
        success: true,
        ticket_id: ticket.ticket_id,
        sea_status: ticket.sea_status,
        lease_expires_at: ticket.claim.map(|claim| claim.lease_expires_at),
        claim_count: ticket.claim_count,
    }
}

impl HostTool for RefreshClaim {
    const NAME: &'static str = "kora__refresh_claim";
    const TITLE: &'static str = "Refresh a claim";
    const DESCRIPTION: &'static str = "Makes a claim last longer, for there was progress.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    type Input = Refresh;
    type Output = Held;

    async fn run(context: Context<'_>, input: Refresh) -> Result<Held, ToolFault> {
        let request = api::RefreshTicket {
            tenant: context.tenant_text()?,
            ticket: input.ticket_id,
            claim_fence_token: input.claim_fence_token,
            progress: input.progress,
            extend_by_seconds: input.extend_by_seconds,
        };
        let ticket = context.service.refresh_ticket(context.by, request).await?;
        Ok(held(ticket))
    }
}

impl HostTool for ReleaseClaim {
    const NAME: &'static str = "kora__release_claim";
    const TITLE: &'static str = "Release a claim";
    const DESCRIPTION: &'static str = "Gives a ticket back, for another to claim.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ENDS;
    type Input = Release;
    type Output = Held;

    async fn run(context: Context<'_>, input: Release) -> Result<Held, ToolFault> {
        let request = api::ReleaseTicket {
            tenant: context.tenant_text()?,
            ticket: input.ticket_id,
            claim_fence_token: input.claim_fence_token,
            reason: input.reason,
        };
        let ticket = context.service.release_ticket(context.by, request).await?;
        Ok(held(ticket))
    }
}
