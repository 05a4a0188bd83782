//! Whether events stand in the order in which they came, and whether what was seen waiting is there.
//!
//! Two appends that were under way at once may stand in either order. One that was asked for after another was answered, as acknowledged
//! or as pending, stands behind it; and what waits in a spool stands in the order of the spool.

use std::collections::BTreeMap;

use super::{
    census::Census,
    ledger::{Acknowledged, Ledger},
};

/// How many events were seen waiting and are not there.
pub fn missing(census: &Census, ledger: &Ledger) -> u64 {
    let waited = ledger.spools().iter().flat_map(|spooled| &spooled.waiting);
    let ids = waited.flat_map(|(tenant, ids)| ids.iter().map(move |id| (tenant, id)));
    // What was also told to a writer is counted there.
    let told: std::collections::HashSet<_> = ledger.iter().map(|a| a.event_id.as_str()).collect();
    let missing = ids
        .filter(|(tenant, id)| !told.contains(id.as_str()) && census.place(tenant, id).is_none())
        .count();
    missing as u64
}

/// How many stand before what came earlier.
pub fn violations(census: &Census, ledger: &Ledger) -> u64 {
    let mut chains: BTreeMap<&str, Vec<(u64, &Acknowledged)>> = BTreeMap::new();
    for acknowledged in ledger.iter() {
        if let Some(seq) = census.place(&acknowledged.tenant, &acknowledged.event_id) {
            chains
                .entry(&acknowledged.tenant)
                .or_default()
                .push((seq, acknowledged));
        }
    }
    let of_writers: u64 = chains.into_values().map(before_what_was_answered).sum();
    let spools = ledger.spools().iter();
    let of_spools: u64 = spools
        .flat_map(|spooled| {
            spooled.waiting.iter().map(|(tenant, ids)| {
                let head = spooled.heads.get(tenant).copied().unwrap_or(0);
                let places = ids.iter().filter_map(|id| census.place(tenant, id));
                descents(places.filter(|seq| *seq > head))
            })
        })
        .sum();
    of_writers + of_spools
}

/// Events that stand before one that had been answered when they were asked for.
fn before_what_was_answered(mut chain: Vec<(u64, &Acknowledged)>) -> u64 {
    chain.sort_unstable_by_key(|(seq, _)| *seq);
    let mut first_answer_behind = u64::MAX;
    let mut found = 0;
    for (_, event) in chain.into_iter().rev() {
        found += u64::from(first_answer_behind < event.asked);
        first_answer_behind = first_answer_behind.min(event.answered);
    }
    found
}

fn descents(places: impl Iterator<Item = u64>) -> u64 {
    let (mut last, mut found) = (0, 0);
    for place in places {
        found += u64::from(place < last);
        last = place;
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::torture::{census::EVENT_TYPE, spool::Waiting};

    /// A chain with events of these ids, from 1 on.
    fn census(ids: &[&str]) -> Census {
        let events = ids.iter().zip(1..).map(|(id, seq)| {
            json!({"kind": "event", "tenant": "t0", "seq": seq, "event_id": id, "event_type": EVENT_TYPE,
                "idempotency_key": id, "payload": json!({"key": id}).to_string()})
        });
        let trailer = json!({"kind": "trailer", "count": ids.len()});
        let lines: String = events.chain([trailer]).map(|line| format!("{line}\n")).collect();
        Census::read(lines.as_bytes()).expect("reads")
    }

    /// What was asked for and answered at these moments.
    fn ledger(answered: &[(&str, u64, u64)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (id, asked, answered) in answered {
            let acknowledged = Acknowledged {
                key: (*id).to_owned(),
                tenant: "t0".to_owned(),
                event_id: (*id).to_owned(),
                seq: None,
                retried: false,
                asked: *asked,
                answered: *answered,
            };
            ledger.add(acknowledged).expect("is new");
        }
        ledger
    }

    #[test]
    fn what_was_under_way_at_once_may_stand_in_either_order_and_what_came_later_may_not() {
        let together = ledger(&[("a", 0, 2), ("b", 1, 3)]);
        assert_eq!(violations(&census(&["a", "b"]), &together), 0);
        assert_eq!(violations(&census(&["b", "a"]), &together), 0);
        let one_after_another = ledger(&[("a", 0, 1), ("b", 2, 3)]);
        assert_eq!(violations(&census(&["a", "b"]), &one_after_another), 0);
        assert_eq!(violations(&census(&["b", "a"]), &one_after_another), 1);
    }

    #[test]
    fn what_waited_stands_in_the_order_of_the_spool_but_for_what_was_there_already() {
        let spooled = |head: u64, ids: &[&str]| {
            let mut ledger = Ledger::default();
            ledger.note_head("t0", head);
            let ids = ids.iter().map(|id| (*id).to_owned()).collect();
            ledger.note_waiting(Waiting::from([("t0".to_owned(), ids)]));
            ledger
        };
        let there = census(&["a", "b", "c"]);
        assert_eq!(violations(&there, &spooled(0, &["a", "c"])), 0);
        assert_eq!(violations(&there, &spooled(0, &["b", "a"])), 1);
        assert_eq!(violations(&there, &spooled(1, &["b", "a", "c"])), 0);
        assert_eq!(missing(&there, &spooled(0, &["a", "d", "e"])), 2);
    }
}
