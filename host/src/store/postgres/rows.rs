//! Rows as values: borrowed for verification, owned for reading. Who can write the database can put anything into it, so what
//! was not written like this is named, never trusted.

use std::str::FromStr;

use tokio_postgres::{Row, types::FromSql};
use uuid::Uuid;

use crate::{
    domain::{Digest, Event, EventId, Hash, TenantActor, TenantId, Timestamp},
    engine::chain::Record,
    store::{Document, DocumentKey, GenerationRecord, Head, StoreError, verify::StoredRecord},
};

/// The columns of an event, in the order that the functions here expect.
macro_rules! event_columns {
    () => {
        "tenant, seq, event_id, event_type, occurred_at, actor_kind, actor_id, source, identity_generation, \
         idempotency_key, payload, prev_hash, this_hash"
    };
}
pub(super) use event_columns;

/// The columns of an identity generation, in the order that [`generation`] expects.
pub(super) const GENERATION_COLUMNS: &str = "tenant, generation, provider, plugin_version, plugin_digest, snapshot_hash, snapshot, event_id, created_at";

/// The columns of a document, in the order that [`document`] expects.
pub(super) const DOCUMENT_COLUMNS: &str = "collection, tenant, id, revision, status, rank, due_at, body";

/// The names of the columns of an event, for messages.
const EVENT_NAMES: [&str; 13] = [
    "tenant",
    "seq",
    "event_id",
    "event_type",
    "occurred_at",
    "actor_kind",
    "actor_id",
    "source",
    "identity_generation",
    "idempotency_key",
    "payload",
    "prev_hash",
    "this_hash",
];

/// A column that does not hold what was written to it: which, and why.
type Unreadable = (usize, String);

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Unreadable> {
    row.try_get(column).map_err(|error| (column, error.to_string()))
}

fn unsigned(row: &Row, column: usize) -> Result<u64, Unreadable> {
    let value: i64 = get(row, column)?;
    u64::try_from(value).map_err(|_| (column, format!("expected an integer from 0, found {value}")))
}

fn optional_unsigned(row: &Row, column: usize) -> Result<Option<u64>, Unreadable> {
    let there: Option<i64> = get(row, column)?;
    there.map(|_| unsigned(row, column)).transpose()
}

fn bytes<const N: usize>(row: &Row, column: usize) -> Result<&[u8; N], Unreadable> {
    let bytes: &[u8] = get(row, column)?;
    bytes
        .try_into()
        .map_err(|_| (column, format!("expected {N} bytes, found {}", bytes.len())))
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(row: &Row, column: usize) -> Result<T, Unreadable> {
    let text: &str = get(row, column)?;
    text.parse().map_err(|error: T::Err| (column, error.to_string()))
}

fn event_id(row: &Row, column: usize) -> Result<EventId, Unreadable> {
    Ok(EventId::from_bytes(get::<Uuid>(row, column)?.into_bytes()))
}

fn hash(row: &Row, column: usize) -> Result<Hash, Unreadable> {
    bytes(row, column).copied().map(Hash::from_bytes)
}

fn tenant(row: &Row, column: usize) -> Result<TenantId, Unreadable> {
    let host = TenantId::host();
    match get::<&str>(row, column)? {
        text if text == host.as_str() => Ok(host),
        _ => parsed(row, column),
    }
}

/// A key, which is UTF-8 in bytes.
fn key(row: &Row, column: usize) -> Result<Option<&str>, Unreadable> {
    let bytes: Option<&[u8]> = get(row, column)?;
    bytes
        .map(std::str::from_utf8)
        .transpose()
        .map_err(|error| (column, error.to_string()))
}

fn damaged(what: &str, (column, cause): Unreadable) -> StoreError {
    StoreError::Damaged(format!("{what} is unreadable in column {column}: {cause}"))
}

/// The record of a row of `event_columns!`, nothing copied but its id, which has another type in the row than in a record.
pub(super) fn stored<'a>(row: &'a Row, id: &'a mut [u8; 16]) -> Result<StoredRecord<'a>, String> {
    let read = get::<Uuid>(row, 2).and_then(|read| {
        *id = read.into_bytes();
        with_id(row, id)
    });
    read.map_err(|(column, cause)| format!("column `{}` is unreadable: {cause}", EVENT_NAMES[column]))
}

fn with_id<'a>(row: &'a Row, event_id: &'a [u8; 16]) -> Result<StoredRecord<'a>, Unreadable> {
    Ok(StoredRecord {
        record: Record {
            tenant: get(row, 0)?,
            seq: unsigned(row, 1)?,
            event_id,
            event_type: get(row, 3)?,
            occurred_at: get(row, 4)?,
            actor_kind: get(row, 5)?,
            actor_id: get(row, 6)?,
            source: get(row, 7)?,
            identity_generation: optional_unsigned(row, 8)?,
            idempotency_key: key(row, 9)?,
            payload: get(row, 10)?,
        },
        prev_hash: bytes(row, 11)?,
        this_hash: bytes(row, 12)?,
    })
}

/// What can be read of a row that is unreadable as a whole: tenant, sequence number, id.
pub(super) fn legible(row: &Row) -> (Option<String>, Option<u64>, Option<EventId>) {
    (get(row, 0).ok(), unsigned(row, 1).ok(), event_id(row, 2).ok())
}

/// Whose a row is.
pub(super) fn owner(row: &Row) -> Result<TenantId, StoreError> {
    tenant(row, 0).map_err(|unreadable| damaged("the place of a document", unreadable))
}

/// The event of a row of `event_columns!`.
pub(super) fn event(row: &Row) -> Result<Event, StoreError> {
    let read = || -> Result<_, Unreadable> {
        Ok(Event {
            tenant: tenant(row, 0)?,
            seq: unsigned(row, 1)?,
            event_id: event_id(row, 2)?,
            event_type: get(row, 3)?,
            occurred_at: Timestamp::from_micros(get(row, 4)?),
            actor_kind: get(row, 5)?,
            actor_id: get(row, 6)?,
            source: get(row, 7)?,
            identity_generation: optional_unsigned(row, 8)?,
            idempotency_key: key(row, 9)?.map(str::to_owned),
            payload: get(row, 10)?,
            prev_hash: hash(row, 11)?,
            this_hash: hash(row, 12)?,
        })
    };
    read().map_err(|unreadable| {
        let (tenant, seq, _) = legible(row);
        let tenant = tenant.as_deref().unwrap_or("?");
        damaged(&format!("event {} of `{tenant}`", seq.unwrap_or(0)), unreadable)
    })
}

/// A row of `tenant, seq, hash`.
pub(super) fn head(row: &Row) -> Result<Head, StoreError> {
    let read = || -> Result<_, Unreadable> {
        Ok(Head {
            tenant: tenant(row, 0)?,
            seq: unsigned(row, 1)?,
            hash: hash(row, 2)?,
        })
    };
    read().map_err(|unreadable| damaged("a head", unreadable))
}

/// The identity generation of a row of [`GENERATION_COLUMNS`]. Its snapshot has the hash that it should have.
pub(super) fn generation(row: &Row) -> Result<GenerationRecord, StoreError> {
    let read = || -> Result<_, Unreadable> {
        Ok(GenerationRecord {
            tenant: tenant(row, 0)?,
            generation: unsigned(row, 1)?,
            provider: get::<Option<&str>>(row, 2)?.map(|_| parsed(row, 2)).transpose()?,
            plugin_version: get(row, 3)?,
            plugin_digest: get::<Option<&[u8]>>(row, 4)?.map(|_| hash(row, 4)).transpose()?,
            snapshot_hash: hash(row, 5)?,
            snapshot: get(row, 6)?,
            event_id: event_id(row, 7)?,
            created_at: Timestamp::from_micros(get(row, 8)?),
        })
    };
    let record = read().map_err(|unreadable| damaged("an identity generation", unreadable))?;
    if Digest::of(record.snapshot.as_bytes()) != record.snapshot_hash {
        return Err(StoreError::Damaged(format!(
            "the snapshot of identity generation {} of `{}` is not the one that was stored: its hash differs",
            record.generation, record.tenant
        )));
    }
    Ok(record)
}

/// A row of [`DOCUMENT_COLUMNS`].
pub(super) fn document(row: &Row) -> Result<Document, StoreError> {
    let read = || -> Result<_, Unreadable> {
        Ok(Document {
            key: DocumentKey {
                collection: parsed(row, 0)?,
                tenant: tenant(row, 1)?,
                id: get(row, 2)?,
            },
            revision: unsigned(row, 3)?,
            status: get(row, 4)?,
            rank: get(row, 5)?,
            due_at: get::<Option<i64>>(row, 6)?.map(Timestamp::from_micros),
            body: get(row, 7)?,
        })
    };
    read().map_err(|unreadable| damaged("a document", unreadable))
}

/// The id of a tenant, whether it is served, and when it was added.
pub(super) fn bare_tenant(row: &Row) -> Result<(TenantId, bool, Timestamp), StoreError> {
    let read = || {
        Ok((
            tenant(row, 0)?,
            get(row, 1)?,
            Timestamp::from_micros(get(row, 2)?),
        ))
    };
    read().map_err(|unreadable| damaged("a tenant", unreadable))
}

/// A row of `tenant, actor_id, kind, name, active, canonical`.
pub(super) fn actor(row: &Row) -> Result<(TenantId, TenantActor), StoreError> {
    let read = || -> Result<_, Unreadable> {
        let actor = TenantActor {
            actor_id: get(row, 1)?,
            kind: get(row, 2)?,
            name: get(row, 3)?,
            active: get(row, 4)?,
            canonical: get(row, 5)?,
        };
        Ok((tenant(row, 0)?, actor))
    };
    read().map_err(|unreadable| damaged("an actor", unreadable))
}

/// A count.
pub(super) fn count(row: &Row, column: usize) -> Result<u64, StoreError> {
    unsigned(row, column).map_err(|unreadable| damaged("a count", unreadable))
}

/// A key of a plugin's value.
pub(super) fn value_key(row: &Row) -> Result<String, StoreError> {
    let read = key(row, 0).map_err(|unreadable| damaged("a key", unreadable))?;
    Ok(read.unwrap_or_default().to_owned())
}

/// PostgreSQL's integers are signed: beyond them there is nothing to be found.
pub(super) fn position(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The id of a tenant.
pub(super) fn tenant_id(row: &Row) -> Result<TenantId, StoreError> {
    tenant(row, 0).map_err(|unreadable| damaged("a tenant", unreadable))
}

/// A hash, if it is one.
pub(super) fn hash_of(row: &Row) -> Option<Hash> {
    hash(row, 0).ok()
}
