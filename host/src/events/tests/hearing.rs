//! Who hears of appended events.

use super::*;
use crate::{
    events::{Heard, SUBSCRIBER_QUEUE, subscribers::Subscribers},
    store::Appended,
};

#[tokio::test]
async fn a_subscriber_hears_what_is_appended_after_it_came() {
    let rig = Rig::new();
    rig.log.append(deployed("before")).await.unwrap();
    let mut subscription = rig.log.subscribe();
    let receipt = rig.log.append(deployed("after")).await.unwrap();
    let Some(Heard::Event(heard)) = subscription.next().await else {
        panic!("nothing was heard");
    };
    assert_eq!((heard.seq, heard.event.event_id), (2, receipt.event_id));
    assert_eq!(Some(heard.this_hash), receipt.this_hash);
}

#[tokio::test]
async fn a_repetition_is_not_heard_again_and_what_waited_is_heard_when_it_is_appended() {
    let rig = Rig::new();
    let mut subscription = rig.log.subscribe();
    let keyed = AppendRequest {
        idempotency_key: Some("k".to_owned()),
        ..deployed("x")
    };
    rig.log.append(keyed.clone()).await.unwrap();
    rig.log.append(keyed).await.unwrap();
    rig.store.go_away();
    rig.log.emit(vec![rig.own("acme", "late")]).await.unwrap_err();
    rig.store.come_back();
    rig.log.drain().await;
    for seq in [1, 2] {
        assert!(matches!(subscription.next().await, Some(Heard::Event(event)) if event.seq == seq));
    }
}

#[tokio::test]
async fn a_subscriber_that_lags_loses_events_with_a_count_and_holds_up_nobody() {
    let rig = Rig::new();
    let mut slow = rig.log.subscribe();
    for _ in 0..SUBSCRIBER_QUEUE + 10 {
        rig.log.append(deployed("x")).await.unwrap();
    }
    assert_eq!(slow.next().await, Some(Heard::Missed(10)));
    assert!(matches!(slow.next().await, Some(Heard::Event(event)) if event.seq == 11));
}

fn appended(event: &NewEvent, seq: u64) -> Appended {
    Appended {
        event_id: event.event_id,
        seq,
        this_hash: Digest::of(b""),
        repeated: false,
    }
}

#[tokio::test]
async fn answers_that_overtake_each_other_are_heard_in_the_order_of_the_chain() {
    let rig = Rig::new();
    let subscribers = Subscribers::new();
    let mut subscription = subscribers.subscribe();
    let events: Vec<_> = (0..3).map(|_| rig.own("acme", "x")).collect();
    let mut tickets: Vec<_> = events
        .iter()
        .map(|event| subscribers.expect(std::slice::from_ref(event)).unwrap())
        .collect();
    for seq in (1..=3).rev() {
        let event = events[seq as usize - 1].clone();
        let answer = [appended(&event, seq)];
        tickets.pop().unwrap().tell(vec![event], &answer);
    }
    for seq in 1..=3 {
        assert!(matches!(subscription.next().await, Some(Heard::Event(event)) if event.seq == seq));
    }
}

#[tokio::test]
async fn an_append_that_comes_to_nothing_holds_back_nobody() {
    let rig = Rig::new();
    let subscribers = Subscribers::new();
    let mut subscription = subscribers.subscribe();
    let event = rig.own("acme", "x");
    let dropped = subscribers.expect(std::slice::from_ref(&event)).unwrap();
    let ticket = subscribers.expect(std::slice::from_ref(&event)).unwrap();
    let answer = [appended(&event, 2)];
    ticket.tell(vec![event], &answer);
    drop(dropped);
    assert!(matches!(subscription.next().await, Some(Heard::Event(event)) if event.seq == 2));
}
