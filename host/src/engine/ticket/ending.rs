//! The end of an attempt, by its holder's word or because its lease ran out, and what it makes of the ticket.

use super::{Claim, Ending, Held, NotHeld, Resolution, Resolved, RetryReason, Ticket, TicketStatus, later};
use crate::domain::Timestamp;

/// A ticket that failed this often is given up.
pub const FAILURES_MAX: u32 = 3;

/// What an attempt's end made of the ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The ticket.
    pub ticket: Ticket,
    /// The claim that is over.
    pub claim: Claim,
    /// How it ended: the third failure that could be tried again is the last.
    pub resolution: Resolution,
    /// After how many seconds it is tried again.
    pub next_eligible_offset_seconds: Option<u64>,
}

impl Ticket {
    /// The ticket after its attempt ended as its holder says.
    ///
    /// # Errors
    /// If whoever says so does not hold it.
    pub fn resolved(self, held: &Held, ending: &Ending, now: Timestamp) -> Result<Ended, NotHeld> {
        let claim = self.held(held, now)?.clone();
        Ok(self.ended(claim, ending, now))
    }

    /// The ticket after its lease ran out, if it has: a failed attempt like any other.
    ///
    /// # Errors
    /// The ticket, as it is, if nobody holds it or the lease goes on.
    pub fn expired(self, now: Timestamp) -> Result<Ended, Box<Self>> {
        let ran_out = self.claim.clone().filter(|claim| claim.lease_expires_at <= now);
        let Some(claim) = ran_out else {
            return Err(Box::new(self));
        };
        let ending = Ending {
            resolution: Resolution::FailedRetryable,
            summary: "the claim ran out".to_owned(),
            model_tier_used: None,
            retry_reason: Some(RetryReason::AgentTimeout),
            next_eligible_offset_seconds: None,
        };
        Ok(self.ended(claim, &ending, now))
    }

    /// The ticket, taken from whoever holds it and open again; no failure is counted.
    ///
    /// # Errors
    /// The ticket, as it is, if nobody holds it.
    pub fn taken_back(self, why: &str, now: Timestamp) -> Result<Ended, Box<Self>> {
        let Some(claim) = self.claim.clone() else {
            return Err(Box::new(self));
        };
        let ending = Ending {
            resolution: Resolution::Released,
            summary: why.to_owned(),
            model_tier_used: None,
            retry_reason: None,
            next_eligible_offset_seconds: None,
        };
        Ok(self.ended(claim, &ending, now))
    }

    fn ended(mut self, claim: Claim, ending: &Ending, now: Timestamp) -> Ended {
        let mut resolution = ending.resolution;
        if matches!(
            resolution,
            Resolution::FailedRetryable | Resolution::FailedTerminal
        ) {
            self.failure_count += 1;
        }
        if resolution == Resolution::FailedRetryable && self.failure_count >= FAILURES_MAX {
            resolution = Resolution::FailedTerminal;
        }
        let offset = ending.offset_seconds(resolution);
        self.status = status_after(resolution);
        self.claim = None;
        self.next_eligible_at = offset.map(|seconds| later(now, seconds));
        self.updated_at = now;
        self.last_resolution = Some(Resolved {
            resolution,
            summary: ending.summary.clone(),
            at: now,
            model_tier_used: ending.model_tier_used.clone(),
        });
        Ended {
            ticket: self,
            claim,
            resolution,
            next_eligible_offset_seconds: offset,
        }
    }
}

impl Ending {
    fn offset_seconds(&self, resolution: Resolution) -> Option<u64> {
        match resolution {
            Resolution::FailedRetryable => {
                // Who does not say why waits longest.
                let reason = self.retry_reason.unwrap_or(RetryReason::AgentTimeout);
                Some(
                    self.next_eligible_offset_seconds
                        .unwrap_or(reason.offset_seconds()),
                )
            }
            Resolution::DeferredCostLimit => self.next_eligible_offset_seconds,
            _ => None,
        }
    }
}

const fn status_after(resolution: Resolution) -> TicketStatus {
    match resolution {
        Resolution::Completed => TicketStatus::Completed,
        Resolution::FailedTerminal => TicketStatus::FailedTerminal,
        Resolution::FailedRetryable => TicketStatus::FailedRetryable,
        Resolution::Released | Resolution::DeferredCostLimit => TicketStatus::Open,
        Resolution::BlockedNeedsOperator => TicketStatus::BlockedNeedsOperator,
    }
}
