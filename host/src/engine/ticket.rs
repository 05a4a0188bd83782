//! The rules of tickets: who may claim one, how long a claim holds, what its end makes of the ticket.
//!
//! ```text
//!            claim                 progress
//!   open ──────────▶ claimed ──────────────▶ in_progress
//!    ▲ ▲                └──────────┬──────────────┘
//!    │ └ released, deferred ───────┤
//!    │                             ├─▶ completed, failed_terminal
//!    │ claim                       ├─▶ failed_retryable ──claim, once due──▶ claimed
//!    └───────────── reopened ◀─────┴─▶ blocked_needs_operator
//! ```
//!
//! A claim has a *fence token* that grows with each claim of the ticket: what is done under an older one is refused. A lease that
//! runs out is a failed attempt, and three of those are enough.

mod ending;
mod input;
mod lease;
mod refusal;
mod words;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use ending::{Ended, FAILURES_MAX};
pub use input::{
    BODY_MAX_BYTES, Ending, NAME_MAX_CHARS, OFFSET_MAX_SECONDS, SUMMARY_MAX_CHARS, TITLE_MAX_CHARS,
    TicketDraft, TicketInputError, name,
};
pub use lease::{LEASE_SECONDS, REFRESH_SECONDS, extended, later};
pub use refusal::{BeginError, NotHeld, RefreshError, StepError};
pub use words::{ClaimResult, Priority, Progress, Resolution, RetryReason, TicketKind, TicketStatus};

pub use crate::domain::Criticality;
use crate::domain::{Actor, Timestamp};

/// The version of the contract between a claimant and the host.
pub const CONTRACT_VERSION: u32 = 1;
/// The most operations of one attempt that are under way: they end together with it, in one batch.
pub const OPEN_OPERATIONS_MAX: usize = 64;
/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// What kind.
    pub kind: TicketKind,
    /// What to do, in a line.
    pub title: String,
    /// What to do, at length.
    pub body: Option<String>,
    /// How much it matters.
    pub priority: Priority,
    /// Whether a lesser model may do it; absent means it may not.
    pub criticality: Option<Criticality>,
    /// Who made it.
    pub origin: Actor,
    /// Whose it is to do; absent: nobody's any more.
    pub assigned_to_actor_id: Option<Uuid>,
    /// How far it is.
    pub status: TicketStatus,
    /// Who holds it. There is one exactly while it is `claimed` or `in_progress`.
    pub claim: Option<Claim>,
    /// How often it was claimed. The fence token of the newest claim.
    pub claim_count: u64,
    /// How often somebody began to work.
    pub work_attempt_count: u64,
    /// How many attempts failed since it was made or reopened.
    pub failure_count: u32,
    /// Before this it is not picked; whoever asks for it by its id may claim it all the same.
    pub next_eligible_at: Option<Timestamp>,
    /// How the newest attempt ended.
    pub last_resolution: Option<Resolved>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A hold on a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What everything under this claim is done with.
    pub fence_token: u64,
    /// Who holds it.
    pub holder: Actor,
    /// The attempt.
    pub work_attempt_id: Uuid,
    /// The operation of the claim itself: the attempt's first row in the ledger.
    pub kora_operation_id: Uuid,
    /// Since when.
    pub claimed_at: Timestamp,
    /// Until when.
    pub lease_expires_at: Timestamp,
    /// The number of the attempt's next operation.
    pub next_sequence: u32,
    /// Operations of the attempt that have not come to an end, but for the claim's own.
    pub open_operations: Vec<Uuid>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resolved {
    /// How.
    pub resolution: Resolution,
    /// In words.
    pub summary: String,
    /// When.
    pub at: Timestamp,
    /// The tier of the model that did it, if it is known.
    pub model_tier_used: Option<String>,
}

/// What is given a claim. The ids are made by the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who holds it.
    pub holder: Actor,
    /// The attempt.
    pub work_attempt_id: Uuid,
    /// The operation of the claim.
    pub kora_operation_id: Uuid,
    /// From when.
    pub now: Timestamp,
    /// How long, in seconds.
    pub lease_seconds: u64,
}

/// With what somebody comes who says that they hold a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The token they were given.
    pub fence_token: u64,
    /// Who they are.
    pub by: Actor,
}

impl Ticket {
    /// Its place among others: the smaller, the sooner. Among equals the older goes first.
    pub const fn rank(&self) -> i64 {
        self.priority.rank()
    }

    /// When it is due: to be swept if it is held, else to be picked.
    pub fn due_at(&self) -> Option<Timestamp> {
        match &self.claim {
            Some(claim) => Some(claim.lease_expires_at),
            None => self.next_eligible_at,
        }
    }

    /// Whether a lesser model may do it. Where nobody said so, it may not.
    pub fn criticality(&self) -> Criticality {
        self.criticality.unwrap_or(Criticality::FrontierOnly)
    }

    /// Whether the tenant's agent may claim it, as far as the ticket says.
    ///
    /// # Errors
    /// Why not.
    pub fn may_be_claimed_by(&self, agent: Option<Uuid>) -> Result<(), ClaimResult> {
        if self.status.is_held() {
            return Err(ClaimResult::AlreadyClaimed);
        }
        if !self.status.is_claimable() {
            return Err(ClaimResult::TicketTerminal);
        }
        match self.assigned_to_actor_id {
            None => Err(ClaimResult::AssignmentCleared),
            Some(assigned) if Some(assigned) != agent => Err(ClaimResult::NotAssigned),
            Some(_) => Ok(()),
        }
    }

    /// The ticket, claimed, if that is possible for anybody.
    #[must_use]
    pub fn claimed(mut self, grant: Grant) -> Self {
        self.claim_count += 1;
        self.status = TicketStatus::Claimed;
        self.next_eligible_at = None;
        self.updated_at = grant.now;
        self.claim = Some(Claim {
            fence_token: self.claim_count,
            holder: grant.holder,
            work_attempt_id: grant.work_attempt_id,
            kora_operation_id: grant.kora_operation_id,
            claimed_at: grant.now,
            lease_expires_at: later(grant.now, grant.lease_seconds),
            next_sequence: 1,
            open_operations: Vec::new(),
        });
        self
    }

    /// The claim, if this is who holds it, and it has not run out.
    ///
    /// # Errors
    /// Why it is not theirs.
    pub fn held(&self, held: &Held, now: Timestamp) -> Result<&Claim, NotHeld> {
        let given = held.fence_token;
        let newest = self.claim_count;
        if given == 0 || given > newest {
            return Err(NotHeld::NeverGiven { given, newest });
        }
        if given < newest {
            return Err(NotHeld::Stale { given, newest });
        }
        let Some(claim) = &self.claim else {
            let status = self.status;
            return Err(NotHeld::Over { given, status });
        };
        // An operator may act under every claim, a plugin or caller under its own alone.
        let is_theirs = claim.holder == held.by || held.by.kind == crate::domain::ActorKind::Operator;
        if !is_theirs {
            return Err(NotHeld::Anothers);
        }
        if claim.lease_expires_at <= now {
            let at = claim.lease_expires_at;
            return Err(NotHeld::Expired { given, at });
        }
        Ok(claim)
    }

    /// The ticket with a longer lease.
    ///
    /// # Errors
    /// If the asker does not hold it, or nothing went on.
    pub fn refreshed(
        mut self,
        held: &Held,
        progress: Option<Progress>,
        extend_by_seconds: Option<u64>,
        now: Timestamp,
        lease_seconds: u64,
    ) -> Result<Self, RefreshError> {
        let mut claim = self.held(held, now)?.clone();
        if progress.is_none() {
            return Err(RefreshError::NoProgress);
        }
        let by = extend_by_seconds.unwrap_or(lease_seconds);
        input::seconds_within(by, lease_seconds)?;
        claim.lease_expires_at = extended(claim.lease_expires_at, now, by, lease_seconds);
        self.works(claim, now);
        Ok(self)
    }

    /// The ticket with one more operation under way, and that operation's number.
    ///
    /// # Errors
    /// If the asker does not hold it, or too many are under way.
    pub fn with_operation(
        mut self,
        held: &Held,
        operation: Uuid,
        now: Timestamp,
    ) -> Result<(Self, u32), BeginError> {
        let mut claim = self.held(held, now)?.clone();
        if claim.open_operations.len() >= OPEN_OPERATIONS_MAX {
            return Err(BeginError::TooMany);
        }
        let sequence = claim.next_sequence;
        claim.next_sequence += 1;
        claim.open_operations.push(operation);
        self.works(claim, now);
        Ok((self, sequence))
    }

    /// The ticket after a step of an operation that is under way; one that ends is under way no longer.
    ///
    /// # Errors
    /// If the asker does not hold it, or no such operation of the attempt is under way.
    pub fn stepping(
        mut self,
        held: &Held,
        operation: Uuid,
        ends: bool,
        now: Timestamp,
    ) -> Result<Self, StepError> {
        let mut claim = self.held(held, now)?.clone();
        if !claim.open_operations.contains(&operation) {
            return Err(StepError::NotUnderWay { operation });
        }
        claim.open_operations.retain(|open| !ends || *open != operation);
        self.works(claim, now);
        Ok(self)
    }

    fn works(&mut self, claim: Claim, now: Timestamp) {
        if self.status == TicketStatus::Claimed {
            self.status = TicketStatus::InProgress;
            self.work_attempt_count += 1;
        }
        self.claim = Some(claim);
        self.updated_at = now;
    }

    /// The ticket, open again with nothing held against it, if it waits for an operator or was given up.
    ///
    /// # Errors
    /// How far it is instead.
    pub fn reopened(mut self, now: Timestamp) -> Result<Self, TicketStatus> {
        let may = [TicketStatus::BlockedNeedsOperator, TicketStatus::FailedTerminal];
        if !may.contains(&self.status) {
            return Err(self.status);
        }
        self.status = TicketStatus::Open;
        self.failure_count = 0;
        self.next_eligible_at = None;
        self.updated_at = now;
        Ok(self)
    }

    /// The ticket, another's to do, or nobody's. Who holds it goes on holding it.
    ///
    /// # Errors
    /// If it has ended.
    pub fn assigned_to(mut self, actor: Option<Uuid>, now: Timestamp) -> Result<Self, TicketStatus> {
        if self.status.has_ended() {
            return Err(self.status);
        }
        self.assigned_to_actor_id = actor;
        self.updated_at = now;
        Ok(self)
    }
}
