//! Why a question about money has no answer.

use crate::{
    domain::{BillingPeriod, Money, Timestamp},
    engine::cost::InvalidUsage,
    store::{CommitError, StoreError},
    tenants::Interrupted,
};

/// Why nothing was counted, or is known. Whoever asks whether it may spend takes each of these for a no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// The usage makes no sense.
    #[error(transparent)]
    Usage(#[from] InvalidUsage),
    /// The id of a usage has not the form of one.
    #[error(
        "a usage's id of 1 to {} printable ASCII characters was expected; one of {found_bytes} bytes was found",
        super::costs::MAX_KEY_BYTES
    )]
    Key {
        /// Its bytes.
        found_bytes: usize,
    },
    /// The id was used for another usage.
    #[error("the id `{key}` was used for another usage: give each usage an id of its own")]
    KeyReused {
        /// The id.
        key: String,
    },
    /// The provider's figure is none.
    #[error("the provider's figure is {found} USD: expected 0 or more")]
    Figure {
        /// What was given.
        found: Money,
    },
    /// Credit cannot be granted for that period.
    #[error(
        "a period that begins at {} was asked for: expected one that begins after {}, where the current one does, and not after now",
        .asked.to_rfc3339(), .current.start().to_rfc3339()
    )]
    Period {
        /// Where it would begin.
        asked: Timestamp,
        /// The current one.
        current: BillingPeriod,
    },
    /// What lies in the store is no account.
    #[error("the account `{id}` cannot be read: {detail}")]
    Unreadable {
        /// Its id.
        id: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Others changed the account each time.
    #[error("the account was changed by others {attempts} times in a row: try again")]
    KeptChanging {
        /// How often it was tried.
        attempts: usize,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It is not known what became of it.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}
