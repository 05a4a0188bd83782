//! Records as they are read, hashed one after another and collected into the segments of their chains.

use std::collections::HashMap;

use super::{Link, Segment};
use crate::{
    domain::{EventId, Hash},
    engine::chain::{Record, RecordHasher},
};

/// The chain of records whose tenant is unreadable. No tenant has this id.
pub(in crate::store) const NO_TENANT: &str = "?";

/// A record as it lies in a row, nothing copied.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct StoredRecord<'a> {
    /// What is hashed.
    pub(in crate::store) record: Record<'a>,
    /// What it says of the record before it.
    pub(in crate::store) prev_hash: &'a [u8; 32],
    /// What it says of itself.
    pub(in crate::store) this_hash: &'a [u8; 32],
}

/// What was read.
#[derive(Debug, Default)]
pub(in crate::store) struct Scanned {
    hasher: RecordHasher,
    /// By tenant.
    pub(in crate::store) segments: HashMap<String, Segment>,
    /// Records, readable or not.
    pub(in crate::store) records: u64,
    /// What was hashed.
    pub(in crate::store) bytes: u64,
}

impl Scanned {
    /// Adds the next record.
    pub(in crate::store) fn push(&mut self, stored: &StoredRecord<'_>) {
        self.records += 1;
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

    /// Adds the next record, of which not every field can be read: what can be of tenant, sequence number and id.
    pub(in crate::store) fn push_unreadable(
        &mut self,
        (tenant, seq, event_id): (Option<String>, Option<u64>, Option<EventId>),
        detail: String,
    ) {
        self.records += 1;
        let tenant = tenant.unwrap_or_else(|| NO_TENANT.to_owned());
        self.segments
            .entry(tenant)
            .or_default()
            .push_unreadable(seq, event_id, detail);
    }

    /// The segment of one chain, no longer kept here.
    pub(in crate::store) fn take(&mut self, tenant: &str) -> Segment {
        self.segments.remove(tenant).unwrap_or_default()
    }
}
