//! Keeping hosts away from a database: a lock in it that every host's writer shares, and that is taken alone here. It ends with the
//! connection, however that ends.

use tokio::runtime::Runtime;
use tokio_postgres::error::SqlState;

use super::{failed, runtime};
use crate::store::{
    StorePlace,
    postgres::{PostgresPlace, fault::store_error, session::Session},
    transfer::TransferError,
};

/// The key of the lock. The bytes of `korahost`.
pub(in crate::store::postgres) const HOSTS_LOCK: i64 = i64::from_be_bytes(*b"korahost");

/// What is said first. Nothing here has a deadline but the wait for a lock: a host that has just ended is given the time to be gone.
const SETTINGS: &str = "SET lock_timeout = '3s'; SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
                        SET synchronous_commit = on; SET search_path = kora, pg_temp";

/// No host's writer is, or comes, on the database as long as this is there.
pub(in crate::store) struct DatabaseHold {
    /// Dropped before what carries it.
    pub(super) session: Session,
    pub(super) runtime: Runtime,
}

impl DatabaseHold {
    /// As the role that logs in.
    pub(in crate::store) fn take(place: &PostgresPlace) -> Result<Self, TransferError> {
        let runtime = runtime().map_err(|cause| failed(place, cause))?;
        let session = runtime.block_on(take(place))?;
        Ok(Self { session, runtime })
    }
}

async fn take(place: &PostgresPlace) -> Result<Session, TransferError> {
    let session = Session::bare(place).await.map_err(|cause| failed(place, cause))?;
    let set = session.client.batch_execute(SETTINGS).await;
    set.map_err(|error| failed(place, store_error(&error)))?;
    let taken = session
        .client
        .execute("SELECT pg_advisory_lock($1)", &[&HOSTS_LOCK])
        .await;
    match taken {
        Ok(_) => Ok(session),
        Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => Err(TransferError::InUse {
            place: StorePlace::Postgres(place.clone()).to_string(),
        }),
        Err(error) => Err(failed(place, store_error(&error))),
    }
}
