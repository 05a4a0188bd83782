//! What is asked of an append, and what becomes of it.

use serde::Serialize;

use super::{Writer, spool::Room};
use crate::{
    domain::{EventId, EventType, Hash, Payload, TenantId},
    engine::{
        payload::{PayloadError, normalise},
        vocabulary::NotAllowed,
    },
    store::{Appended, CommitError, StoreError},
};

/// The most bytes of an idempotency key: room for a UUID with a prefix, or a hash; it lies in an index.
pub const IDEMPOTENCY_KEY_MAX_BYTES: usize = 128;

/// A payload as it comes in.
#[derive(Debug, Clone)]
pub enum AppendPayload {
    /// Bytes that should be a JSON object.
    Bytes(Vec<u8>),
    /// Checked already.
    Checked(Payload),
}

impl AppendPayload {
    pub(super) fn checked(self) -> Result<Payload, PayloadError> {
        match self {
            Self::Bytes(bytes) => normalise(&bytes),
            Self::Checked(payload) => Ok(payload),
        }
    }
}

impl From<Vec<u8>> for AppendPayload {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for AppendPayload {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<&serde_json::Map<String, serde_json::Value>> for AppendPayload {
    fn from(object: &serde_json::Map<String, serde_json::Value>) -> Self {
        Self::Bytes(serde_json::to_vec(object).expect("a JSON object can always be written"))
    }
}

impl From<Payload> for AppendPayload {
    fn from(payload: Payload) -> Self {
        Self::Checked(payload)
    }
}

/// One event that somebody asks to append.
#[derive(Debug, Clone)]
pub struct AppendRequest {
    /// To whose chain.
    pub tenant: TenantId,
    /// Its type; it must be the writer's own.
    pub event_type: EventType,
    /// What happened.
    pub payload: AppendPayload,
    /// Who asks.
    pub writer: Writer,
    /// Appending the same key to a tenant twice is appending once: 1 to [`IDEMPOTENCY_KEY_MAX_BYTES`] printable ASCII
    /// characters.
    pub idempotency_key: Option<String>,
    /// The chain must end here now (0: empty), or nothing is appended.
    pub expected_seq: Option<u64>,
}

impl AppendRequest {
    /// Without key and expectation.
    pub fn new(
        tenant: TenantId,
        event_type: EventType,
        payload: impl Into<AppendPayload>,
        writer: Writer,
    ) -> Self {
        Self {
            tenant,
            event_type,
            payload: payload.into(),
            writer,
            idempotency_key: None,
            expected_seq: None,
        }
    }
}

/// What became of an append.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Its id; that of the first append if this was a repetition.
    pub event_id: EventId,
    /// Its place in the chain; absent while it waits.
    pub seq: Option<u64>,
    /// It waits in the spool because the store is away.
    pub pending: bool,
    /// The hash of the record; absent while it waits.
    pub this_hash: Option<Hash>,
    /// It was there already, by its id or its key.
    pub repeated: bool,
}

impl From<Appended> for Receipt {
    fn from(appended: Appended) -> Self {
        Self {
            event_id: appended.event_id,
            seq: Some(appended.seq),
            pending: false,
            this_hash: Some(appended.this_hash),
            repeated: appended.repeated,
        }
    }
}

/// Why nothing was appended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The type is not the writer's.
    #[error(transparent)]
    NotAllowed(#[from] NotAllowed),
    /// The payload is not one.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The key has not the form of one.
    #[error(
        "an idempotency key of 1 to {IDEMPOTENCY_KEY_MAX_BYTES} printable ASCII characters was expected; one of {found_bytes} bytes was found{}",
        if *printable { "" } else { ", not all of them printable ASCII" }
    )]
    IdempotencyKey {
        /// Its bytes.
        found_bytes: usize,
        /// Whether all of it is printable ASCII.
        printable: bool,
    },
    /// Earlier events of the tenant wait for the store, and nothing may overtake them.
    #[error(
        "{waiting} earlier event(s) of `{tenant}` wait for the store: {cause}; try again when it is back"
    )]
    Waiting {
        /// Whose.
        tenant: TenantId,
        /// How many.
        waiting: usize,
        /// Why they still wait.
        cause: String,
    },
    /// The event might have waited for the store, and what waits leaves no room for it.
    #[error(
        "the store is away ({cause}), and what callers may fill of the spool is full ({}); try again when the store is back",
        Room::OF_OTHERS
    )]
    SpoolFull {
        /// Why the store is away.
        cause: String,
    },
    /// The end of the chain is not as it was written, and nothing is written behind what nobody can vouch for.
    #[error(
        "the chain of `{tenant}` is sealed: {cause}; `kora events verify --tenant {tenant}` names the first bad record"
    )]
    Sealed {
        /// Whose.
        tenant: TenantId,
        /// What is wrong with it.
        cause: String,
    },
    /// The store did not answer in time. It may have been appended.
    #[error("the store did not answer within {} s", .after.as_secs())]
    TimedOut {
        /// How long was waited.
        after: std::time::Duration,
    },
    /// The store refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl AppendError {
    /// What is the matter, where it is said already that the store is.
    pub(super) fn of_the_store(&self) -> String {
        match self {
            Self::Commit(CommitError::Store(error)) => error.cause(),
            Self::Waiting { cause, .. } => cause.clone(),
            other => other.to_string(),
        }
    }

    /// Whether the same request may pass later without any change, because it failed for want of the store.
    pub const fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Waiting { .. }
                | Self::SpoolFull { .. }
                | Self::TimedOut { .. }
                | Self::Commit(CommitError::Store(
                    StoreError::Closed | StoreError::Unavailable(_)
                ))
        )
    }
}

pub(super) fn check_key(key: Option<&str>) -> Result<(), AppendError> {
    let Some(key) = key else {
        return Ok(());
    };
    let printable = key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if printable && (1..=IDEMPOTENCY_KEY_MAX_BYTES).contains(&key.len()) {
        return Ok(());
    }
    Err(AppendError::IdempotencyKey {
        found_bytes: key.len(),
        printable,
    })
}
