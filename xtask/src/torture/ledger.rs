//! What was acknowledged, as the writers tell of it line by line, and what of it the store holds.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::spool::Waiting;

/// An append that the host acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Its idempotency key.
    pub key: String,
    /// Whose chain.
    pub tenant: String,
    /// The id that the host gave it.
    pub event_id: String,
    /// Its place in the chain; absent if it waits for the store.
    pub seq: Option<u64>,
    /// It had been asked for before, without an answer.
    pub retried: bool,
    /// When it was first asked for: before and after count, not how long.
    pub asked: u64,
    /// When it was acknowledged.
    pub answered: u64,
}

/// All of them, by key.
#[derive(Debug, Default)]
pub struct Ledger {
    by_key: HashMap<String, Acknowledged>,
    /// Where each chain ended when the host was killed last.
    heads: BTreeMap<String, u64>,
    retried: u64,
    recognised: u64,
    pending: u64,
    spools: Vec<Spooled>,
}

/// What was found in the spool of a host that is gone.
#[derive(Debug)]
pub struct Spooled {
    /// By tenant, in order.
    pub waiting: Waiting,
    /// Where the chains ended then. What is there although it waits was being committed when the store went away, and nobody
    /// knew: its place is older than that in the spool.
    pub heads: BTreeMap<String, u64>,
}

impl Ledger {
    /// Writes it down.
    ///
    /// # Errors
    /// If that key was acknowledged before: the writers ask no more once they have an answer.
    pub fn add(&mut self, acknowledged: Acknowledged) -> Result<()> {
        self.pending += u64::from(acknowledged.seq.is_none());
        self.retried += u64::from(acknowledged.retried);
        let head = self.heads.get(&acknowledged.tenant).copied();
        let was_there = acknowledged.retried && acknowledged.seq.is_some_and(|seq| Some(seq) <= head);
        self.recognised += u64::from(was_there);
        let before = self.by_key.insert(acknowledged.key.clone(), acknowledged);
        ensure!(
            before.is_none(),
            "expected each key to be acknowledged once, found {before:?} again"
        );
        Ok(())
    }

    /// The host was killed, and the chain of `tenant` ends here.
    pub fn note_head(&mut self, tenant: &str, seq: u64) {
        self.heads.insert(tenant.to_owned(), seq);
    }

    /// The host is gone, the ends of the chains were noted, and this waits for the next host.
    pub fn note_waiting(&mut self, waiting: Waiting) {
        let heads = self.heads.clone();
        self.spools.push(Spooled { waiting, heads });
    }

    /// Everything that was found waiting.
    pub fn spools(&self) -> &[Spooled] {
        &self.spools
    }

    /// How many were acknowledged as pending.
    pub const fn pending(&self) -> u64 {
        self.pending
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// How many of them had been asked for more than once.
    pub const fn retried(&self) -> u64 {
        self.retried
    }

    /// How many of these were in the store already when the host died, unanswered: appended again, they would be doubled.
    pub const fn recognised(&self) -> u64 {
        self.recognised
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Acknowledged> {
        self.by_key.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledged(key: &str, seq: u64, retried: bool) -> Acknowledged {
        Acknowledged {
            key: key.to_owned(),
            tenant: "t0".to_owned(),
            event_id: "e".to_owned(),
            seq: Some(seq),
            retried,
            asked: 0,
            answered: 0,
        }
    }

    #[test]
    fn a_key_is_acknowledged_once() {
        let mut ledger = Ledger::default();
        ledger.add(acknowledged("0-1", 1, false)).expect("is new");
        assert!(ledger.add(acknowledged("0-1", 1, true)).is_err());
    }

    #[test]
    fn what_is_asked_for_again_is_told_from_what_was_there_already() {
        let mut ledger = Ledger::default();
        ledger.add(acknowledged("0-1", 1, false)).expect("is new");
        ledger.note_head("t0", 2);
        for (key, seq, retried) in [("0-2", 2, true), ("0-3", 3, true), ("0-4", 4, false)] {
            ledger.add(acknowledged(key, seq, retried)).expect("is new");
        }
        assert_eq!((ledger.len(), ledger.retried(), ledger.recognised()), (4, 2, 1));
    }
}
