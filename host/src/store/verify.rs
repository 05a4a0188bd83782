//! Verification: what is checked of a chain, and what is said of it. Reading the records is the backend's.
//!
//! A record's hash needs only what is stored in it, so chains can be hashed in pieces, on many cores, in any order. Each piece
//! is a [`Segment`]: it knows how it begins and ends, and the first fault inside. Segments are joined afterwards.
//!
//! What this proves: no record was changed, left out or put in since, unless somebody computed all later hashes and the head
//! anew. It does not prove that the end was not cut together with the head, nor who wrote the records.

use std::num::NonZeroUsize;

use serde::Serialize;

use crate::{
    domain::{EventId, Hash, TenantId},
    engine::chain,
};

/// Which records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All chains.
    All,
    /// One chain.
    Chain(TenantId),
    /// A part of one chain.
    Range {
        /// Whose.
        tenant: TenantId,
        /// The first sequence number.
        from: u64,
        /// The last one; beyond the end of the chain means to its end.
        to: u64,
    },
}

/// How to verify.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// How many threads; each reads for itself.
    pub threads: NonZeroUsize,
    /// Whether the structure of the file is checked too.
    pub quick_check: bool,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            quick_check: true,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The chains, sorted by tenant.
    pub chains: Vec<ChainReport>,
    /// What is wrong with the file itself, whichever chain it belongs to.
    pub file_fault: Option<String>,
    /// The records that were hashed.
    pub records: u64,
    /// The bytes that were hashed.
    pub bytes: u64,
}

impl VerifyReport {
    /// All of it in a word: broken if anything is, empty if there is no record at all.
    pub fn status(&self) -> ChainStatus {
        let any = |status| self.chains.iter().any(|chain| chain.status == status);
        if self.file_fault.is_some() || any(ChainStatus::Broken) {
            ChainStatus::Broken
        } else if any(ChainStatus::Sound) {
            ChainStatus::Sound
        } else {
            ChainStatus::Empty
        }
    }
}

/// How a chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainStatus {
    /// Every record is as it was written, and none is missing.
    Sound,
    /// There is no record.
    Empty,
    /// Something is not as it was written.
    Broken,
}

/// What was found of one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// Whose; as far as it can be read.
    pub tenant: String,
    /// How it is.
    pub status: ChainStatus,
    /// The first sequence number that was checked; 0 if there was none.
    pub from: u64,
    /// The last one; 0 if there was none.
    pub to: u64,
    /// How many records were read.
    pub records: u64,
    /// The first record that is not as it was written.
    pub first_bad: Option<BadRecord>,
}

/// Where a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadRecord {
    /// Its place in the chain; absent if that is unreadable.
    pub seq: Option<u64>,
    /// Its id; absent if it is missing or unreadable.
    pub event_id: Option<EventId>,
    /// What failed.
    pub check: Check,
    /// In words.
    pub detail: String,
}

/// What is checked of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Its fields have its hash.
    Hash,
    /// It names the hash of the record before it.
    Link,
    /// Sequence numbers go on without a gap.
    Gap,
    /// The chain ends where its head says.
    Head,
    /// Each field can be read as what it is.
    Column,
}

/// Why nothing can be said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No such chain.
    #[error("there is no chain of `{tenant}`")]
    TenantUnknown {
        /// Whose was asked for.
        tenant: TenantId,
    },
    /// There are no such records.
    #[error("there are no records {from} to {to} of `{tenant}`: expected a range within 1 to {last}")]
    RangeInvalid {
        /// Whose.
        tenant: TenantId,
        /// The first that was asked for.
        from: u64,
        /// The last that was asked for.
        to: u64,
        /// The last there is.
        last: u64,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] super::StoreError),
}

/// A record, as far as its neighbours care.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) event_id: EventId,
    pub(super) prev_hash: Hash,
    pub(super) this_hash: Hash,
    /// Whether its fields have its hash.
    pub(super) holds: bool,
}

/// Records of one chain that follow each other, as read.
#[derive(Debug, Clone, Default)]
pub(super) struct Segment {
    ends: Option<(Link, Link)>,
    /// Unreadable records stand before the first of `ends`: it cannot be held against what stands before the segment.
    begins_unreadable: bool,
    records: u64,
    first_bad: Option<BadRecord>,
}

impl Segment {
    /// Adds the next record.
    pub(super) fn push(&mut self, link: Link) {
        self.records += 1;
        let before = self.ends.map(|(_, last)| Before::Record(last));
        self.note(fault_of(&link, before.as_ref()));
        let first = self.ends.map_or(link, |(first, _)| first);
        self.ends = Some((first, link));
    }

    /// Adds the next record, of which not every field can be read.
    pub(super) fn push_unreadable(&mut self, seq: Option<u64>, event_id: Option<EventId>, detail: String) {
        self.records += 1;
        self.begins_unreadable |= self.ends.is_none();
        let check = Check::Column;
        self.note(Some(BadRecord {
            seq,
            event_id,
            check,
            detail,
        }));
    }

    /// Adds the segment that follows.
    pub(super) fn join(&mut self, next: Segment) {
        self.begins_unreadable |= self.ends.is_none() && next.begins_unreadable;
        self.records += next.records;
        let before = self.ends.map(|(_, last)| Before::Record(last));
        self.note(next.fault_at_begin(before.as_ref()));
        self.note(next.first_bad);
        self.ends = match (self.ends, next.ends) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (ends, None) | (None, ends) => ends,
        };
    }

    /// What is wrong with its first record, given what stands before it.
    fn fault_at_begin(&self, before: Option<&Before>) -> Option<BadRecord> {
        let (first, _) = self.ends.as_ref()?;
        if self.begins_unreadable {
            None
        } else {
            fault_of(first, before)
        }
    }

    fn note(&mut self, bad: Option<BadRecord>) {
        if self.first_bad.is_none() {
            self.first_bad = bad;
        }
    }
}

/// What stands before a record.
enum Before {
    Record(Link),
    /// Nothing is read before it; it must have this place, and name this hash if it is known.
    Start {
        seq: u64,
        hash: Option<Hash>,
    },
}

impl Before {
    fn expected_seq(&self) -> u64 {
        match self {
            Self::Record(link) => link.seq.saturating_add(1),
            Self::Start { seq, .. } => *seq,
        }
    }
}

/// The first thing that is wrong with a record in its place. Without `before`: with the record by itself.
fn fault_of(link: &Link, before: Option<&Before>) -> Option<BadRecord> {
    let bad = |seq, event_id, check, detail| {
        Some(BadRecord {
            seq: Some(seq),
            event_id,
            check,
            detail,
        })
    };
    let place = before.map_or(link.seq, Before::expected_seq);
    if !link.holds {
        let says = if place == link.seq {
            String::new()
        } else {
            format!(" (it says that it is {})", link.seq)
        };
        let detail = format!("record {place}{says} does not have the hash that is stored with it");
        return bad(place, Some(link.event_id), Check::Hash, detail);
    }
    let before = before?;
    if link.seq > place {
        let detail = format!("record {place} is missing: {} comes next", link.seq);
        return bad(place, None, Check::Gap, detail);
    }
    if link.seq < place {
        let detail = format!("expected record {place}, found {} once more", link.seq);
        return bad(link.seq, Some(link.event_id), Check::Gap, detail);
    }
    let detail = match before {
        Before::Record(last) if last.this_hash == link.prev_hash => return None,
        Before::Start { hash: Some(hash), .. } if *hash == link.prev_hash => return None,
        Before::Start { hash: None, .. } => format!("the record before {place} is missing or unreadable"),
        Before::Start { seq: 1, .. } => {
            "the first record does not name the genesis hash of its chain".to_owned()
        }
        _ => format!("record {place} does not name the hash of the record before it"),
    };
    bad(place, Some(link.event_id), Check::Link, detail)
}

/// Where a chain, or the part of it that was read, must begin and end.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// The sequence number of the first record.
    pub(super) first_seq: u64,
    /// The hash that it names. None: the record before it is missing.
    pub(super) first_prev: Option<Hash>,
    /// The last record.
    pub(super) end: End,
}

/// Where a chain, or the part of it that was read, must end.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// Where its head says; 0 with the genesis hash if it has no records.
    Head { seq: u64, hash: Hash },
    /// At this record, beyond which the chain goes on.
    Within { seq: u64 },
    /// There is no head: nobody knows of this chain.
    NoHead,
    /// What stands in the head is unreadable.
    UnreadableHead,
}

impl Expected {
    /// A whole chain.
    pub(super) fn whole(tenant: &str, end: End) -> Self {
        Self {
            first_seq: 1,
            first_prev: Some(chain::genesis(tenant)),
            end,
        }
    }
}

/// What to say of a chain of which `segment` was read.
pub(super) fn report(tenant: String, mut segment: Segment, expected: &Expected) -> ChainReport {
    let start = Before::Start {
        seq: expected.first_seq,
        hash: expected.first_prev,
    };
    let at_begin = match expected.end {
        // Of a chain that nobody knows, nobody knows where it begins.
        End::NoHead => None,
        _ => segment.fault_at_begin(Some(&start)),
    };
    let first_bad = at_begin
        .or(segment.first_bad.take())
        .or_else(|| at_end(&segment, expected));
    let status = match (&first_bad, segment.records) {
        (Some(_), _) => ChainStatus::Broken,
        (None, 0) => ChainStatus::Empty,
        (None, _) => ChainStatus::Sound,
    };
    ChainReport {
        tenant,
        status,
        from: segment.ends.map_or(0, |(first, _)| first.seq),
        to: segment.ends.map_or(0, |(_, last)| last.seq),
        records: segment.records,
        first_bad,
    }
}

fn at_end(segment: &Segment, expected: &Expected) -> Option<BadRecord> {
    let last = segment.ends.map(|(_, last)| last);
    let (seq, hash) = match (&last, expected.first_prev) {
        (Some(last), _) => (last.seq, Some(last.this_hash)),
        (None, first_prev) => (expected.first_seq.saturating_sub(1), first_prev),
    };
    let bad = |seq, event_id, detail| {
        let check = Check::Head;
        Some(BadRecord {
            seq: Some(seq),
            event_id,
            check,
            detail,
        })
    };
    let last_id = last.map(|last| last.event_id);
    match expected.end {
        End::NoHead => bad(seq, last_id, "the chain has no head".to_owned()),
        End::UnreadableHead => bad(seq, last_id, "the head of the chain is unreadable".to_owned()),
        End::Head { seq: says, .. } if says > seq => {
            let next = seq + 1;
            bad(
                next,
                None,
                format!("record {next} is missing: the head says that the chain ends at {says}"),
            )
        }
        End::Head { seq: says, .. } if says < seq => bad(
            seq,
            last_id,
            format!("record {seq} is beyond the head, which says that the chain ends at {says}"),
        ),
        End::Head { hash: says, .. } if Some(says) != hash => bad(
            seq,
            last_id,
            format!("the head does not have the hash of record {seq}"),
        ),
        End::Within { seq: to } if to != seq => {
            let next = seq + 1;
            let detail = format!("record {next} is missing, though the chain goes on");
            Some(BadRecord {
                seq: Some(next),
                event_id: None,
                check: Check::Gap,
                detail,
            })
        }
        End::Head { .. } | End::Within { .. } => None,
    }
}
