//! What the store holds, read from an export, against what was acknowledged.

use std::{collections::HashMap, io::BufRead};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{
    ledger::{Acknowledged, Ledger},
    order,
};

/// The event type of the writers; the operator owns it.
pub const EVENT_TYPE: &str = "torture.wrote";

/// The events of the writers, by tenant and by the key that stands in the payload: there it is one hashed byte like another,
/// which no index keeps from being there twice.
#[derive(Debug, Default)]
pub struct Census {
    by_key: HashMap<(String, String), Vec<String>>,
    /// Of every event, the host's own as well, its place in its chain.
    places: HashMap<String, (String, u64)>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line {
    Header {},
    Event(Event),
    Trailer { count: u64 },
}

#[derive(Deserialize)]
struct Event {
    tenant: String,
    seq: u64,
    event_id: String,
    event_type: String,
    idempotency_key: Option<String>,
    payload: String,
}

#[derive(Deserialize)]
struct Payload {
    key: String,
}

/// What is missing and what is too much.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// Acknowledged, and not there under that id.
    pub lost: u64,
    /// There more than once.
    pub doubled: u64,
    /// There, before one that came earlier.
    pub out_of_order: u64,
}

impl Census {
    /// Reads an export of all chains.
    ///
    /// # Errors
    /// If it is none, or was cut.
    pub fn read(export: impl BufRead) -> Result<Self> {
        let mut census = Self::default();
        let (mut events, mut told) = (0, 0);
        for line in export.lines() {
            match serde_json::from_str(&line?).context("cannot read a line of the export")? {
                Line::Header {} => {}
                Line::Trailer { count } => told += count,
                Line::Event(event) => {
                    events += 1;
                    census.count(event)?;
                }
            }
        }
        ensure!(
            events == told,
            "expected {told} events in the export, found {events}"
        );
        Ok(census)
    }

    fn count(&mut self, event: Event) -> Result<()> {
        let place = (event.tenant.clone(), event.seq);
        self.places.insert(event.event_id.clone(), place);
        if event.event_type != EVENT_TYPE {
            return Ok(());
        }
        let payload: Payload = serde_json::from_str(&event.payload)?;
        ensure!(
            event.idempotency_key.as_ref() == Some(&payload.key),
            "expected the key `{}` beside its payload, found {:?}",
            payload.key,
            event.idempotency_key
        );
        self.by_key
            .entry((event.tenant, payload.key))
            .or_default()
            .push(event.event_id);
        Ok(())
    }

    /// How many events of the writers there are.
    pub fn len(&self) -> usize {
        self.by_key.values().map(Vec::len).sum()
    }

    /// The place of an event in this chain.
    pub fn place(&self, tenant: &str, event_id: &str) -> Option<u64> {
        let (chain, seq) = self.places.get(event_id)?;
        (chain == tenant).then_some(*seq)
    }

    /// Against what was acknowledged, and against what was seen waiting.
    pub fn compare(&self, ledger: &Ledger) -> Difference {
        let is_there = |a: &Acknowledged| {
            let there = self.by_key.get(&(a.tenant.clone(), a.key.clone()));
            // A host that could not look into its store answers with an id of its own what an earlier host may have appended.
            let may_have_another_id = a.retried && a.seq.is_none();
            there.is_some_and(|ids| may_have_another_id || ids.contains(&a.event_id))
        };
        let lost = ledger.iter().filter(|a| !is_there(a)).count();
        let doubled: usize = self.by_key.values().map(|ids| ids.len() - 1).sum();
        Difference {
            lost: lost as u64 + order::missing(self, ledger),
            doubled: doubled as u64,
            out_of_order: order::violations(self, ledger),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn export(events: &[(&str, &str, &str)], count: usize) -> String {
        let mut lines = vec![json!({"kind": "header", "format": "kora.events.v1", "tenant": "t0"})];
        for (tenant, key, event_id) in events {
            lines.push(json!({
                "kind": "event", "tenant": tenant, "seq": 1, "event_id": event_id, "event_type": EVENT_TYPE,
                "idempotency_key": key, "payload": json!({"key": key}).to_string(),
            }));
        }
        lines.push(json!({"kind": "trailer", "tenant": "t0", "count": count}));
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn ledger(acknowledged: &[(&str, &str, &str)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (tenant, key, event_id) in acknowledged {
            let [key, tenant, event_id] = [key, tenant, event_id].map(|text| (*text).to_owned());
            let acknowledged = Acknowledged {
                key,
                tenant,
                event_id,
                seq: None,
                retried: false,
                asked: 0,
                answered: 0,
            };
            ledger.add(acknowledged).expect("is new");
        }
        ledger
    }

    fn difference(events: &[(&str, &str, &str)], acknowledged: &[(&str, &str, &str)]) -> (u64, u64) {
        let census = Census::read(export(events, events.len()).as_bytes()).expect("reads");
        let Difference { lost, doubled, .. } = census.compare(&ledger(acknowledged));
        (lost, doubled)
    }

    #[test]
    fn what_was_acknowledged_and_is_not_there_under_its_id_and_tenant_is_lost() {
        let there = [("t0", "1", "a"), ("t1", "2", "b")];
        assert_eq!(difference(&there, &there), (0, 0));
        assert_eq!(difference(&there, &[("t0", "3", "c")]), (1, 0));
        assert_eq!(difference(&there, &[("t1", "1", "a")]), (1, 0));
        assert_eq!(difference(&there, &[("t0", "1", "b")]), (1, 0));
    }

    #[test]
    fn what_is_there_more_than_once_is_doubled_acknowledged_or_not() {
        let there = [
            ("t0", "1", "a"),
            ("t0", "1", "b"),
            ("t0", "1", "c"),
            ("t1", "1", "d"),
        ];
        assert_eq!(difference(&there, &[("t1", "1", "d")]), (0, 2));
    }

    #[test]
    fn an_export_that_was_cut_is_an_error() {
        assert!(Census::read(export(&[("t0", "1", "a")], 2).as_bytes()).is_err());
    }
}
