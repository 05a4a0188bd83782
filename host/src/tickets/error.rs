//! Why nothing came of what was asked of a ticket.

use uuid::Uuid;

use crate::{
    domain::TenantId,
    engine::{
        operation::IllegalStep,
        ticket::{BeginError, NotHeld, RefreshError, StepError, TicketInputError, TicketStatus},
    },
    store::{CommitError, StoreError},
    tenants::Interrupted,
};

/// Nothing changed, unless the store could not answer: then it is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// No such ticket.
    #[error("there is no ticket `{ticket}` of `{tenant}`")]
    Unknown {
        /// Whose it was to be.
        tenant: TenantId,
        /// Its id.
        ticket: Uuid,
    },
    /// No such actor.
    #[error("there is no active actor `{actor}` in `{tenant}`")]
    ActorUnknown {
        /// In which tenant.
        tenant: TenantId,
        /// Its id.
        actor: Uuid,
    },
    /// What was given makes no sense.
    #[error(transparent)]
    Input(#[from] TicketInputError),
    /// The asker does not hold it.
    #[error(transparent)]
    NotHeld(#[from] NotHeld),
    /// There was no progress.
    #[error(
        "a claim is refreshed only where there was progress: say which, `streaming_token_advanced` or `tool_call_boundary`"
    )]
    NoProgress,
    /// Too much is under way.
    #[error("too many operations of the attempt are under way: commit or abandon some of them first")]
    TooManyOperations,
    /// No such operation of the attempt.
    #[error("no operation `{operation}` of this attempt is under way")]
    NotUnderWay {
        /// Its id.
        operation: Uuid,
    },
    /// The ledger does not go that way.
    #[error(transparent)]
    Step(#[from] IllegalStep),
    /// How far the ticket is does not allow it.
    #[error("the ticket is `{status}`: {expected}")]
    Status {
        /// How far it is.
        status: TicketStatus,
        /// What was expected.
        expected: &'static str,
    },
    /// Somebody else was quicker, again and again.
    #[error("the ticket changed each time it was looked at: try again")]
    KeptChanging,
    /// What the store has is no ticket.
    #[error("`{what}` in the store cannot be read: {cause}")]
    Damaged {
        /// What.
        what: String,
        /// Why not.
        cause: String,
    },
    /// The batch was refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not known what became of it.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl TicketError {
    /// Whether the store could not answer, whatever was asked of it.
    pub const fn is_of_the_store(&self) -> bool {
        matches!(
            self,
            Self::Store(_) | Self::Commit(CommitError::Store(_)) | Self::Interrupted(_)
        )
    }
}

impl From<RefreshError> for TicketError {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::NotHeld(error) => error.into(),
            RefreshError::NoProgress => Self::NoProgress,
            RefreshError::Input(error) => error.into(),
        }
    }
}

impl From<BeginError> for TicketError {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::NotHeld(error) => error.into(),
            BeginError::TooMany => Self::TooManyOperations,
        }
    }
}

impl From<StepError> for TicketError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::NotHeld(error) => error.into(),
            StepError::NotUnderWay { operation } => Self::NotUnderWay { operation },
        }
    }
}
