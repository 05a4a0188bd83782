//! What an error of PostgreSQL means for the store.

use std::error::Error as _;

use deadpool_postgres::PoolError;
use tokio_postgres::{Error, error::SqlState};

use crate::store::StoreError;

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Somebody was in the way: the whole transaction may be tried again as it was.
    InTheWay,
    /// What was to be written is not what may be written, or what was read is not what was written.
    Values,
    /// The connection is gone. Of a transaction that was about to be committed nothing is known.
    Lost,
    /// The server could not, whatever was asked.
    Failed,
}

pub(super) fn fault(error: &Error) -> Fault {
    let Some(code) = error.code() else {
        // Not of the server's: there is nobody at the other end any more. What a row holds is judged where it is read.
        return Fault::Lost;
    };
    match *code {
        SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::T_R_SERIALIZATION_FAILURE
        | SqlState::LOCK_NOT_AVAILABLE => Fault::InTheWay,
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => Fault::Lost,
        _ => match code.code().get(..2) {
            Some("08") => Fault::Lost,
            // Data, constraints, and what is too big.
            Some("22" | "23" | "54") => Fault::Values,
            _ if matches!(*code, SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED) => Fault::Values,
            _ => Fault::Failed,
        },
    }
}

/// What the library says of a server that answers the request for TLS with a no.
const NO_TLS: &str = "server does not support TLS";

/// In words, with the server's code. The library puts no parameters and no password into its errors.
pub(super) fn words(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} ({})", said.message(), said.code().code());
    }
    match error.source() {
        Some(source) if source.to_string() == NO_TLS => {
            "expected a server that speaks TLS, found one that does not: switch it on there (`ssl = on`), or say `sslmode=disable` if the \
             network may read along"
                .to_owned()
        }
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

pub(super) fn store_error(error: &Error) -> StoreError {
    match fault(error) {
        Fault::Values => StoreError::Damaged(words(error)),
        Fault::InTheWay | Fault::Lost | Fault::Failed => StoreError::Unavailable(words(error)),
    }
}

pub(super) fn pool_error(error: &PoolError) -> StoreError {
    match error {
        PoolError::Closed => StoreError::Closed,
        PoolError::Backend(error) => store_error(error),
        PoolError::PostCreateHook(deadpool_postgres::HookError::Backend(error)) => store_error(error),
        PoolError::Timeout(_) => StoreError::Unavailable("no connection became free in time".to_owned()),
        other => StoreError::Unavailable(other.to_string()),
    }
}
