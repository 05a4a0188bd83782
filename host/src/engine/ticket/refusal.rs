//! Why somebody may not do something with a ticket that they say they hold.

use uuid::Uuid;

use super::{OPEN_OPERATIONS_MAX, TicketInputError, TicketStatus};
use crate::domain::Timestamp;

/// Why somebody does not hold a ticket. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHeld {
    /// Another token is the ticket's.
    #[error("the fence token {given} is stale: the newest claim of the ticket has {newest}")]
    Stale {
        /// What was given.
        given: u64,
        /// That of the newest claim.
        newest: u64,
    },
    /// No claim of the ticket ever had the token.
    #[error("no claim of the ticket has the fence token {given}: {}", newest_of(*.newest))]
    NeverGiven {
        /// What was given.
        given: u64,
        /// That of the newest claim; zero if there was none.
        newest: u64,
    },
    /// That claim is over.
    #[error("the claim with the fence token {given} is over: the ticket is `{status}`")]
    Over {
        /// What was given.
        given: u64,
        /// How far the ticket is.
        status: TicketStatus,
    },
    /// The lease ran out.
    #[error("the claim with the fence token {given} ran out at {at}: claim the ticket again")]
    Expired {
        /// What was given.
        given: u64,
        /// When.
        at: Timestamp,
    },
    /// The token is somebody else's.
    #[error("the claim is another's")]
    Anothers,
}

fn newest_of(newest: u64) -> String {
    match newest {
        0 => "it was never claimed".to_owned(),
        newest => format!("the newest has {newest}"),
    }
}

/// Why a claim was not refreshed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// The asker does not hold it.
    #[error(transparent)]
    NotHeld(#[from] NotHeld),
    /// To be alive is not enough.
    #[error(
        "a claim is refreshed only where there was progress: say which, `streaming_token_advanced` or `tool_call_boundary`"
    )]
    NoProgress,
    /// The time is out of range.
    #[error(transparent)]
    Input(#[from] TicketInputError),
}

/// Why an operation did not begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    /// The asker does not hold the ticket.
    #[error(transparent)]
    NotHeld(#[from] NotHeld),
    /// There are enough.
    #[error(
        "{OPEN_OPERATIONS_MAX} operations of the attempt are under way: commit or abandon some of them first"
    )]
    TooMany,
}

/// Why an operation took no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The asker does not hold the ticket.
    #[error(transparent)]
    NotHeld(#[from] NotHeld),
    /// It has ended, or is another attempt's.
    #[error("no operation `{operation}` of this attempt is under way")]
    NotUnderWay {
        /// Its id.
        operation: Uuid,
    },
}
