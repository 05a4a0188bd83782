//! Reading records for verification: hashes each straight from its row and collects them into segments.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, Rows, params};

use super::rows::{self, StoredRecord, event_columns};
use crate::{
    domain::{EventId, Hash},
    engine::chain::{self, RecordHasher},
    store::verify::{Link, Segment},
};

/// The records of all chains in the order in which they were written: `?1` to `?2` are positions.
pub(super) const BY_POSITION: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE pos BETWEEN ?1 AND ?2 ORDER BY pos"
);

/// The records of the chain `?1` with sequence numbers from `?2` to `?3`.
pub(super) const BY_CHAIN: &str = concat!(
    "SELECT ",
    event_columns!(),
    " FROM events WHERE tenant = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq"
);

/// The chain of records whose tenant is unreadable. No tenant has this id.
pub(super) const NO_TENANT: &str = "?";

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    hasher: RecordHasher,
    /// By tenant.
    pub(super) segments: HashMap<String, Segment>,
    /// Records, readable or not.
    pub(super) records: u64,
    /// What was hashed.
    pub(super) bytes: u64,
}

impl Scanned {
    /// Reads to the end of `rows`. What was read before an error stays.
    pub(super) fn read(&mut self, rows: &mut Rows<'_>) -> rusqlite::Result<()> {
        while let Some(row) = rows.next()? {
            self.records += 1;
            match StoredRecord::of(row) {
                Ok(stored) => self.push(&stored),
                Err(unreadable) => self.push_unreadable(row, unreadable.to_string()),
            }
        }
        Ok(())
    }

    /// The segment of one chain, no longer kept here.
    pub(super) fn take(&mut self, tenant: &str) -> Segment {
        self.segments.remove(tenant).unwrap_or_default()
    }

    fn push(&mut self, stored: &StoredRecord<'_>) {
        let hash = self.hasher.hash(stored.prev_hash, &stored.record);
        self.bytes += self.hasher.last_bytes();
        let this_hash = Hash::from_bytes(*stored.this_hash);
        let link = Link {
            seq: stored.record.seq,
            event_id: EventId::from_bytes(*stored.record.event_id),
            prev_hash: Hash::from_bytes(*stored.prev_hash),
            this_hash,
            holds: hash == this_hash,
        };
        // Not `entry`, which would need a name of its own for every record.
        match self.segments.get_mut(stored.record.tenant) {
            Some(segment) => segment.push(link),
            None => self
                .segments
                .entry(stored.record.tenant.to_owned())
                .or_default()
                .push(link),
        }
    }

    fn push_unreadable(&mut self, row: &Row<'_>, detail: String) {
        let (tenant, seq, event_id) = rows::legible(row);
        let tenant = tenant.unwrap_or_else(|| NO_TENANT.to_owned());
        self.segments
            .entry(tenant)
            .or_default()
            .push_unreadable(seq, event_id, detail);
    }
}

/// The hash that the record `seq` of a chain must name. None if the record before it is missing or unreadable.
pub(super) fn hash_before(connection: &Connection, tenant: &str, seq: u64) -> rusqlite::Result<Option<Hash>> {
    let Some(before @ 1..) = seq.checked_sub(1) else {
        return Ok(Some(chain::genesis(tenant)));
    };
    let hash = connection
        .prepare_cached("SELECT this_hash FROM events WHERE tenant = ?1 AND seq = ?2")?
        .query_row(params![tenant, position(before)], |row| {
            Ok(row.get::<_, [u8; 32]>(0).ok())
        })
        .optional()?;
    Ok(hash.flatten().map(Hash::from_bytes))
}

/// A sequence number for a query: beyond SQLite's integers there is nothing to be found.
pub(super) fn position(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
