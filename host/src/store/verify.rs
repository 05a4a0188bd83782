//! Verification: what is checked of a chain, and what is said of it. Reading the records is the backend's.
//!
//! What this proves: no record was changed, left out or put in since, unless somebody computed all later hashes and the head
//! anew. It does not prove that the end was not cut together with the head, nor who wrote the records.

mod exported;
mod plan;
mod scanned;
mod segment;

use std::num::NonZeroUsize;

use serde::Serialize;

pub use self::exported::{BadLine, ExportCheck, ExportReport, ExportStatus, ExportedChain, verify_export};
pub(super) use self::{
    plan::{Found, Part, Plan, RowRange},
    scanned::{NO_TENANT, Scanned, StoredRecord},
    segment::{End, Expected, Link, Segment, report},
};
use crate::domain::{EventId, TenantId};

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
    #[error("there are no records {} of `{tenant}`: {}", asked(*.from, *.to), expected_range(*.last))]
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

fn asked(from: u64, to: u64) -> String {
    match to {
        // Nobody wrote that: it is the end of the chain, wherever that is.
        u64::MAX => format!("from {from} on"),
        _ => format!("{from} to {to}"),
    }
}

fn expected_range(last: u64) -> String {
    match last {
        0 => "the chain has none".to_owned(),
        _ => format!("expected a range within 1 to {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_is_not_there_is_told_as_it_was_asked_for() {
        let told = |from, to, last| {
            let tenant = "acme".parse().unwrap();
            VerifyError::RangeInvalid {
                tenant,
                from,
                to,
                last,
            }
            .to_string()
        };
        assert_eq!(
            told(900, u64::MAX, 6),
            "there are no records from 900 on of `acme`: expected a range within 1 to 6"
        );
        assert_eq!(
            told(5, 2, 6),
            "there are no records 5 to 2 of `acme`: expected a range within 1 to 6"
        );
        assert_eq!(
            told(1, 2, 0),
            "there are no records 1 to 2 of `acme`: the chain has none"
        );
    }
}
