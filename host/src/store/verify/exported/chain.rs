//! One chain of an export: what is checked of a record, of the trailer, and against checkpoints.

use std::collections::BTreeMap;

use super::{BadLine, ExportCheck, ExportedChain};
use crate::{
    domain::Hash,
    engine::{
        chain::{self, Record, RecordHasher},
        checkpoint::{Checkpoint, CheckpointFault},
    },
    store::{export::Line, verify::ChainStatus},
};

/// What failed, in a word and in words.
pub(super) type Fault = (ExportCheck, String);

/// One chain, as far as it was read.
pub(super) struct Chain<'a> {
    pub(super) tenant: String,
    pub(super) records: u64,
    last: Hash,
    first_bad: Option<BadLine>,
    signed_to: Option<u64>,
    faults: Vec<CheckpointFault>,
    /// Checkpoints of records that were not read yet.
    pending: BTreeMap<u64, Vec<&'a Checkpoint>>,
}

impl<'a> Chain<'a> {
    pub(super) fn new(tenant: &str, checkpoints: &'a [Checkpoint]) -> Self {
        let mut pending: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for signed in checkpoints
            .iter()
            .filter(|signed| signed.tenant.as_str() == tenant)
        {
            pending.entry(signed.seq).or_default().push(signed);
        }
        Self {
            tenant: tenant.to_owned(),
            records: 0,
            last: chain::genesis(tenant),
            first_bad: None,
            signed_to: None,
            faults: Vec::new(),
            pending,
        }
    }

    pub(super) fn bad(&mut self, line: u64, seq: Option<u64>, (check, detail): Fault) {
        self.first_bad.get_or_insert(BadLine {
            line,
            seq,
            check,
            detail,
        });
    }

    pub(super) fn event(&mut self, line: &Line<'_>, hasher: &mut RecordHasher) -> Result<(), Fault> {
        let Some((record, prev_hash, this_hash)) = record_of(line) else {
            return Ok(());
        };
        let (place, seq) = (self.records + 1, record.seq);
        if record.tenant != self.tenant {
            let detail = format!("it is of the chain of `{}`", record.tenant);
            return Err((ExportCheck::Tenant, detail));
        }
        if hasher.hash(prev_hash.as_bytes(), &record) != this_hash {
            let detail = format!("record {place} does not have the hash that is stored with it");
            return Err((ExportCheck::Hash, detail));
        }
        if seq > place {
            let detail = format!("record {place} is missing: {seq} comes next");
            return Err((ExportCheck::Gap, detail));
        }
        if seq < place {
            let detail = format!("expected record {place}, found {seq} once more");
            return Err((ExportCheck::Gap, detail));
        }
        if prev_hash != self.last {
            let detail = format!("record {place} does not name the hash of the record before it");
            return Err((ExportCheck::Link, detail));
        }
        (self.records, self.last) = (place, this_hash);
        self.compare(place);
        Ok(())
    }

    /// Holds the checkpoints of the record that was just read against it.
    fn compare(&mut self, place: u64) {
        for signed in self.pending.remove(&place).unwrap_or_default() {
            match signed.contradicted_by(place, Some(self.last)) {
                None => self.signed_to = Some(place),
                Some(fault) => self.faults.push(fault),
            }
        }
    }

    pub(super) fn trailer(&mut self, found: &Line<'_>) -> Result<(), Fault> {
        let records = self.records;
        let some = |value| (records > 0).then_some(value);
        let expected = Line::Trailer {
            tenant: self.tenant.as_str().into(),
            first_seq: some(1),
            last_seq: some(records),
            count: records,
            last_hash: (records > 0).then_some(self.last),
        };
        if *found != expected {
            let detail = format!("the trailer does not fit: {records} records stand before it");
            return Err((ExportCheck::Trailer, detail));
        }
        for (seq, signed) in std::mem::take(&mut self.pending) {
            // Twice the same says no more than once.
            let first = signed.first().filter(|signed| signed.seq == seq);
            self.faults
                .extend(first.and_then(|signed| signed.contradicted_by(records, None)));
        }
        Ok(())
    }

    pub(super) fn report(self) -> ExportedChain {
        let is_broken = self.first_bad.is_some() || !self.faults.is_empty();
        ExportedChain {
            status: match self.records {
                _ if is_broken => ChainStatus::Broken,
                0 => ChainStatus::Empty,
                _ => ChainStatus::Sound,
            },
            tenant: self.tenant,
            records: self.records,
            last_hash: (self.records > 0).then_some(self.last),
            signed_to: self.signed_to,
            first_bad: self.first_bad,
            checkpoint_faults: self.faults,
        }
    }
}

/// The record in a line with an event, the hash that it names, and its own.
fn record_of<'l>(line: &'l Line<'_>) -> Option<(Record<'l>, Hash, Hash)> {
    let Line::Event {
        tenant,
        seq,
        event_id,
        event_type,
        occurred_at_us,
        actor_kind,
        actor_id,
        source,
        identity_generation,
        idempotency_key,
        payload,
        prev_hash,
        this_hash,
    } = line
    else {
        return None;
    };
    let record = Record {
        tenant,
        seq: *seq,
        event_id: event_id.as_bytes(),
        event_type,
        occurred_at: occurred_at_us.as_micros(),
        actor_kind: actor_kind.as_deref(),
        actor_id: actor_id.as_deref(),
        source,
        identity_generation: *identity_generation,
        idempotency_key: idempotency_key.as_deref(),
        payload,
    };
    Some((record, *prev_hash, *this_hash))
}
