//! Reading back.

use super::*;
use crate::{
    events::{ReadError, RecentQuery},
    store::{EventFilter, Order},
};

async fn append(rig: &Rig, payload: &str) {
    let request = AppendRequest {
        payload: payload.as_bytes().into(),
        ..deployed("x")
    };
    rig.log.append(request).await.unwrap();
}

fn under(prefix: &str) -> RecentQuery {
    RecentQuery {
        prefix: Some(prefix.to_owned()),
        limit: None,
    }
}

#[tokio::test]
async fn the_filter_is_part_of_the_query_so_the_limit_counts_what_passes_it() {
    let rig = Rig::new();
    rig.log.emit(vec![rig.own("acme", "old")]).await.unwrap();
    for _ in 0..60 {
        append(&rig, "{}").await;
    }
    let recent = rig.log.recent(&id("acme"), RecentQuery::default()).await.unwrap();
    assert_eq!(recent.iter().map(|event| event.seq).collect::<Vec<_>>(), [1]);
    let deploys = rig.log.recent(&id("acme"), under("deploy")).await.unwrap();
    assert_eq!((deploys.len(), deploys[0].seq), (50, 61));
}

#[tokio::test]
async fn events_of_stop_commands_are_shown_beside_those_of_kora() {
    let rig = Rig::new();
    let (payload, writer) = (normalise(b"{}").unwrap(), Writer::host(Owner::Control));
    let enforced = rig
        .log
        .own_event(&id("acme"), OwnType::ControlEnforced, payload, &writer);
    rig.log.emit(vec![rig.own("acme", "x")]).await.unwrap();
    rig.log.emit(vec![enforced]).await.unwrap();
    let recent = rig.log.recent(&id("acme"), RecentQuery::default()).await.unwrap();
    let types: Vec<_> = recent.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(
        types,
        ["kora_control.enforced", "kora.operational_state.transitioned"]
    );
}

#[tokio::test]
async fn a_summary_shows_300_characters_and_the_301st_becomes_an_ellipsis() {
    let rig = Rig::new();
    let payload_of = |characters: usize| format!("{{\"a\":\"{}\"}}", "ä".repeat(characters - 8));
    append(&rig, &payload_of(301)).await;
    append(&rig, &payload_of(300)).await;
    let recent = rig.log.recent(&id("acme"), under("deploy.")).await.unwrap();
    assert_eq!(recent[0].payload_summary, payload_of(300));
    let cut: String = payload_of(301).chars().take(300).collect();
    assert_eq!(recent[1].payload_summary, format!("{cut}…"));
}

#[tokio::test]
async fn a_limit_out_of_range_is_brought_into_it() {
    let rig = Rig::new();
    for _ in 0..210 {
        append(&rig, "{}").await;
    }
    for (limit, shown) in [(0, 1), (1000, 200)] {
        let query = RecentQuery {
            limit: Some(limit),
            ..under("deploy")
        };
        assert_eq!(rig.log.recent(&id("acme"), query).await.unwrap().len(), shown);
    }
}

#[tokio::test]
async fn a_prefix_that_begins_no_type_is_refused() {
    let rig = Rig::new();
    for prefix in ["", ".", "Kora", "kora..x", "kora%"] {
        let refused = rig.log.recent(&id("acme"), under(prefix)).await;
        assert!(matches!(refused, Err(ReadError::Prefix { .. })), "{prefix}");
    }
}

#[tokio::test]
async fn a_page_goes_on_where_the_last_one_ended() {
    let rig = Rig::new();
    for _ in 0..5 {
        append(&rig, "{}").await;
    }
    let page = |after_seq| EventFilter {
        after_seq,
        limit: 3,
        order: Order::OldestFirst,
        ..EventFilter::default()
    };
    let first = rig.log.page(&id("acme"), page(None)).await.unwrap();
    let rest = rig.log.page(&id("acme"), page(Some(first[2].seq))).await.unwrap();
    assert_eq!(rest.iter().map(|event| event.seq).collect::<Vec<_>>(), [4, 5]);
    let one = rig.log.event(rest[0].event_id).await.unwrap();
    assert_eq!(one.as_ref(), rest.first());
}

#[tokio::test]
async fn what_happened_before_a_time_is_found_from_there_and_none_is_left_out() {
    let rig = Rig::new();
    for _ in 0..40 {
        append(&rig, "{}").await;
    }
    let page = async |before, before_seq| {
        let filter = EventFilter {
            before,
            before_seq,
            limit: 100,
            ..EventFilter::default()
        };
        rig.log.page(&id("acme"), filter).await.unwrap()
    };
    let all = page(None, None).await;
    assert_eq!(all.len(), 40);
    for event in &all {
        let seqs = |before_seq: Option<u64>| {
            let page = page(Some(event.occurred_at), before_seq);
            async { page.await.into_iter().map(|event| event.seq).collect::<Vec<_>>() }
        };
        let expected: Vec<_> = (1..event.seq).rev().collect();
        assert_eq!(seqs(None).await, expected, "before event {}", event.seq);
        assert_eq!(seqs(Some(u64::MAX)).await, expected);
        let cut: Vec<_> = (1..event.seq.min(20)).rev().collect();
        assert_eq!(seqs(Some(20)).await, cut, "and before number 20");
    }
}
