//! A chain held against a checkpoint: whether it still is the one that was signed.

use serde::Serialize;

use super::Checkpoint;
use crate::domain::Hash;

/// How a chain contradicts a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Contradiction {
    /// It is shorter than it was when it was signed.
    Truncated,
    /// It has another record where the signed one stood.
    Rewritten,
}

/// A checkpoint that a chain contradicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointFault {
    /// The sequence number that was signed.
    pub seq: u64,
    /// How the chain contradicts it.
    pub fault: Contradiction,
    /// In words.
    pub detail: String,
}

impl Checkpoint {
    /// What contradicts this in a chain that ends with record `last_seq`, and has the hash `at_seq` at the place that was signed.
    pub fn contradicted_by(&self, last_seq: u64, at_seq: Option<Hash>) -> Option<CheckpointFault> {
        let seq = self.seq;
        let fault = |fault, detail| Some(CheckpointFault { seq, fault, detail });
        if last_seq < seq {
            let detail = format!(
                "record {seq} was signed, and the chain ends with record {last_seq}: its end was cut off"
            );
            return fault(Contradiction::Truncated, detail);
        }
        if at_seq == Some(self.head) {
            return None;
        }
        let detail = format!("record {seq} is not the one that was signed: the chain was written anew");
        fault(Contradiction::Rewritten, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn a_chain_that_was_cut_is_told_from_one_that_was_written_anew() {
        let signed = Checkpoint {
            tenant: "acme".parse().unwrap(),
            seq: 5,
            head: Hash::of(b"5"),
            signed_at: Timestamp::from_micros(0),
        };
        let found = |last, hash| signed.contradicted_by(last, hash).map(|found| found.fault);
        assert_eq!(found(5, Some(Hash::of(b"5"))), None);
        assert_eq!(found(9, Some(Hash::of(b"5"))), None);
        assert_eq!(found(4, None), Some(Contradiction::Truncated));
        assert_eq!(found(9, Some(Hash::of(b"other"))), Some(Contradiction::Rewritten));
        assert_eq!(
            found(9, None),
            Some(Contradiction::Rewritten),
            "a missing record is not the signed one"
        );
    }
}
