//! Every row of a database, kind after kind. Who can write it can put anything into it: what was not written like this is named,
//! never passed on.

use tokio_postgres::{Client, Row as SqlRow, types::FromSql};
use uuid::Uuid;

use super::failed;
use crate::{
    domain::{Digest, EventId, Hash, Timestamp},
    store::{
        StoreError,
        postgres::{
            PostgresPlace,
            fault::store_error,
            rows::{self, event_columns},
            scan,
        },
        transfer::{
            ActorRow, CharterRow, DocumentRow, Each, EventRow, GenerationRow, HeadRow, PolicyRow, Row,
            TenantRow, TransferError, ValueRow,
        },
    },
};

/// What a table's rows become; in words, why they do not.
type Read = fn(&SqlRow) -> Result<Row, String>;

/// The tables before the events, each with its rows in the order in which they stand in a backup.
const BEFORE_EVENTS: [(&str, &str, Read); 7] = [
    (
        "tenants",
        "SELECT tenant, active, created_at FROM tenants ORDER BY tenant",
        tenant,
    ),
    (
        "actors",
        "SELECT tenant, actor_id, kind, name, active, canonical FROM actors ORDER BY place",
        actor,
    ),
    (
        "charters",
        "SELECT tenant, charter_id, schema_version, charter_version, content_md, content_hash, created_at, superseded_at \
         FROM charters ORDER BY tenant, charter_version",
        charter,
    ),
    (
        "policies",
        "SELECT tenant, path, value, updated_at FROM policies ORDER BY tenant, path",
        policy,
    ),
    (
        "generations",
        "SELECT tenant, generation, provider, plugin_version, plugin_digest, snapshot_hash, snapshot, event_id, created_at \
         FROM generations ORDER BY tenant, generation",
        generation,
    ),
    (
        "plugin_values",
        "SELECT plugin, tenant, key, value FROM plugin_values ORDER BY plugin, tenant, key",
        value,
    ),
    (
        "documents",
        "SELECT collection, tenant, id, revision, status, rank, due_at, body FROM documents \
         WHERE collection <> 'epochs' ORDER BY collection, tenant, id",
        document,
    ),
];

/// The events of all chains in the order in which they were written.
const EVENTS: &str = concat!("SELECT ", event_columns!(), " FROM events ORDER BY pos");

/// Hands over all rows, within the transaction of `client`. A table that an older schema has not yet has no rows.
pub(super) async fn all(client: &Client, place: &PostgresPlace, each: Each<'_>) -> Result<(), TransferError> {
    for (table, query, read) in BEFORE_EVENTS {
        let there = has_table(client, table).await;
        if there.map_err(|cause| failed(place, cause))? {
            stream(client, place, (table, query), each, read).await?;
        }
    }
    stream(client, place, ("events", EVENTS), each, event).await?;
    let heads = "SELECT tenant, seq, hash FROM heads ORDER BY tenant";
    stream(client, place, ("heads", heads), each, head).await
}

async fn stream(
    client: &Client,
    place: &PostgresPlace,
    (table, query): (&str, &str),
    each: Each<'_>,
    read: Read,
) -> Result<(), TransferError> {
    let mut handed = Ok(());
    let streamed = scan::stream(client, query, &[], |row| -> Result<(), StoreError> {
        let row = read(row)
            .map_err(|cause| StoreError::Damaged(format!("a row of `{table}` is unreadable: {cause}")))?;
        handed = each(row);
        // Any error ends the stream; which it was is known beside it.
        handed.as_ref().map(|&()| ()).map_err(|_| StoreError::Closed)
    });
    let streamed = streamed.await;
    handed?;
    streamed.map_err(|cause| failed(place, cause))
}

pub(super) async fn has_table(client: &Client, table: &str) -> Result<bool, StoreError> {
    let there = client
        .query_one("SELECT to_regclass('kora.' || $1::text) IS NOT NULL", &[&table])
        .await
        .map_err(|error| store_error(&error))?;
    Ok(there.get(0))
}

fn get<'a, T: FromSql<'a>>(row: &'a SqlRow, column: usize) -> Result<T, String> {
    row.try_get(column).map_err(|error| error.to_string())
}

fn time(row: &SqlRow, column: usize) -> Result<Timestamp, String> {
    get(row, column).map(Timestamp::from_micros)
}

fn optional_time(row: &SqlRow, column: usize) -> Result<Option<Timestamp>, String> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_micros))
}

fn digest(row: &SqlRow, column: usize) -> Result<Digest, String> {
    optional_digest(row, column)?.ok_or_else(|| "expected a digest, found nothing".to_owned())
}

fn optional_digest(row: &SqlRow, column: usize) -> Result<Option<Digest>, String> {
    let Some(bytes) = get::<Option<&[u8]>>(row, column)? else {
        return Ok(None);
    };
    let bytes: [u8; 32] = bytes
        .try_into()
        .map_err(|_| format!("expected 32 bytes, found {}", bytes.len()))?;
    Ok(Some(Digest::from_bytes(bytes)))
}

fn tenant(row: &SqlRow) -> Result<Row, String> {
    Ok(Row::Tenant(TenantRow {
        tenant: get(row, 0)?,
        active: get(row, 1)?,
        created_at_us: time(row, 2)?,
    }))
}

fn actor(row: &SqlRow) -> Result<Row, String> {
    Ok(Row::Actor(ActorRow {
        tenant: get(row, 0)?,
        actor_id: get(row, 1)?,
        kind: get(row, 2)?,
        name: get(row, 3)?,
        active: get(row, 4)?,
        canonical: get(row, 5)?,
    }))
}

fn charter(row: &SqlRow) -> Result<Row, String> {
    Ok(Row::Charter(CharterRow {
        tenant: get(row, 0)?,
        charter_id: get(row, 1)?,
        schema_version: get(row, 2)?,
        charter_version: get(row, 3)?,
        content_md: get(row, 4)?,
        content_hash: digest(row, 5)?,
        created_at_us: time(row, 6)?,
        superseded_at_us: optional_time(row, 7)?,
    }))
}

fn policy(row: &SqlRow) -> Result<Row, String> {
    Ok(Row::Policy(PolicyRow {
        tenant: get(row, 0)?,
        path: get(row, 1)?,
        value: get(row, 2)?,
        updated_at_us: time(row, 3)?,
    }))
}

fn generation(row: &SqlRow) -> Result<Row, String> {
    Ok(Row::Generation(GenerationRow {
        tenant: get(row, 0)?,
        generation: get(row, 1)?,
        provider: get(row, 2)?,
        plugin_version: get(row, 3)?,
        plugin_digest: optional_digest(row, 4)?,
        snapshot_hash: digest(row, 5)?,
        snapshot: get(row, 6)?,
        event_id: EventId::from_bytes(get::<Uuid>(row, 7)?.into_bytes()),
        created_at_us: time(row, 8)?,
    }))
}

fn value(row: &SqlRow) -> Result<Row, String> {
    let key = String::from_utf8(get(row, 2)?).map_err(|error| error.to_string())?;
    Ok(Row::Value(ValueRow {
        plugin: get(row, 0)?,
        tenant: get(row, 1)?,
        key,
        value: get(row, 3)?,
    }))
}

fn document(row: &SqlRow) -> Result<Row, String> {
    Ok(Row::Document(DocumentRow {
        collection: get(row, 0)?,
        tenant: get(row, 1)?,
        id: get(row, 2)?,
        revision: get(row, 3)?,
        status: get(row, 4)?,
        rank: get(row, 5)?,
        due_at_us: optional_time(row, 6)?,
        body: get(row, 7)?,
    }))
}

fn event(row: &SqlRow) -> Result<Row, String> {
    let mut id = [0; 16];
    let stored = rows::stored(row, &mut id)?;
    Ok(Row::Event(Box::new(EventRow::from(stored))))
}

fn head(row: &SqlRow) -> Result<Row, String> {
    let seq: i64 = get(row, 1)?;
    Ok(Row::Head(HeadRow {
        tenant: get(row, 0)?,
        seq: u64::try_from(seq).map_err(|error| error.to_string())?,
        hash: Hash::from_bytes(*digest(row, 2)?.as_bytes()),
    }))
}
