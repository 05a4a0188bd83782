//! What the store holds, read from an export, against what was acknowledged.

use std::{collections::HashMap, io::BufRead};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::ledger::Ledger;

/// The event type of the writers; the operator owns it.
pub const EVENT_TYPE: &str = "torture.wrote";

/// The events of the writers, by tenant and by the key that stands in the payload: there it is one hashed byte like another,
/// which no index keeps from being there twice.
#[derive(Debug, Default)]
pub struct Census {
    by_key: HashMap<(String, String), Vec<String>>,
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

    /// Against what was acknowledged.
    pub fn compare(&self, ledger: &Ledger) -> Difference {
        let is_lost = |tenant: &str, key: &str, event_id: &String| {
            let there = self.by_key.get(&(tenant.to_owned(), key.to_owned()));
            !there.is_some_and(|ids| ids.contains(event_id))
        };
        let lost = ledger
            .iter()
            .filter(|a| is_lost(&a.tenant, &a.key, &a.event_id))
            .count();
        let doubled: usize = self.by_key.values().map(|ids| ids.len() - 1).sum();
        Difference {
            lost: lost as u64,
            doubled: doubled as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::torture::ledger::Acknowledged;

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
            };
            ledger.add(acknowledged).expect("is new");
        }
        ledger
    }

    fn difference(events: &[(&str, &str, &str)], acknowledged: &[(&str, &str, &str)]) -> (u64, u64) {
        let census = Census::read(export(events, events.len()).as_bytes()).expect("reads");
        let Difference { lost, doubled } = census.compare(&ledger(acknowledged));
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
