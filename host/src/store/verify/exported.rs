//! Verification of an export: of the lines alone, without a store, against checkpoints where there are some.
//!
//! A line is accepted only if it is, byte for byte, what an export writes of its values, so that another program which reads it
//! cannot read something else. `docs/verify/kora_verify.py` does the same by the same description, and tests hold the two together:
//! what is said here is said there in the same words.

mod lines;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead},
};

use serde::Serialize;

use self::lines::Lines;
use super::ChainStatus;
use crate::{
    domain::Hash,
    engine::{
        chain::{self, Record, RecordHasher},
        checkpoint::{Checkpoint, CheckpointFault},
    },
    store::export::{FORMAT, Line},
};

/// What was found in an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// All of it in a word.
    pub status: ExportStatus,
    /// The chains in the order of the file.
    pub chains: Vec<ExportedChain>,
    /// The tenants of checkpoints of which there is no chain in the export, sorted.
    pub without_chain: Vec<String>,
}

/// How an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportStatus {
    /// Every record is as it was written, and none is missing.
    Sound,
    /// There is no record.
    Empty,
    /// Something is not as it was written, or not what was signed.
    Broken,
    /// What is there is sound, but the chain of a checkpoint is not there; or there is nothing at all.
    Unchecked,
}

/// What was found of one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportedChain {
    /// Whose; empty if that cannot be read.
    pub tenant: String,
    /// How it is.
    pub status: ChainStatus,
    /// How many records are sound, from the first on.
    pub records: u64,
    /// The hash of the last of them.
    pub last_hash: Option<Hash>,
    /// The last record that a checkpoint vouches for.
    pub signed_to: Option<u64>,
    /// The first line that is not as it was written.
    pub first_bad: Option<BadLine>,
    /// The checkpoints that it contradicts.
    pub checkpoint_faults: Vec<CheckpointFault>,
}

/// Where an export is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadLine {
    /// The line of the file, from 1.
    pub line: u64,
    /// The place in the chain; absent in a header or trailer.
    pub seq: Option<u64>,
    /// What failed.
    pub check: ExportCheck,
    /// In words.
    pub detail: String,
}

/// What is checked of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportCheck {
    /// It is as an export writes its values.
    Line,
    /// A chain begins with its header.
    Header,
    /// It is of this chain.
    Tenant,
    /// Its fields have its hash.
    Hash,
    /// It names the hash of the record before it.
    Link,
    /// Sequence numbers go on without a gap.
    Gap,
    /// The trailer fits what stands before it.
    Trailer,
    /// The chain goes on to its trailer.
    Cut,
}

/// Reads an export once, and says what is as it was written and what is not. The checkpoints must have been proved.
///
/// # Errors
/// If it cannot be read.
pub fn verify_export(export: impl BufRead, checkpoints: &[Checkpoint]) -> io::Result<ExportReport> {
    let mut verifier = Verifier {
        checkpoints,
        chains: Vec::new(),
        at: At::Outside,
        hasher: RecordHasher::new(),
    };
    let mut lines = Lines::new(export);
    let mut number = 0;
    while let Some(line) = lines.next()? {
        number += 1;
        verifier.take(number, line);
    }
    verifier.end(number + 1);
    Ok(verifier.report())
}

/// Where the reader is.
enum At {
    /// Between chains.
    Outside,
    /// In the last chain.
    Inside,
    /// In what follows a bad line: until the next trailer or header.
    Skipping,
}

struct Verifier<'a> {
    checkpoints: &'a [Checkpoint],
    chains: Vec<Chain<'a>>,
    at: At,
    hasher: RecordHasher,
}

type Fault = (ExportCheck, String);

impl<'a> Verifier<'a> {
    fn take(&mut self, number: u64, line: Option<Line<'static>>) {
        match (line, &self.at) {
            (
                Some(Line::Header {
                    format,
                    tenant,
                    genesis,
                    ..
                }),
                _,
            ) => {
                self.end(number);
                self.begin(number, &format, &tenant, genesis);
            }
            (Some(Line::Trailer { .. }), At::Skipping) => self.at = At::Outside,
            (_, At::Skipping) => {}
            (_, At::Outside) => {
                let mut chain = Chain::new("", &[]);
                chain.bad(
                    number,
                    None,
                    (ExportCheck::Header, "expected the header of a chain".to_owned()),
                );
                self.chains.push(chain);
                self.at = At::Skipping;
            }
            (line, At::Inside) => self.go_on(number, line),
        }
    }

    fn begin(&mut self, number: u64, format: &str, tenant: &str, genesis: Hash) {
        let fault = if format != FORMAT {
            Some(format!("expected the format `{FORMAT}`"))
        } else if genesis != chain::genesis(tenant) {
            Some("the genesis hash is not that of the chain".to_owned())
        } else if self.chains.iter().any(|chain| chain.tenant == tenant) {
            Some("this chain comes twice".to_owned())
        } else {
            None
        };
        let mut chain = Chain::new(tenant, self.checkpoints);
        self.at = if fault.is_some() { At::Skipping } else { At::Inside };
        if let Some(detail) = fault {
            chain.bad(number, None, (ExportCheck::Header, detail));
        }
        self.chains.push(chain);
    }

    fn go_on(&mut self, number: u64, line: Option<Line<'_>>) {
        let Some(chain) = self.chains.last_mut() else {
            return;
        };
        let next = chain.records + 1;
        match line {
            Some(event @ Line::Event { .. }) => {
                if let Err(fault) = chain.event(&event, &mut self.hasher) {
                    chain.bad(number, Some(next), fault);
                    self.at = At::Skipping;
                }
            }
            Some(trailer) => {
                if let Err(fault) = chain.trailer(&trailer) {
                    chain.bad(number, None, fault);
                }
                self.at = At::Outside;
            }
            None => {
                let detail = "the line is not as an export writes it".to_owned();
                chain.bad(number, Some(next), (ExportCheck::Line, detail));
                self.at = At::Skipping;
            }
        }
    }

    /// Nothing more of the chain that is being read follows: the next line, or what would be it, is `number`.
    fn end(&mut self, number: u64) {
        if let (At::Inside, Some(chain)) = (&self.at, self.chains.last_mut()) {
            let detail = "the chain has no trailer: its end was cut off".to_owned();
            chain.bad(number, Some(chain.records + 1), (ExportCheck::Cut, detail));
        }
    }

    fn report(self) -> ExportReport {
        let tenants: BTreeSet<_> = self.chains.iter().map(|chain| chain.tenant.clone()).collect();
        let signed: BTreeSet<_> = self
            .checkpoints
            .iter()
            .map(|signed| signed.tenant.to_string())
            .collect();
        let without_chain: Vec<_> = signed.difference(&tenants).cloned().collect();
        let chains: Vec<_> = self.chains.into_iter().map(Chain::report).collect();
        let any = |status| chains.iter().any(|chain| chain.status == status);
        let status = if any(ChainStatus::Broken) {
            ExportStatus::Broken
        } else if chains.is_empty() || !without_chain.is_empty() {
            ExportStatus::Unchecked
        } else if any(ChainStatus::Sound) {
            ExportStatus::Sound
        } else {
            ExportStatus::Empty
        };
        ExportReport {
            status,
            chains,
            without_chain,
        }
    }
}

/// One chain, as far as it was read.
struct Chain<'a> {
    tenant: String,
    records: u64,
    last: Hash,
    first_bad: Option<BadLine>,
    signed_to: Option<u64>,
    faults: Vec<CheckpointFault>,
    /// Checkpoints of records that were not read yet.
    pending: BTreeMap<u64, Vec<&'a Checkpoint>>,
}

impl<'a> Chain<'a> {
    fn new(tenant: &str, checkpoints: &'a [Checkpoint]) -> Self {
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

    fn bad(&mut self, line: u64, seq: Option<u64>, (check, detail): Fault) {
        self.first_bad.get_or_insert(BadLine {
            line,
            seq,
            check,
            detail,
        });
    }

    fn event(&mut self, line: &Line<'_>, hasher: &mut RecordHasher) -> Result<(), Fault> {
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

    fn trailer(&mut self, found: &Line<'_>) -> Result<(), Fault> {
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

    fn report(self) -> ExportedChain {
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

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
