//! What of the chains is to be read in pieces, what must be found there, and the pieces joined to a report.

use std::collections::{BTreeMap, HashMap};

use super::{ChainReport, End, Expected, Scanned, Segment, VerifyError, VerifyReport, report};
use crate::domain::{Hash, TenantId};

/// Pieces for each reader: enough that one with long records does not keep the others waiting at the end.
const PIECES_EACH: usize = 8;

/// Fewer rows than this are not worth a piece of their own.
const FEWEST_ROWS: u64 = 2048;

/// What is to be read, and what must be found.
pub(in crate::store) struct Plan {
    pub(in crate::store) rows: RowRange,
    pub(in crate::store) chains: BTreeMap<String, Expected>,
}

/// Which rows.
pub(in crate::store) enum RowRange {
    /// Of all chains, in the order in which they were written.
    Positions { first: i64, last: i64 },
    /// Of one chain, by sequence number.
    Chain { tenant: String, first: i64, last: i64 },
}

/// What was found in one piece.
#[derive(Default)]
pub(in crate::store) struct Found {
    pub(in crate::store) scanned: Scanned,
    pub(in crate::store) file_fault: Option<String>,
}

impl RowRange {
    /// Cut for so many readers: the first and the last of each piece, in order.
    pub(in crate::store) fn pieces(&self, readers: usize) -> Vec<(i64, i64)> {
        let (Self::Positions { first, last } | Self::Chain { first, last, .. }) = *self;
        if first > last {
            return Vec::new();
        }
        // A hostile file may name rows at both ends of the integers: the number of pieces does not follow from that.
        let span = first.abs_diff(last).saturating_add(1);
        let wanted = (readers * PIECES_EACH) as u64;
        let size = span.div_ceil(wanted).max(FEWEST_ROWS);
        let mut pieces = Vec::new();
        let mut from = first;
        loop {
            let to = from.saturating_add_unsigned(size - 1).min(last);
            pieces.push((from, to));
            if to == last {
                return pieces;
            }
            from = to + 1;
        }
    }
}

impl Plan {
    /// What to say once all pieces were read; `found` is in their order.
    pub(in crate::store) fn join(self, found: Vec<Found>) -> VerifyReport {
        let (mut records, mut bytes, mut file_fault) = (0, 0, None);
        let mut segments: HashMap<String, Segment> = HashMap::new();
        for piece in found {
            records += piece.scanned.records;
            bytes += piece.scanned.bytes;
            file_fault = file_fault.or(piece.file_fault);
            for (tenant, segment) in piece.scanned.segments {
                segments.entry(tenant).or_default().join(segment);
            }
        }
        let mut expectations = self.chains;
        for tenant in segments.keys() {
            // Records of a chain that nothing else knows of.
            if !expectations.contains_key(tenant) {
                expectations.insert(tenant.clone(), Expected::whole(tenant, End::NoHead));
            }
        }
        let chains: Vec<ChainReport> = expectations
            .into_iter()
            .map(|(tenant, expected)| {
                let segment = segments.remove(&tenant).unwrap_or_default();
                report(tenant, segment, &expected)
            })
            .collect();
        VerifyReport {
            chains,
            file_fault,
            records,
            bytes,
        }
    }
}

/// A part of a chain. The head counts if the part goes to the end.
pub(in crate::store) struct Part {
    from: u64,
    end: End,
}

impl Part {
    /// Records `from` to `to` of a chain that ends at `end` and whose last record is `last`.
    ///
    /// # Errors
    /// If there are no such records.
    pub(in crate::store) fn of(
        tenant: &TenantId,
        (from, to): (u64, u64),
        last: u64,
        end: End,
    ) -> Result<Self, VerifyError> {
        let head = match end {
            End::Head { seq, .. } | End::Within { seq } => seq,
            End::NoHead | End::UnreadableHead => 0,
        };
        let last = head.max(last);
        if from == 0 || from > to || from > last {
            let tenant = tenant.clone();
            return Err(VerifyError::RangeInvalid {
                tenant,
                from,
                to,
                last,
            });
        }
        let end = if to >= last { end } else { End::Within { seq: to } };
        Ok(Self { from, end })
    }

    /// What must be found; `before` is the hash of the record before it, if there is one.
    pub(in crate::store) fn expected(self, before: Option<Hash>) -> Expected {
        Expected {
            first_seq: self.from,
            first_prev: before,
            end: self.end,
        }
    }
}
