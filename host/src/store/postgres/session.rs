//! Connections: how each kind is opened and set, and as which role it works. Whether with TLS is said in [`tls`](super::tls).

use tokio::task::JoinHandle;
use tokio_postgres::{Client, Connection, Socket};

use super::{
    PostgresPlace,
    fault::{store_error, words},
    tls::Stream,
};
use crate::store::StoreError;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Appends and changes.
    Writer,
    /// Reads one tenant at a time.
    Reader,
    /// Reads everything, for as long as it takes.
    Auditor,
}

impl Role {
    /// What is said to the server before anything else. A commit is answered once it is on the disk, whatever the server's own
    /// settings say.
    pub(super) fn settings(self) -> String {
        let (role, statement_seconds, idle_seconds) = match self {
            Self::Writer => ("kora_writer", 30, 60),
            Self::Reader => ("kora_reader", 30, 60),
            Self::Auditor => ("kora_auditor", 0, 0),
        };
        format!(
            "SET search_path = kora, pg_temp; SET lock_timeout = '5s'; SET statement_timeout = '{statement_seconds}s'; \
             SET idle_in_transaction_session_timeout = '{idle_seconds}s'; SET synchronous_commit = on; SET ROLE {role}"
        )
    }
}

/// Connects, in the way that the place asks for; whoever calls carries the connection.
pub(super) async fn connect(
    place: &PostgresPlace,
) -> Result<(Client, Connection<Socket, Stream>), StoreError> {
    let connected = place.config().connect(place.tls()).await;
    connected
        .map_err(|error| StoreError::Unavailable(format!("cannot connect to the {place}: {}", words(&error))))
}

/// A connection, and the task that carries it.
pub(super) struct Session {
    pub(super) client: Client,
    carrier: JoinHandle<String>,
}

impl Session {
    /// Connects and takes the role.
    pub(super) async fn open(place: &PostgresPlace, role: Role) -> Result<Self, StoreError> {
        let session = Self::bare(place).await?;
        session
            .client
            .batch_execute(&role.settings())
            .await
            .map_err(|error| store_error(&error))?;
        Ok(session)
    }

    /// Connects and sets nothing.
    pub(super) async fn bare(place: &PostgresPlace) -> Result<Self, StoreError> {
        let (client, connection) = connect(place).await?;
        let carrier = tokio::spawn(async move {
            match connection.await {
                Ok(()) => "the connection was closed".to_owned(),
                Err(error) => words(&error),
            }
        });
        Ok(Self { client, carrier })
    }

    /// Waits until the connection is gone, and says why. May be dropped and asked again until it has answered.
    pub(super) async fn lost(&mut self) -> String {
        let ended = (&mut self.carrier).await;
        ended.unwrap_or_else(|error| format!("the connection's task ended: {error}"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It would end by itself once it has said good-bye; a server that hangs must not hold it.
        self.carrier.abort();
    }
}
