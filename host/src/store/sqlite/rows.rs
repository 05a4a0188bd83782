//! Rows as values: borrowed and strict for verification, owned for reading.
//!
//! The file may be hostile. Strict means that a column of another type or form than was written is named; owned text whose
//! bytes are not UTF-8 is shown with U+FFFD in their place, so that a broken record can still be looked at: its hash does
//! not hold, which verification says.

use std::str::FromStr;

use rusqlite::{
    Row,
    types::{Type, ValueRef},
};
use uuid::Uuid;

use crate::{
    domain::{Digest, Event, EventId, Hash, TenantActor, TenantId, Timestamp},
    engine::chain::Record,
    store::{GenerationRecord, StoreError, verify::StoredRecord},
};

/// The columns of an event, in the order that the functions here expect.
macro_rules! event_columns {
    () => {
        "tenant, seq, event_id, event_type, occurred_at, actor_kind, actor_id, source, identity_generation, \
         idempotency_key, payload, prev_hash, this_hash"
    };
}
pub(super) use event_columns;

/// How many they are.
pub(super) const EVENT_COLUMNS: usize = NAMES.len();

const TENANT: usize = 0;
const SEQ: usize = 1;
const EVENT_ID: usize = 2;
const EVENT_TYPE: usize = 3;
const OCCURRED_AT: usize = 4;
const ACTOR_KIND: usize = 5;
const ACTOR_ID: usize = 6;
const SOURCE: usize = 7;
const IDENTITY_GENERATION: usize = 8;
const IDEMPOTENCY_KEY: usize = 9;
const PAYLOAD: usize = 10;
const PREV_HASH: usize = 11;
const THIS_HASH: usize = 12;

/// Their names, for messages.
const NAMES: [&str; 13] = [
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

/// A column that does not hold what was written to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{}` is unreadable: expected {}, found {}", .0.column, .0.expected, .0.found)]
pub(super) struct Unreadable(Box<UnreadableColumn>); // boxed: every column of every record is returned beside it

#[derive(Debug, Clone, PartialEq, Eq)]
struct UnreadableColumn {
    column: &'static str,
    expected: &'static str,
    found: String,
}

impl Unreadable {
    fn new(column: usize, expected: &'static str, found: String) -> Self {
        let column = NAMES[column];
        Self(Box::new(UnreadableColumn {
            column,
            expected,
            found,
        }))
    }
}

/// The record of a row of `event_columns!`, nothing copied.
pub(super) fn stored<'a>(row: &'a Row<'_>) -> Result<StoredRecord<'a>, Unreadable> {
    let columns = Columns { row };
    Ok(StoredRecord {
        record: Record {
            tenant: columns.text(TENANT)?,
            seq: columns.unsigned(SEQ)?,
            event_id: columns.bytes(EVENT_ID, "16 bytes")?,
            event_type: columns.text(EVENT_TYPE)?,
            occurred_at: columns.integer(OCCURRED_AT)?,
            actor_kind: columns.optional(ACTOR_KIND, text)?,
            actor_id: columns.optional(ACTOR_ID, text)?,
            source: columns.text(SOURCE)?,
            identity_generation: columns.optional(IDENTITY_GENERATION, unsigned_integer)?,
            idempotency_key: columns.optional(IDEMPOTENCY_KEY, text)?,
            payload: columns.text(PAYLOAD)?,
        },
        prev_hash: columns.bytes(PREV_HASH, "32 bytes")?,
        this_hash: columns.bytes(THIS_HASH, "32 bytes")?,
    })
}

/// What can be read of a row that is unreadable as a whole: tenant, sequence number, id.
pub(super) fn legible(row: &Row<'_>) -> (Option<String>, Option<u64>, Option<EventId>) {
    let columns = Columns { row };
    (
        columns.text(TENANT).ok().map(str::to_owned),
        columns.unsigned(SEQ).ok(),
        columns
            .bytes(EVENT_ID, "16 bytes")
            .ok()
            .copied()
            .map(EventId::from_bytes),
    )
}

struct Columns<'a, 'stmt> {
    row: &'a Row<'stmt>,
}

impl<'a> Columns<'a, '_> {
    fn value(&self, column: usize) -> ValueRef<'a> {
        // Panics only for a column that the query does not have, and all queries here have `event_columns!`.
        self.row.get_ref_unwrap(column)
    }

    fn text(&self, column: usize) -> Result<&'a str, Unreadable> {
        text(column, self.value(column))
    }

    fn lossy(&self, column: usize) -> Result<String, Unreadable> {
        lossy(column, self.value(column))
    }

    fn integer(&self, column: usize) -> Result<i64, Unreadable> {
        integer(column, self.value(column))
    }

    fn unsigned(&self, column: usize) -> Result<u64, Unreadable> {
        unsigned_integer(column, self.value(column))
    }

    fn bytes<const N: usize>(
        &self,
        column: usize,
        expected: &'static str,
    ) -> Result<&'a [u8; N], Unreadable> {
        match self.value(column) {
            ValueRef::Blob(bytes) => bytes
                .try_into()
                .map_err(|_| Unreadable::new(column, expected, format!("{} bytes", bytes.len()))),
            other => Err(unreadable(column, expected, &other)),
        }
    }

    /// What `read` makes of a column, unless there is nothing in it.
    fn optional<T>(
        &self,
        column: usize,
        read: impl FnOnce(usize, ValueRef<'a>) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, Unreadable> {
        match self.value(column) {
            ValueRef::Null => Ok(None),
            value => read(column, value).map(Some),
        }
    }
}

fn text(column: usize, value: ValueRef<'_>) -> Result<&str, Unreadable> {
    match value {
        ValueRef::Text(bytes) => std::str::from_utf8(bytes)
            .map_err(|_| Unreadable::new(column, "UTF-8 text", "other bytes".to_owned())),
        other => Err(unreadable(column, "text", &other)),
    }
}

fn lossy(column: usize, value: ValueRef<'_>) -> Result<String, Unreadable> {
    match value {
        ValueRef::Text(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        other => Err(unreadable(column, "text", &other)),
    }
}

fn integer(column: usize, value: ValueRef<'_>) -> Result<i64, Unreadable> {
    match value {
        ValueRef::Integer(value) => Ok(value),
        other => Err(unreadable(column, "an integer", &other)),
    }
}

fn unsigned_integer(column: usize, value: ValueRef<'_>) -> Result<u64, Unreadable> {
    let value = integer(column, value)?;
    u64::try_from(value).map_err(|_| unreadable(column, "an integer from 0", &ValueRef::Integer(value)))
}

fn unreadable(column: usize, expected: &'static str, found: &ValueRef<'_>) -> Unreadable {
    let found = match found {
        ValueRef::Integer(value) => value.to_string(),
        other => match other.data_type() {
            Type::Null => "nothing",
            Type::Integer => "an integer",
            Type::Real => "a float",
            Type::Text => "text",
            Type::Blob => "bytes",
        }
        .to_owned(),
    };
    Unreadable::new(column, expected, found)
}

/// The event of a row of `event_columns!`.
pub(super) fn event(row: &Row<'_>) -> Result<Event, StoreError> {
    let columns = Columns { row };
    let read = || {
        Ok(Event {
            tenant: tenant(&columns.lossy(TENANT)?)?,
            seq: columns.unsigned(SEQ)?,
            event_id: EventId::from_bytes(*columns.bytes(EVENT_ID, "16 bytes")?),
            event_type: columns.lossy(EVENT_TYPE)?,
            occurred_at: Timestamp::from_micros(columns.integer(OCCURRED_AT)?),
            actor_kind: columns.optional(ACTOR_KIND, lossy)?,
            actor_id: columns.optional(ACTOR_ID, lossy)?,
            source: columns.lossy(SOURCE)?,
            identity_generation: columns.optional(IDENTITY_GENERATION, unsigned_integer)?,
            idempotency_key: columns.optional(IDEMPOTENCY_KEY, lossy)?,
            payload: columns.lossy(PAYLOAD)?,
            prev_hash: Hash::from_bytes(*columns.bytes(PREV_HASH, "32 bytes")?),
            this_hash: Hash::from_bytes(*columns.bytes(THIS_HASH, "32 bytes")?),
        })
    };
    read().map_err(|unreadable: Unreadable| {
        let (tenant, seq, id) = legible(row);
        StoreError::Damaged(format!(
            "event {} of `{}`, id {}: {unreadable}",
            seq.map_or_else(|| "?".to_owned(), |seq| seq.to_string()),
            tenant.as_deref().unwrap_or("?"),
            id.map_or_else(|| "?".to_owned(), |id| id.to_string()),
        ))
    })
}

/// The tenant of a stored id; unlike what comes from outside, it may be the host's own.
fn tenant(text: &str) -> Result<TenantId, Unreadable> {
    stored_tenant(text)
        .map_err(|error| Unreadable::new(TENANT, "the id of a tenant", format!("`{}`", error.found)))
}

/// As [`TenantId::from_str`](std::str::FromStr::from_str), but for the host's own chain too.
pub(super) fn stored_tenant(text: &str) -> Result<TenantId, crate::domain::InvalidName> {
    let host = TenantId::host();
    if text == host.as_str() {
        Ok(host)
    } else {
        text.parse()
    }
}

/// The columns of an identity generation, in the order that [`generation`] expects.
pub(super) const GENERATION_COLUMNS: &str = "tenant, generation, provider, plugin_version, plugin_digest, snapshot_hash, snapshot, event_id, created_at";

/// The identity generation of a row of [`GENERATION_COLUMNS`]. Its snapshot has the hash that it should have.
pub(super) fn generation(row: &Row<'_>) -> Result<GenerationRecord, StoreError> {
    let read = || -> rusqlite::Result<_> {
        Ok(GenerationRecord {
            tenant: parsed(row, 0)?,
            generation: unsigned(row, 1)?,
            provider: row
                .get_ref(2)?
                .as_str_or_null()
                .map_err(conversion(2))?
                .map(str::parse)
                .transpose()
                .map_err(boxed(2))?,
            plugin_version: row.get(3)?,
            plugin_digest: row.get::<_, Option<[u8; 32]>>(4)?.map(Digest::from_bytes),
            snapshot_hash: Digest::from_bytes(row.get(5)?),
            snapshot: row.get(6)?,
            event_id: EventId::from_bytes(row.get(7)?),
            created_at: Timestamp::from_micros(row.get(8)?),
        })
    };
    let record = read()
        .map_err(|error| StoreError::Damaged(format!("an identity generation is unreadable: {error}")))?;
    if Digest::of(record.snapshot.as_bytes()) != record.snapshot_hash {
        return Err(StoreError::Damaged(format!(
            "the snapshot of identity generation {} of `{}` is not the one that was stored: its hash differs",
            record.generation, record.tenant
        )));
    }
    Ok(record)
}

/// An actor: `actor_id, kind, name, active, canonical`, from column `first` on.
pub(super) fn actor(row: &Row<'_>, first: usize) -> rusqlite::Result<TenantActor> {
    Ok(TenantActor {
        actor_id: Uuid::from_bytes(row.get(first)?),
        kind: row.get(first + 1)?,
        name: row.get(first + 2)?,
        active: row.get(first + 3)?,
        canonical: row.get(first + 4)?,
    })
}

/// A tenant's id.
pub(super) fn tenant_of(row: &Row<'_>, column: usize) -> rusqlite::Result<TenantId> {
    let text = row.get_ref(column)?.as_str().map_err(conversion(column))?;
    stored_tenant(text).map_err(boxed(column))
}

/// A text that is one of the forms of `T`.
pub(super) fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str().map_err(conversion(column))?;
    text.parse().map_err(boxed(column))
}

/// An integer that is never negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

fn boxed<E: std::error::Error + Send + Sync + 'static>(column: usize) -> impl FnOnce(E) -> rusqlite::Error {
    move |error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

fn conversion(column: usize) -> impl FnOnce(rusqlite::types::FromSqlError) -> rusqlite::Error {
    boxed(column)
}
