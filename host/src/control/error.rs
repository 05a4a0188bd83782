//! Why a command was not issued or changed.

use crate::{
    domain::TenantId,
    engine::control::{IllegalStep, REASON_MAX_CHARS},
    store::{CommitError, StoreError},
    tenants::Interrupted,
};

/// Why nothing was issued or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The reason is empty or too long.
    #[error("a reason of 1 to {REASON_MAX_CHARS} characters was expected, {found} were found")]
    Reason {
        /// Its characters, trimmed.
        found: usize,
    },
    /// It would have ended before it began.
    #[error("the command would expire at {at}, which is past: give it a time to come, or none")]
    Expiry {
        /// When it would end.
        at: crate::domain::Timestamp,
    },
    /// There is no such command.
    #[error("there is no command {sequence} on `{tenant}`")]
    Unknown {
        /// On whom.
        tenant: TenantId,
        /// Its place.
        sequence: u64,
    },
    /// The command has come too far for that.
    #[error(transparent)]
    Step(#[from] IllegalStep),
    /// Somebody else changed the commands each time.
    #[error("the commands on `{tenant}` were changed by somebody else each time: try again")]
    KeptChanging {
        /// On whom.
        tenant: TenantId,
    },
    /// The commands could not be read.
    #[error("the commands cannot be read: {0}")]
    Read(#[from] StoreError),
    /// The batch was refused.
    #[error("the command was not written: {0}")]
    Commit(#[from] CommitError),
    /// It is not known what became of it.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}
