//! Reading events.

use super::*;

pub(crate) async fn the_filter_is_part_of_the_query(store: Arc<dyn Store>) {
    add(&*store, &["acme"]).await;
    let types = [
        "kora.boot.ready",
        "korax.boot.ready",
        "kora.bootx.ready",
        "kora_control.stop.issued",
    ];
    for event_type in types.iter().chain(&types) {
        let event = NewEvent {
            event_type: event_type.parse().unwrap(),
            ..event("acme", 1)
        };
        store.commit(Batch::of(event)).await.unwrap();
    }
    let read = async |prefixes: &[&str], limit| -> Vec<u64> {
        let prefixes = prefixes.iter().map(|&prefix| prefix.to_owned()).collect();
        let filter = EventFilter {
            prefixes,
            limit,
            ..EventFilter::default()
        };
        let events = store.events(&tenant("acme"), filter).await.unwrap();
        events.iter().map(|event| event.seq).collect()
    };
    assert_eq!(read(&["kora", "kora_control"], 50).await, [8, 7, 5, 4, 3, 1]);
    assert_eq!(read(&["kora.boot"], 50).await, [5, 1]);
    assert_eq!(read(&["kora.boot.ready"], 1).await, [5]);
    assert_eq!(read(&["kor"], 50).await, [0; 0]);
    assert_eq!(read(&[], 3).await, [8, 7, 6]);
}

pub(crate) async fn pages_meet_without_overlap(store: Arc<dyn Store>) {
    add(&*store, &["acme", "globex"]).await;
    append(&*store, "globex", 3).await;
    append(&*store, "acme", 5).await;
    let read = async |after_seq, before_seq, order| -> Vec<u64> {
        let filter = EventFilter {
            after_seq,
            before_seq,
            order,
            limit: 2,
            ..EventFilter::default()
        };
        let events = store.events(&tenant("acme"), filter).await.unwrap();
        events.iter().map(|event| event.seq).collect()
    };
    assert_eq!(read(None, None, Order::NewestFirst).await, [5, 4]);
    assert_eq!(read(None, Some(4), Order::NewestFirst).await, [3, 2]);
    assert_eq!(read(None, Some(2), Order::NewestFirst).await, [1]);
    assert_eq!(read(Some(0), None, Order::OldestFirst).await, [1, 2]);
    assert_eq!(read(Some(2), None, Order::OldestFirst).await, [3, 4]);
    assert_eq!(read(Some(2), Some(4), Order::OldestFirst).await, [3]);
    assert_eq!(read(Some(5), None, Order::OldestFirst).await, [0; 0]);
    assert_eq!(
        read(Some(u64::MAX), Some(u64::MAX), Order::NewestFirst).await,
        [0; 0]
    );
    let third = store
        .events(&tenant("acme"), EventFilter::default())
        .await
        .unwrap()[2]
        .occurred_at;
    let filter = EventFilter {
        before: Some(third),
        ..EventFilter::default()
    };
    let events = store.events(&tenant("acme"), filter).await.unwrap();
    let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [2, 1], "what happened at that very time is left out");
}

/// Every page of what passes a filter, beside what is left of the whole chain.
pub(crate) async fn a_filter_of_types_answers_what_the_chain_has_of_them(store: Arc<dyn Store>) {
    const TYPES: [&str; 6] = [
        "kora.test",
        "kora.test.a",
        "kora.test.a.b",
        "kora.testing",
        "kora.other",
        "ops.rare",
    ];
    /// Longer than what a store may keep together.
    const LENGTH: usize = 600;
    add(&*store, &["acme", "globex"]).await;
    let typed = |id, number: usize| NewEvent {
        // In no order, and the last one only twice.
        event_type: TYPES[if matches!(number, 2 | 555) {
            5
        } else {
            number * number / 3 % 5
        }]
        .parse()
        .unwrap(),
        ..event(id, number as u64)
    };
    let batch = Batch {
        events: (0..LENGTH)
            .flat_map(|number| [typed("acme", number), typed("globex", number)])
            .collect(),
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
    let chain = all_of(&*store, "acme").await;

    let prefix_sets: [&[&str]; 7] = [
        &["kora"],
        &["kora.test"],
        &["kora.test.a", "ops"],
        &["kora", "kora.test", "kora", "kora.test.a.b"],
        &["ops.rare"],
        &["ops.rare", "nobody.had.this"],
        &["nobody.had.this"],
    ];
    for prefixes in prefix_sets {
        for (order, limit) in [Order::NewestFirst, Order::OldestFirst]
            .into_iter()
            .flat_map(|order| [7, 100, 1000].map(|limit| (order, limit)))
        {
            let filter = EventFilter {
                prefixes: prefixes.iter().map(|&prefix| prefix.to_owned()).collect(),
                after_seq: Some(1),
                before_seq: Some(590),
                before: None,
                order,
                limit,
            };
            let read = all_pages(&*store, filter).await;
            let mut expected: Vec<u64> = chain
                .iter()
                .filter(|event| (2..590).contains(&event.seq) && begins_with_one_of(event, prefixes))
                .map(|event| event.seq)
                .collect();
            if order == Order::NewestFirst {
                expected.reverse();
            }
            assert_eq!(read, expected, "{prefixes:?} {order:?} {limit}");
        }
    }
}

fn begins_with_one_of(event: &Event, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| {
        let rest = event.event_type.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// The sequence numbers of all pages, each of which must be full unless it is the last.
async fn all_pages(store: &dyn Store, mut filter: EventFilter) -> Vec<u64> {
    let mut read: Vec<u64> = Vec::new();
    loop {
        let page = store.events(&tenant("acme"), filter.clone()).await.unwrap();
        read.extend(page.iter().map(|event| event.seq));
        let last = page.last().map(|event| event.seq);
        if page.len() < filter.limit as usize {
            return read;
        }
        match filter.order {
            Order::NewestFirst => filter.before_seq = last,
            Order::OldestFirst => filter.after_seq = last,
        }
    }
}
