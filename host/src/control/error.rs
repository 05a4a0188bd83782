//! Why a command was not issued or changed.

use std::time::Duration;

use crate::{
    domain::TenantId,
    engine::control::{IllegalStep, REASON_MAX_CHARS},
    store::{CommitError, StoreError},
    tenants::Interrupted,
};

/// The longest that a command may last that ends by itself: a year.
pub const EXPIRY_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why nothing was issued or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The reason is empty or too long.
    #[error("a reason of 1 to {REASON_MAX_CHARS} characters was expected, {found} were found")]
    Reason {
        /// Its characters, trimmed.
        found: usize,
    },
    /// It would end at once, or hardly ever.
    #[error(
        "an expiry in 1 s to {} s was expected, {} s were found; a command that is not to end by itself is given without one",
        EXPIRY_MAX.as_secs(), .found.as_secs()
    )]
    Expiry {
        /// After which time it would end.
        found: Duration,
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
