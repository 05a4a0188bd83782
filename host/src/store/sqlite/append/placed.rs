//! An event in its place in a chain, and the statement that inserts it, alone or with others.

use rusqlite::{Connection, Statement};

use super::{BatchError, integer};
use crate::{
    domain::{EventId, Hash, NewEvent},
    engine::chain::{Record, RecordHasher},
    store::{Appended, sqlite::rows},
};

/// An event that has its place.
pub(super) struct Placed<'e> {
    event_id: EventId,
    record: Record<'e>,
    prev_hash: Hash,
    this_hash: Hash,
}

impl<'e> Placed<'e> {
    /// Puts `event` behind the record `last_seq`, whose hash is `prev_hash`.
    pub(super) fn behind(
        (last_seq, prev_hash): (u64, Hash),
        event: &'e NewEvent,
        hasher: &mut RecordHasher,
    ) -> Self {
        let record = Record::of_new(event, last_seq + 1);
        Self {
            event_id: event.event_id,
            this_hash: hasher.hash(prev_hash.as_bytes(), &record),
            record,
            prev_hash,
        }
    }

    /// Where the chain ends with it.
    pub(super) fn head(&self) -> (u64, Hash) {
        (self.record.seq, self.this_hash)
    }

    /// The answer to whoever appended it.
    pub(super) fn appended(&self) -> Appended {
        Appended {
            event_id: self.event_id,
            seq: self.record.seq,
            this_hash: self.this_hash,
            repeated: false,
        }
    }

    /// Makes it the row `row`, from 0, of a statement of [`prepare`].
    pub(super) fn bind(&self, statement: &mut Statement<'_>, row: usize) -> Result<(), BatchError> {
        let record = &self.record;
        let generation = record.identity_generation.map(integer).transpose()?;
        // Parameters count from 1.
        let mut next = 1 + row * rows::EVENT_COLUMNS;
        macro_rules! bind {
            ($($value:expr),* $(,)?) => {
                $(statement.raw_bind_parameter(next, $value)?; next += 1;)*
            };
        }
        bind!(
            record.tenant,
            integer(record.seq)?,
            record.event_id,
            record.event_type,
            record.occurred_at,
            record.actor_kind,
            record.actor_id,
            record.source,
            generation,
            record.idempotency_key,
            record.payload,
            self.prev_hash.as_bytes(),
            self.this_hash.as_bytes(),
        );
        debug_assert_eq!(
            next,
            1 + (row + 1) * rows::EVENT_COLUMNS,
            "each column has its parameter"
        );
        Ok(())
    }
}

/// The statement that inserts so many events.
pub(super) fn prepare(connection: &Connection, events: usize) -> rusqlite::Result<Statement<'_>> {
    let row = format!("({})", ["?"; rows::EVENT_COLUMNS].join(", "));
    let rows = vec![row; events].join(", ");
    connection.prepare(&format!(
        "INSERT INTO events ({}) VALUES {rows}",
        rows::event_columns!()
    ))
}
