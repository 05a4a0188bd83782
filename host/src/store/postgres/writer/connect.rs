//! Letting the writer in: as the role that appends, to a server that takes commits and has all that was acknowledged.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::Client;

use super::super::{
    PostgresPlace,
    append::Heads,
    fault::store_error,
    rows, schema,
    session::{Role, Session},
    statements::{PLANNING, Statements},
    transfer::HOSTS_LOCK,
};
use crate::{domain::TenantId, store::StoreError};

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
    let opened = WriterSession::open(place).await?;
    let client = &opened.session.client;
    let lost = first_lost(client, acknowledged).await?;
    let Some((tenant, seq)) = lost else {
        return Ok(opened);
    };
    let head = client
        .query_opt("SELECT seq FROM heads WHERE tenant = $1", &[&tenant.as_str()])
        .await
        .map_err(|error| store_error(&error))?;
    let end = head.map_or(0, |head| head.get::<_, i64>(0));
    let now = match u64::try_from(end) {
        Ok(end) if end >= seq => "with other records".to_owned(),
        _ => format!("at {end}"),
    };
    Err(StoreError::Unavailable(format!(
        "the server has lost what it acknowledged: the chain of `{tenant}` ended at {seq}, now it ends {now}. Bring back the server that \
         has it, or restart the host to go on without"
    )))
}

/// The first chain without the record that it ended with. It may go on after that record: that alone does not say that it is the same chain,
/// since another host may have appended where the record is missing.
async fn first_lost<'a>(
    client: &Client,
    acknowledged: &'a Heads,
) -> Result<Option<(&'a TenantId, u64)>, StoreError> {
    const THERE: &str = "SELECT tenant, seq, this_hash FROM events \
                         JOIN unnest($1::text[], $2::bigint[]) AS acknowledged (tenant, seq) USING (tenant, seq)";
    let ends = acknowledged.iter().filter(|(_, (seq, _))| *seq > 0);
    let (tenants, seqs): (Vec<_>, Vec<_>) = ends
        .clone()
        .map(|(tenant, (seq, _))| (tenant.as_str(), i64::try_from(*seq).unwrap_or(i64::MAX)))
        .unzip();
    let found = client.query(THERE, &[&tenants, &seqs]).await;
    let mut there = Heads::new();
    for row in &found.map_err(|error| store_error(&error))? {
        let head = rows::head(row)?;
        there.insert(head.tenant, (head.seq, head.hash));
    }
    let mut lost = ends.filter(|(tenant, end)| there.get(*tenant) != Some(*end));
    Ok(lost.next().map(|(tenant, (seq, _))| (tenant, *seq)))
}
