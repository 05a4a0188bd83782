//! Records that follow each other, read in pieces and joined: where the first fault is.
//!
//! A record's hash needs only what is stored in it, so chains can be hashed in pieces, on many cores, in any order. Each piece
//! is a [`Segment`], which knows how it begins and ends and the first fault inside. It does not matter where a chain is cut.

use super::{BadRecord, ChainReport, ChainStatus, Check};
use crate::{
    domain::{EventId, Hash},
    engine::chain,
};

/// A record, as far as its neighbours care.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) struct Link {
    pub(in crate::store) seq: u64,
    pub(in crate::store) event_id: EventId,
    pub(in crate::store) prev_hash: Hash,
    pub(in crate::store) this_hash: Hash,
    /// Whether its fields have its hash.
    pub(in crate::store) holds: bool,
}

/// Records of one chain that follow each other, as read.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Segment {
    ends: Option<(Link, Link)>,
    /// Unreadable records stand before the first of `ends`: it cannot be held against what stands before the segment.
    begins_unreadable: bool,
    records: u64,
    first_bad: Option<BadRecord>,
}

impl Segment {
    /// Adds the next record.
    pub(in crate::store) fn push(&mut self, link: Link) {
        self.records += 1;
        let before = self.ends.map(|(_, last)| Before::Record(last));
        self.note(fault_of(&link, before.as_ref()));
        let first = self.ends.map_or(link, |(first, _)| first);
        self.ends = Some((first, link));
    }

    /// Adds the next record, of which not every field can be read.
    pub(in crate::store) fn push_unreadable(
        &mut self,
        seq: Option<u64>,
        event_id: Option<EventId>,
        detail: String,
    ) {
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
    pub(in crate::store) fn join(&mut self, next: Segment) {
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
pub(in crate::store) struct Expected {
    /// The sequence number of the first record.
    pub(in crate::store) first_seq: u64,
    /// The hash that it names. None: the record before it is missing.
    pub(in crate::store) first_prev: Option<Hash>,
    /// The last record.
    pub(in crate::store) end: End,
}

/// Where a chain, or the part of it that was read, must end.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum End {
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
    pub(in crate::store) fn whole(tenant: &str, end: End) -> Self {
        Self {
            first_seq: 1,
            first_prev: Some(chain::genesis(tenant)),
            end,
        }
    }
}

/// What to say of a chain of which `segment` was read.
pub(in crate::store) fn report(tenant: String, mut segment: Segment, expected: &Expected) -> ChainReport {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Read {
        Link(Link),
        Unreadable(u64),
    }

    fn hash(seq: u64) -> Hash {
        if seq == 0 {
            chain::genesis("acme")
        } else {
            Hash::of(&seq.to_be_bytes())
        }
    }

    fn sound(seq: u64) -> Link {
        Link {
            seq,
            event_id: EventId::from_bytes([0; 16]),
            prev_hash: hash(seq - 1),
            this_hash: hash(seq),
            holds: true,
        }
    }

    /// Five in six are as they should be.
    fn records() -> impl Strategy<Value = Vec<Read>> {
        prop::collection::vec(0..30_u8, 0..12).prop_map(|faults| {
            let of = |(fault, seq): (u8, u64)| match fault {
                0 => None,
                1 => Some(Read::Unreadable(seq)),
                2 => Some(Read::Link(Link {
                    holds: false,
                    ..sound(seq)
                })),
                3 => Some(Read::Link(Link {
                    prev_hash: hash(77),
                    ..sound(seq)
                })),
                4 => Some(Read::Link(Link {
                    seq: seq + 3,
                    ..sound(seq)
                })),
                _ => Some(Read::Link(sound(seq))),
            };
            faults.into_iter().zip(1..).filter_map(of).collect()
        })
    }

    fn segment(records: &[Read]) -> Segment {
        let mut segment = Segment::default();
        for record in records {
            match record {
                Read::Link(link) => segment.push(*link),
                Read::Unreadable(seq) => segment.push_unreadable(Some(*seq), None, "unreadable".to_owned()),
            }
        }
        segment
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_a_chain_is_cut(records in records(), cuts in prop::collection::vec(0..12_usize, 2)) {
            let (first, second) = (cuts[0].min(cuts[1]).min(records.len()), cuts[0].max(cuts[1]).min(records.len()));
            let mut joined = segment(&records[..first]);
            joined.join(segment(&records[first..second]));
            joined.join(segment(&records[second..]));
            let end = End::Head { seq: 5, hash: hash(5) };
            let say = |segment| report("acme".to_owned(), segment, &Expected::whole("acme", end));
            prop_assert_eq!(say(joined), say(segment(&records)));
        }
    }

    #[test]
    fn a_sound_chain_is_sound_and_one_without_records_is_empty() {
        let records: Vec<_> = (1..=3).map(|seq| Read::Link(sound(seq))).collect();
        for (count, status) in [(3, ChainStatus::Sound), (0, ChainStatus::Empty)] {
            let end = End::Head {
                seq: count,
                hash: hash(count),
            };
            let records = segment(&records[..usize::try_from(count).unwrap()]);
            assert_eq!(
                report("acme".to_owned(), records, &Expected::whole("acme", end)).status,
                status
            );
        }
    }
}
