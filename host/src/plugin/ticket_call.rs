//! What a plugin may ask of tickets and the ledger, read from what it handed over.

use serde::Deserialize;
use uuid::Uuid;

use crate::engine::{
    operation::{OperationStatus, Step},
    ticket::{Progress, Resolution, RetryReason, TicketStatus},
};

/// One call of `tickets/1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketCall {
    /// Tickets.
    List(ListRequest),
    /// A claim.
    Claim(ClaimCall),
    /// A longer lease.
    Refresh(RefreshCall),
    /// A ticket back.
    Release(ReleaseCall),
    /// An attempt's end.
    Resolve(ResolveCall),
    /// A place in the ledger.
    Allocate(AllocateCall),
    /// An operation's next step.
    Step(StepCall),
}

/// Which tickets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the service")]
pub struct ListRequest {
    #[serde(default)]
    pub statuses: Vec<TicketStatus>,
    pub before: Option<Uuid>,
    pub limit: Option<u32>,
}

/// Which claim.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the service")]
pub struct ClaimCall {
    pub ticket: Option<Uuid>,
    pub contract_version: Option<u32>,
}

/// Which claim is to last longer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the service")]
pub struct RefreshCall {
    pub ticket: Uuid,
    pub claim_fence_token: u64,
    pub progress: Option<Progress>,
    pub extend_by_seconds: Option<u64>,
}

/// What is given back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the service")]
pub struct ReleaseCall {
    pub ticket: Uuid,
    pub claim_fence_token: u64,
    pub reason: Option<String>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the service")]
pub struct ResolveCall {
    pub ticket: Uuid,
    pub claim_fence_token: u64,
    pub resolution: Resolution,
    pub resolution_summary: String,
    pub model_tier_used: Option<String>,
    pub retry_reason: Option<RetryReason>,
    pub next_eligible_offset_seconds: Option<u64>,
}

/// What is about to be done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the service")]
pub struct AllocateCall {
    pub ticket: Uuid,
    pub claim_fence_token: u64,
    pub tool_name: String,
}

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of the service")]
pub struct StepCall {
    pub ticket: Uuid,
    pub claim_fence_token: u64,
    pub operation: Uuid,
    pub status: OperationStatus,
    pub outcome: Option<String>,
}

impl StepCall {
    /// The step that leads to the status; none leads back to `allocated`.
    pub fn step(&self) -> Option<Step> {
        match self.status {
            OperationStatus::Allocated => None,
            OperationStatus::Dispatched => Some(Step::Dispatch),
            OperationStatus::Committed => Some(Step::Commit(self.outcome.clone())),
            OperationStatus::Abandoned => Some(Step::Abandon(self.outcome.clone())),
        }
    }
}
