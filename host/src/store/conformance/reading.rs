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
