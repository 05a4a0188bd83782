//! What is given to make a ticket, or to end an attempt, and whether it can be meant so.

use uuid::Uuid;

use super::{Criticality, Priority, Resolution, RetryReason, Ticket, TicketKind, TicketStatus};
use crate::domain::{Actor, Timestamp};

/// A title is a line.
pub const TITLE_MAX_CHARS: usize = 300;
/// A ticket says what to do; what it is done with lies elsewhere.
pub const BODY_MAX_BYTES: usize = 64 << 10;
/// A summary lies in a chain for ever.
pub const SUMMARY_MAX_CHARS: usize = 1000;
/// Names of tools and tiers are words, not texts.
pub const NAME_MAX_CHARS: usize = 200;

/// The longest time after which something is tried again: a month, in seconds.
pub const OFFSET_MAX_SECONDS: u64 = 31 * 24 * 3600;

/// What a ticket is made of. Kind, origin and ids are the host's to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketDraft {
    /// What to do, in a line.
    pub title: String,
    /// What to do, at length.
    pub body: Option<String>,
    /// How much it matters.
    pub priority: Priority,
    /// Whether a lesser model may do it.
    pub criticality: Option<Criticality>,
    /// Whose it is to do.
    pub assigned_to_actor_id: Option<Uuid>,
}

impl TicketDraft {
    /// The ticket.
    ///
    /// # Errors
    /// If a text is empty or too long.
    pub fn into_ticket(self, origin: Actor, now: Timestamp) -> Result<Ticket, TicketInputError> {
        let title = line(&self.title, TITLE_MAX_CHARS).map_err(|found| TicketInputError::Title { found })?;
        let body = self.body.filter(|body| !body.trim().is_empty());
        if let Some(found) = body
            .as_ref()
            .map(String::len)
            .filter(|bytes| *bytes > BODY_MAX_BYTES)
        {
            return Err(TicketInputError::Body { found });
        }
        Ok(Ticket {
            kind: TicketKind::Sea,
            title,
            body,
            priority: self.priority,
            criticality: self.criticality,
            origin,
            assigned_to_actor_id: self.assigned_to_actor_id,
            status: TicketStatus::Open,
            claim: None,
            claim_count: 0,
            work_attempt_count: 0,
            failure_count: 0,
            next_eligible_at: None,
            last_resolution: None,
            created_at: now,
            updated_at: now,
        })
    }
}

/// How somebody says that an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// How.
    pub resolution: Resolution,
    /// In words.
    pub summary: String,
    /// The tier of the model that did it.
    pub model_tier_used: Option<String>,
    /// Why it failed; it fixes when it is tried again.
    pub retry_reason: Option<RetryReason>,
    /// When it is tried again, in seconds from now; goes before the reason's.
    pub next_eligible_offset_seconds: Option<u64>,
}

impl Ending {
    /// Whether it can be meant so.
    ///
    /// # Errors
    /// If a text is empty or too long, or a time has no meaning or is too long.
    pub fn check(&self) -> Result<(), TicketInputError> {
        let found = self.summary.trim().chars().count();
        if !(1..=SUMMARY_MAX_CHARS).contains(&found) {
            return Err(TicketInputError::Summary { found });
        }
        if let Some(tier) = &self.model_tier_used {
            name("model tier", tier)?;
        }
        let may_come_again = matches!(
            self.resolution,
            Resolution::FailedRetryable | Resolution::DeferredCostLimit
        );
        let says_when = self.retry_reason.is_some() || self.next_eligible_offset_seconds.is_some();
        if says_when && !may_come_again {
            return Err(TicketInputError::OffsetOfNothing);
        }
        let offset = self.next_eligible_offset_seconds;
        offset.map_or(Ok(()), |found| seconds_within(found, OFFSET_MAX_SECONDS))
    }
}

/// What was given is not what a ticket can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TicketInputError {
    #[error("the title has {found} characters, expected 1 to {TITLE_MAX_CHARS} on one line")]
    Title { found: usize },
    #[error("the body has {found} bytes, expected at most {BODY_MAX_BYTES}")]
    Body { found: usize },
    #[error("the summary has {found} characters, expected 1 to {SUMMARY_MAX_CHARS}")]
    Summary { found: usize },
    #[error("the {what} has {found} characters, expected 1 to {max} on one line")]
    Name {
        what: &'static str,
        found: usize,
        max: usize,
    },
    #[error("{found} seconds were given, expected 1 to {max}")]
    Seconds { found: u64, max: u64 },
    #[error(
        "only an attempt that failed and may be tried again, or is deferred, has a time for the next one"
    )]
    OffsetOfNothing,
}

/// A name on one line.
///
/// # Errors
/// If it is empty, too long, or more than a line.
pub fn name(what: &'static str, text: &str) -> Result<String, TicketInputError> {
    line(text, NAME_MAX_CHARS).map_err(|found| TicketInputError::Name {
        what,
        found,
        max: NAME_MAX_CHARS,
    })
}

fn line(text: &str, max: usize) -> Result<String, usize> {
    let text = text.trim();
    let found = text.chars().count();
    if (1..=max).contains(&found) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(found)
}

pub(super) fn seconds_within(found: u64, max: u64) -> Result<(), TicketInputError> {
    if (1..=max).contains(&found) {
        return Ok(());
    }
    Err(TicketInputError::Seconds { found, max })
}
