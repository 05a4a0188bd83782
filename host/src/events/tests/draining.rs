//! Whom a tenant that cannot be appended to holds up: itself.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::{
    events::{AppendError, Drained},
    store::{StoreError, memory::Mood},
};

/// Of each of these tenants something waits for a store that is back.
async fn waiting_of(tenants: &[&str]) -> Rig {
    let rig = Rig::new();
    rig.store.go_away();
    for tenant in tenants {
        rig.log.emit(vec![rig.own(tenant, "waited")]).await.unwrap_err();
    }
    rig.store.come_back();
    rig
}

fn deployed_by(tenant: &str) -> AppendRequest {
    AppendRequest {
        tenant: id(tenant),
        ..deployed("next")
    }
}

#[tokio::test]
async fn a_damaged_chain_holds_up_nobody_else_and_what_waits_of_it_waits_on() {
    let mut rig = waiting_of(&["acme", "globex"]).await;
    let damaged = Mood::Fails(StoreError::Damaged("a page".to_owned()));
    rig.store.set_mood_for(&id("acme"), damaged);
    let drained = Drained {
        appended: 1,
        waiting: 1,
    };
    assert_eq!(rig.log.drain().await, drained);
    assert_eq!(rig.told("globex"), ["waited"]);
    rig.log.append(deployed_by("globex")).await.unwrap();
    let refused = rig.log.append(deployed_by("acme")).await.unwrap_err();
    assert!(refused.to_string().contains("a page"), "{refused}");

    rig.restart();
    rig.store.set_mood_for(&id("acme"), Mood::Works);
    assert_eq!(rig.log.drain().await.waiting, 0);
    assert_eq!(rig.told("acme"), ["waited"]);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_of_which_the_store_does_not_answer_holds_up_nobody_else() {
    let rig = waiting_of(&["acme", "globex"]).await;
    rig.store.set_mood_for(&id("acme"), Mood::Hangs);
    let drained = Drained {
        appended: 1,
        waiting: 1,
    };
    assert_eq!(rig.log.drain().await, drained);
    assert_eq!(rig.told("globex"), ["waited"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_nobody_is_asked_twice_a_round_and_the_next_round_begins_with_others() {
    let rig = waiting_of(&["absent", "acme", "globex"]).await;
    rig.store.set_mood(Mood::Hangs);
    let begun = Instant::now();
    assert_eq!(rig.log.drain().await.waiting, 3);
    assert_eq!(begun.elapsed().as_secs(), 20);

    rig.store.come_back();
    for stuck in ["absent", "acme"] {
        rig.store.set_mood_for(&id(stuck), Mood::Hangs);
    }
    rig.log.drain().await;
    assert_eq!(rig.told("globex"), ["waited"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_stood_behind_a_tenant_that_is_stuck_is_not_refused_for_it() {
    let rig = waiting_of(&["acme", "globex"]).await;
    rig.store.set_mood_for(&id("acme"), Mood::Hangs);
    let (stuck, other) = tokio::join!(
        rig.log.append(deployed_by("acme")),
        rig.log.append(deployed_by("globex")),
    );
    assert!(matches!(stuck, Err(AppendError::Waiting { .. })), "{stuck:?}");
    assert_eq!(other.unwrap().seq, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_crowd_behind_a_tenant_that_is_stuck_waits_for_one_attempt_together() {
    let rig = waiting_of(&["acme"]).await;
    rig.store.set_mood_for(&id("acme"), Mood::Hangs);
    let begun = Instant::now();
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let log = rig.log.clone();
        crowd.spawn(async move { log.append(deployed_by("acme")).await });
    }
    for answer in crowd.join_all().await {
        let refused = answer.unwrap_err().to_string();
        assert!(refused.contains("did not answer within 10 s"), "{refused}");
    }
    assert!(begun.elapsed() < Duration::from_secs(11), "{:?}", begun.elapsed());
}
