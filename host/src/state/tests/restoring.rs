//! What a restart must not forget.

use super::*;
use crate::store::memory::Mood;

#[tokio::test]
async fn a_pause_outlives_a_restart_with_its_reasons_and_is_lifted_by_resuming_only() {
    let mut rig = Rig::ready().await;
    rig.degrade(Auth).await;
    rig.states.pause(&acme(), "lunch", &operator()).await.unwrap();
    for _ in 0..2 {
        rig.restart();
        rig.boot().await;
        assert_eq!((rig.primary(), rig.reasons()), (Paused, vec!["auth", "operator"]));
        let newest = rig.store.chain("acme").pop().unwrap();
        assert!(
            newest.payload.contains(r#""trigger_kind":"restored""#),
            "{}",
            newest.payload
        );
    }
    rig.states.resume(&acme(), "back", &operator()).await.unwrap();
    rig.restart();
    rig.boot().await;
    assert_eq!(rig.primary(), Ready);
}

#[tokio::test]
async fn a_stop_or_a_boot_that_fails_does_not_hide_the_pause_before_it() {
    let mut rig = Rig::ready().await;
    rig.degrade(Cost).await;
    rig.go(Paused, TriggerKind::CostLimit).await;
    rig.go(Stopped, TriggerKind::StopCommand).await;
    for _ in 0..100 {
        rig.restart();
        rig.states.add_tenant(&acme());
        rig.go(Stopped, TriggerKind::BootInvariantFailed).await;
    }
    rig.restart();
    rig.boot().await;
    assert_eq!((rig.primary(), rig.reasons()), (Paused, vec!["cost"]));
}

#[tokio::test]
async fn a_stop_ends_with_the_process() {
    let mut rig = Rig::ready().await;
    rig.go(Stopped, TriggerKind::StopCommand).await;
    rig.restart();
    rig.boot().await;
    assert_eq!(rig.primary(), Ready);
}

#[tokio::test]
async fn a_pause_that_only_the_spool_knows_of_is_restored() {
    let mut rig = Rig::ready().await;
    rig.store.go_away();
    rig.states.pause(&acme(), "lunch", &operator()).await.unwrap();
    rig.store.come_back();
    rig.restart();
    rig.boot().await;
    assert_eq!((rig.primary(), rig.reasons()), (Paused, vec!["operator"]));
    rig.log.drain().await;
    let pauses = rig
        .store
        .chain("acme")
        .into_iter()
        .skip(2)
        .map(|event| event.payload);
    let kinds: Vec<_> = pauses
        .map(|payload| payload.contains(r#""trigger_kind":"operator""#))
        .collect();
    assert_eq!(kinds, [true, false], "the pause before the restart comes first");
}

#[tokio::test]
async fn a_tenant_whose_past_cannot_be_read_ends_stopped_and_the_host_lives() {
    let mut rig = Rig::ready().await;
    rig.states.pause(&acme(), "lunch", &operator()).await.unwrap();
    rig.restart();
    rig.store.go_away();
    let now = rig.states.wire_in(&acme()).await.unwrap();
    assert_eq!(now.state.primary_state, Stopped);

    rig.store.come_back();
    rig.log.drain().await;
    let newest = rig.store.chain("acme").pop().unwrap();
    assert!(
        newest.payload.contains(r#""trigger_kind":"wiring_failed""#),
        "{}",
        newest.payload
    );
    rig.restart();
    rig.boot().await;
    assert_eq!(rig.primary(), Paused);
}

#[tokio::test]
async fn the_first_boot_of_a_tenant_finds_nothing_to_restore() {
    let rig = Rig::new();
    rig.states.add_tenant(&acme());
    assert_eq!(rig.states.restore(&acme()).await, Ok(false));
    assert_eq!((rig.primary(), rig.store.chain("acme").len()), (Booting, 0));
}

#[tokio::test(start_paused = true)]
async fn a_state_can_be_changed_while_the_store_never_answers() {
    let rig = Rig::ready().await;
    rig.store.set_mood(Mood::Hangs);
    let changed = rig.states.pause(&acme(), "lunch", &operator()).await.unwrap();
    assert!(changed.is_pending());
    rig.go(Stopped, TriggerKind::StopCommand).await;
    assert_eq!((rig.primary(), rig.reasons()), (Stopped, vec![Operator.as_str()]));
}
