//! Reading records for verification, each straight from its row.

use rusqlite::{Connection, OptionalExtension, Rows, params};

use super::rows::{self, event_columns};
use crate::{domain::Hash, engine::chain, store::verify::Scanned};

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

/// Reads to the end of `rows`. What was read before an error stays.
pub(super) fn read(scanned: &mut Scanned, rows: &mut Rows<'_>) -> rusqlite::Result<()> {
    while let Some(row) = rows.next()? {
        match rows::stored(row) {
            Ok(stored) => scanned.push(&stored),
            Err(unreadable) => scanned.push_unreadable(rows::legible(row), unreadable.to_string()),
        }
    }
    Ok(())
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
