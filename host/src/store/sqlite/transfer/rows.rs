//! Every row of a file, kind after kind. The file may be hostile: what was not written like this is named, never passed on.

use std::path::Path;

use rusqlite::{Connection, Row as SqlRow};
use uuid::Uuid;

use super::{
    super::{
        open::store_error,
        rows::{self, event_columns},
    },
    failed,
};
use crate::{
    domain::{Digest, EventId, Hash, Timestamp},
    store::{
        StoreError,
        transfer::{
            ActorRow, CharterRow, DocumentRow, Each, EventRow, GenerationRow, HeadRow, PolicyRow, Row,
            TenantRow, TransferError, ValueRow,
        },
    },
};

/// What a table's rows become.
type Read = fn(&SqlRow<'_>) -> rusqlite::Result<Row>;

/// The tables before the events, each with its rows in the order in which they stand in a backup.
const BEFORE_EVENTS: [(&str, &str, Read); 7] = [
    (
        "tenants",
        "SELECT tenant, active, created_at FROM tenants ORDER BY tenant",
        tenant,
    ),
    (
        "actors",
        "SELECT tenant, actor_id, kind, name, active, canonical FROM actors ORDER BY rowid",
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

/// Hands over all rows of the file. A table that an older schema has not yet has no rows.
pub(super) fn all(connection: &Connection, path: &Path, each: Each<'_>) -> Result<(), TransferError> {
    for (table, query, read) in BEFORE_EVENTS {
        if has_table(connection, table).map_err(|error| failed(path, store_error(&error)))? {
            stream(connection, path, query, each, |row| {
                read(row).map_err(|error| damaged(table, &error))
            })?;
        }
    }
    stream(connection, path, EVENTS, each, |row| {
        let stored = rows::stored(row).map_err(|unreadable| {
            let (tenant, seq, _) = rows::legible(row);
            let (tenant, seq) = (tenant.unwrap_or_default(), seq.unwrap_or_default());
            StoreError::Damaged(format!("event {seq} of `{tenant}`: {unreadable}"))
        })?;
        Ok(Row::Event(Box::new(EventRow::from(stored))))
    })?;
    let heads = "SELECT tenant, seq, hash FROM heads ORDER BY tenant";
    stream(connection, path, heads, each, |row| {
        head(row).map_err(|error| damaged("heads", &error))
    })
}

fn stream(
    connection: &Connection,
    path: &Path,
    query: &str,
    each: Each<'_>,
    read: impl Fn(&SqlRow<'_>) -> Result<Row, StoreError>,
) -> Result<(), TransferError> {
    let lost = |error: rusqlite::Error| failed(path, store_error(&error));
    let mut statement = connection.prepare(query).map_err(lost)?;
    let mut found = statement.query([]).map_err(lost)?;
    while let Some(row) = found.next().map_err(lost)? {
        each(read(row).map_err(|cause| failed(path, cause))?)?;
    }
    Ok(())
}

pub(super) fn has_table(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?
        .exists([table])
}

/// A column that is unreadable is damage, whatever else SQLite calls it.
fn damaged(table: &str, error: &rusqlite::Error) -> StoreError {
    StoreError::Damaged(format!("a row of `{table}` is unreadable: {error}"))
}

fn time(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

fn optional_time(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

fn tenant(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row::Tenant(TenantRow {
        tenant: row.get(0)?,
        active: row.get(1)?,
        created_at_us: time(row, 2)?,
    }))
}

fn actor(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row::Actor(ActorRow {
        tenant: row.get(0)?,
        actor_id: Uuid::from_bytes(row.get(1)?),
        kind: row.get(2)?,
        name: row.get(3)?,
        active: row.get(4)?,
        canonical: row.get(5)?,
    }))
}

fn charter(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row::Charter(CharterRow {
        tenant: row.get(0)?,
        charter_id: Uuid::from_bytes(row.get(1)?),
        schema_version: row.get(2)?,
        charter_version: row.get(3)?,
        content_md: row.get(4)?,
        content_hash: Digest::from_bytes(row.get(5)?),
        created_at_us: time(row, 6)?,
        superseded_at_us: optional_time(row, 7)?,
    }))
}

fn policy(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row::Policy(PolicyRow {
        tenant: row.get(0)?,
        path: row.get(1)?,
        value: row.get(2)?,
        updated_at_us: time(row, 3)?,
    }))
}

fn generation(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row::Generation(GenerationRow {
        tenant: row.get(0)?,
        generation: row.get(1)?,
        provider: row.get(2)?,
        plugin_version: row.get(3)?,
        plugin_digest: row.get::<_, Option<[u8; 32]>>(4)?.map(Digest::from_bytes),
        snapshot_hash: Digest::from_bytes(row.get(5)?),
        snapshot: row.get(6)?,
        event_id: EventId::from_bytes(row.get(7)?),
        created_at_us: time(row, 8)?,
    }))
}

fn value(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row::Value(ValueRow {
        plugin: row.get(0)?,
        tenant: row.get(1)?,
        key: row.get(2)?,
        value: row.get(3)?,
    }))
}

fn document(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row::Document(DocumentRow {
        collection: row.get(0)?,
        tenant: row.get(1)?,
        id: row.get(2)?,
        revision: row.get(3)?,
        status: row.get(4)?,
        rank: row.get(5)?,
        due_at_us: optional_time(row, 6)?,
        body: row.get(7)?,
    }))
}

fn head(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row::Head(HeadRow {
        tenant: row.get(0)?,
        seq: rows::unsigned(row, 1)?,
        hash: Hash::from_bytes(row.get(2)?),
    }))
}
