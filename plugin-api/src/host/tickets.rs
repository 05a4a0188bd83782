//! Tickets and the operation ledger, as an author sees them.

use std::sync::OnceLock;

use kora_plugin_abi::{AbiFuture, Bytes, tickets1};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Host, answer, fetch, parse};
use crate::Result;

/// The version of the contract that this SDK speaks.
const CONTRACT_VERSION: u32 = 1;

/// Which tickets.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TicketQuery {
    /// Only of these: `open`, `claimed`, `in_progress`, `failed_retryable`, `blocked_needs_operator`, `completed`,
    /// `failed_terminal`. Empty: of any.
    pub statuses: Vec<String>,
    /// Only those made before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// How many at most: 1–200, 50 unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Ticket {
    /// Its id.
    pub ticket_id: String,
    /// What to do, in a line.
    pub title: String,
    /// What to do, at length; absent in lists.
    pub body: Option<String>,
    /// How far it is.
    pub sea_status: String,
    /// `low`, `normal`, `high` or `frontier`.
    pub sea_priority: String,
    /// `downshift_eligible` or `frontier_only`; absent means the latter.
    pub criticality: Option<String>,
    /// Whose it is to do.
    pub assigned_to_actor_id: Option<String>,
    /// The fence token of the claim that holds it, if one does.
    pub active_claim_token: Option<u64>,
    /// How often it was claimed.
    pub claim_count: u64,
    /// How often somebody began to work.
    pub work_attempt_count: u64,
    /// How many attempts failed.
    pub failure_count: u32,
    /// Before this it is not picked: RFC 3339, UTC.
    pub next_eligible_at: Option<String>,
    /// When it was made: RFC 3339, UTC.
    pub created_at: String,
}

/// A ticket that is this plugin's to do until the lease ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TicketClaim {
    /// What is to be done.
    pub ticket: Ticket,
    /// What everything under this claim is done with; the host refuses a stale one.
    pub claim_fence_token: u64,
    /// Until when: RFC 3339, UTC.
    pub lease_expires_at: String,
    /// The attempt.
    pub work_attempt_id: String,
    /// The claim's own row in the ledger.
    pub kora_operation_id: String,
}

/// What came of asking for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimAnswer {
    /// It is this plugin's.
    Claimed(Box<TicketClaim>),
    /// It is not, and why.
    Refused {
        /// `already_claimed`, `not_assigned`, `assignment_cleared`, `ticket_terminal`, `blocked_by_control`, `blocked_by_cost` or
        /// `contract_version_mismatch`.
        result: String,
        /// In a sentence.
        detail: String,
    },
    /// No ticket is due.
    NothingDue,
}

/// What counts as progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketProgress {
    /// The model said more.
    StreamingTokenAdvanced,
    /// A tool call began or ended.
    ToolCallBoundary,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum TicketResolution {
    Completed,
    FailedTerminal,
    FailedRetryable,
    Released,
    DeferredCostLimit,
    BlockedNeedsOperator,
}

/// Why an attempt failed that may be tried again; it fixes when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryReason {
    /// In five minutes.
    ConstitutionInconclusive,
    /// In ten minutes.
    AgentTimeout,
    /// In a minute.
    Network,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TicketEnding {
    resolution: TicketResolution,
    resolution_summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_tier_used: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_reason: Option<RetryReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_eligible_offset_seconds: Option<u64>,
}

impl TicketEnding {
    /// It ended so; the summary, of 1 to 1000 characters, is kept in the chain.
    pub fn new(resolution: TicketResolution, summary: impl Into<String>) -> Self {
        Self {
            resolution,
            resolution_summary: summary.into(),
            model_tier_used: None,
            retry_reason: None,
            next_eligible_offset_seconds: None,
        }
    }

    /// The tier of the model that did it.
    #[must_use]
    pub fn model_tier(mut self, tier: impl Into<String>) -> Self {
        self.model_tier_used = Some(tier.into());
        self
    }

    /// Why it failed.
    #[must_use]
    pub const fn because(mut self, reason: RetryReason) -> Self {
        self.retry_reason = Some(reason);
        self
    }

    /// When it is tried again, in seconds from now; goes before the reason's.
    #[must_use]
    pub const fn again_after_seconds(mut self, seconds: u64) -> Self {
        self.next_eligible_offset_seconds = Some(seconds);
        self
    }
}

/// A row of the operation ledger.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Operation {
    /// Its id.
    pub kora_operation_id: String,
    /// The attempt.
    pub work_attempt_id: String,
    /// Its place in the attempt; 0 is the claim.
    pub sequence_within_attempt: u32,
    /// What is called.
    pub tool_name: String,
    /// `allocated`, `dispatched`, `committed` or `abandoned`.
    pub status: String,
}

#[derive(Deserialize)]
struct RawAnswer {
    result: Option<String>,
    detail: Option<String>,
    claim_fence_token: Option<u64>,
    lease_expires_at: Option<String>,
    work_attempt_id: Option<String>,
    kora_operation_id: Option<String>,
    ticket: Option<Ticket>,
}

impl From<RawAnswer> for ClaimAnswer {
    fn from(raw: RawAnswer) -> Self {
        let Some(result) = raw.result else {
            return Self::NothingDue;
        };
        match (raw.ticket, raw.claim_fence_token) {
            (Some(ticket), Some(claim_fence_token)) => Self::Claimed(Box::new(TicketClaim {
                ticket,
                claim_fence_token,
                lease_expires_at: raw.lease_expires_at.unwrap_or_default(),
                work_attempt_id: raw.work_attempt_id.unwrap_or_default(),
                kora_operation_id: raw.kora_operation_id.unwrap_or_default(),
            })),
            _ => Self::Refused {
                result,
                detail: raw.detail.unwrap_or_default(),
            },
        }
    }
}

type Function = extern "C" fn(u64, Bytes<'_>, Bytes<'_>) -> AbiFuture<kora_plugin_abi::OwnedBytes>;

impl TicketClaim {
    /// What every request under this claim holds, with more.
    fn request(&self, more: Value) -> Value {
        let mut request = json!({
            "ticket": self.ticket.ticket_id,
            "claim_fence_token": self.claim_fence_token,
        });
        if let (Value::Object(request), Value::Object(more)) = (&mut request, more) {
            request.extend(more);
        }
        request
    }
}

impl Host {
    table!(tickets_table, tickets1, Tickets);

    async fn ask_tickets<T: DeserializeOwned>(
        &self,
        tenant: &str,
        function: fn(&tickets1::Tickets) -> Function,
        request: &(impl Serialize + ?Sized + Sync),
    ) -> Result<T> {
        let call = {
            let (table, handle) = self.tickets_table()?;
            let request = serde_json::to_vec(request)?;
            function(table)(handle, tenant.as_bytes().into(), request.as_slice().into())
        };
        parse(answer(call.await))
    }

    /// Tickets of a tenant without their bodies, the newest first. Permission `tickets`.
    ///
    /// # Errors
    /// See [`Host`].
    pub async fn tickets(&self, tenant: &str, query: &TicketQuery) -> Result<Vec<Ticket>> {
        self.ask_tickets(tenant, |table| table.list, query).await
    }

    /// Claims a ticket for the tenant's agent: the one with this id, due or not, or else the next one that is due. That it is not
    /// to be had is an answer. Permission `tickets`.
    ///
    /// # Errors
    /// See [`Host`]; [`ErrorKind::Invalid`](crate::ErrorKind::Invalid) if there is no such ticket.
    pub async fn claim_ticket(&self, tenant: &str, ticket: Option<&str>) -> Result<ClaimAnswer> {
        let request = json!({"ticket": ticket, "contract_version": CONTRACT_VERSION});
        let raw: RawAnswer = self.ask_tickets(tenant, |table| table.claim, &request).await?;
        Ok(raw.into())
    }

    /// Makes a claim last as long as a fresh one, because there was progress. Once a minute is often enough. Permission `tickets`.
    ///
    /// # Errors
    /// See [`Host`]; [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the claim is over: stop working.
    pub async fn refresh_claim(
        &self,
        tenant: &str,
        claim: &TicketClaim,
        progress: TicketProgress,
    ) -> Result<Ticket> {
        let request = claim.request(json!({"progress": progress}));
        self.ask_tickets(tenant, |table| table.refresh, &request).await
    }

    /// Gives a ticket back untouched. Permission `tickets`.
    ///
    /// # Errors
    /// As [`refresh_claim`](Self::refresh_claim).
    pub async fn release_ticket(&self, tenant: &str, claim: &TicketClaim, reason: &str) -> Result<Ticket> {
        let reason = (!reason.is_empty()).then_some(reason);
        let request = claim.request(json!({"reason": reason}));
        self.ask_tickets(tenant, |table| table.release, &request).await
    }

    /// Says how the attempt ended. Operations that are still under way are abandoned. Permission `tickets`.
    ///
    /// # Errors
    /// As [`refresh_claim`](Self::refresh_claim).
    pub async fn resolve_ticket(
        &self,
        tenant: &str,
        claim: &TicketClaim,
        ending: &TicketEnding,
    ) -> Result<Ticket> {
        let request = claim.request(serde_json::to_value(ending)?);
        self.ask_tickets(tenant, |table| table.resolve, &request).await
    }

    /// Gives what is about to be done its place in the ledger. Permission `tickets`.
    ///
    /// # Errors
    /// As [`refresh_claim`](Self::refresh_claim); [`ErrorKind::Quota`](crate::ErrorKind::Quota) if 64 are under way.
    pub async fn allocate_operation(
        &self,
        tenant: &str,
        claim: &TicketClaim,
        tool_name: &str,
    ) -> Result<Operation> {
        let request = claim.request(json!({"tool_name": tool_name}));
        self.ask_tickets(tenant, |table| table.allocate, &request).await
    }

    /// Notes that an operation is on its way. Permission `tickets`.
    ///
    /// # Errors
    /// As [`refresh_claim`](Self::refresh_claim), and if the operation is not `allocated`.
    pub async fn dispatch_operation(
        &self,
        tenant: &str,
        claim: &TicketClaim,
        operation: &Operation,
    ) -> Result<Operation> {
        self.step(tenant, claim, operation, "dispatched", "").await
    }

    /// Notes that an operation happened, and what it answered. Permission `tickets`.
    ///
    /// # Errors
    /// As [`refresh_claim`](Self::refresh_claim), and if the operation is not `dispatched`.
    pub async fn commit_operation(
        &self,
        tenant: &str,
        claim: &TicketClaim,
        operation: &Operation,
        result: &str,
    ) -> Result<Operation> {
        self.step(tenant, claim, operation, "committed", result).await
    }

    /// Notes that an operation is given up, and why. Permission `tickets`.
    ///
    /// # Errors
    /// As [`refresh_claim`](Self::refresh_claim), and if the operation has ended.
    pub async fn abandon_operation(
        &self,
        tenant: &str,
        claim: &TicketClaim,
        operation: &Operation,
        error: &str,
    ) -> Result<Operation> {
        self.step(tenant, claim, operation, "abandoned", error).await
    }

    async fn step(
        &self,
        tenant: &str,
        claim: &TicketClaim,
        operation: &Operation,
        status: &str,
        outcome: &str,
    ) -> Result<Operation> {
        let outcome = (!outcome.is_empty()).then_some(outcome);
        let request = claim.request(json!({
            "operation": operation.kora_operation_id,
            "status": status,
            "outcome": outcome,
        }));
        self.ask_tickets(tenant, |table| table.step, &request).await
    }
}
