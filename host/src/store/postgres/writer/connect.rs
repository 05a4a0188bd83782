//! Letting the writer in: as the role that appends, to a server that takes commits and has all that was acknowledged.

use std::time::Duration;

use tokio::time::timeout;

use super::super::{
    PostgresPlace,
    append::Heads,
    fault::store_error,
    rows, schema,
    session::{Role, Session},
    statements::{PLANNING, Statements},
    transfer::HOSTS_LOCK,
};
use crate::store::StoreError;

/// How long a server may take over small things, such as letting the writer in: one that hangs is tried again.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// A connection that writes.
pub(in super::super) struct WriterSession {
    pub(super) session: Session,
    pub(super) statements: Statements,
}

impl WriterSession {
    /// Connects as the writer to a server that takes commits, with the schema of this release.
    pub(in super::super) async fn open(place: &PostgresPlace) -> Result<Self, StoreError> {
        let failed = |error| store_error(&error);
        let session = Session::open(place, Role::Writer).await?;
        let (found, known) = (schema::version(&session.client).await?, schema::known_version());
        if found != known {
            return Err(StoreError::Unavailable(format!(
                "expected schema version {known}, found {found}"
            )));
        }
        // Given back when the connection ends.
        let share = "SELECT pg_try_advisory_lock_shared($1)";
        let shared = session
            .client
            .query_one(share, &[&HOSTS_LOCK])
            .await
            .map_err(failed)?;
        if !shared.get::<_, bool>(0) {
            return Err(StoreError::Unavailable(format!(
                "the {place} is being restored or moved: expected it to be free for hosts; wait until that is done"
            )));
        }
        let state = "SELECT pg_is_in_recovery(), current_setting('fsync') = 'on'";
        let state = session.client.query_one(state, &[]).await.map_err(failed)?;
        if state.get(0) {
            return Err(StoreError::Unavailable(format!(
                "the {place} is a standby: expected the server that takes commits"
            )));
        }
        if !state.get::<_, bool>(1) {
            tracing::warn!(
                "the {place} runs with `fsync = off`: what it acknowledges does not outlive a loss of power"
            );
        }
        session.client.batch_execute(PLANNING).await.map_err(failed)?;
        // Boxed: it is a future for each statement.
        let prepared = Box::pin(Statements::prepare(&session.client)).await;
        let statements = prepared.map_err(failed)?;
        Ok(Self { session, statements })
    }
}

/// Connects to a server that has all that was acknowledged. One that took over from another may lack the last of it, and whoever
/// appended there would make a second chain of the same name.
pub(super) async fn connect(
    place: &PostgresPlace,
    acknowledged: &Heads,
) -> Result<WriterSession, StoreError> {
    let connected = timeout(CONNECT_WITHIN, connect_and_compare(place, acknowledged)).await;
    connected.unwrap_or_else(|_| {
        let seconds = CONNECT_WITHIN.as_secs();
        Err(StoreError::Unavailable(format!("no answer within {seconds} s")))
    })
}

async fn connect_and_compare(
    place: &PostgresPlace,
    acknowledged: &Heads,
) -> Result<WriterSession, StoreError> {
    const HEADS: &str = "SELECT tenant, seq, hash FROM heads WHERE tenant = ANY ($1)";
    let opened = WriterSession::open(place).await?;
    let tenants: Vec<&str> = acknowledged.keys().map(|tenant| tenant.as_str()).collect();
    let found = opened.session.client.query(HEADS, &[&tenants]).await;
    let mut found_heads = Heads::new();
    for row in &found.map_err(|error| store_error(&error))? {
        let head = rows::head(row)?;
        found_heads.insert(head.tenant, (head.seq, head.hash));
    }
    for (tenant, (seq, hash)) in acknowledged {
        let (found, found_hash) = found_heads.get(tenant).copied().unwrap_or((0, *hash));
        if found < *seq || found == *seq && found_hash != *hash {
            return Err(StoreError::Unavailable(format!(
                "the server has lost what it acknowledged: the chain of `{tenant}` ended at {seq}, now it ends {}. Bring back the \
                 server that has it, or restart the host to go on without",
                if found < *seq {
                    format!("at {found}")
                } else {
                    "in another record".to_owned()
                }
            )));
        }
    }
    Ok(opened)
}
