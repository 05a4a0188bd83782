//! Changes, what is kept of them, and what the chain learns.

use super::*;
use crate::{
    domain::ClaimPermission,
    engine::transition::TransitionError,
    state::{Emitted, HISTORY_LEN, StateChangeError},
};

const TRANSITIONED: &str = "kora.operational_state.transitioned";

#[tokio::test]
async fn a_clean_boot_appends_exactly_two_events_and_may_claim_everything() {
    let rig = Rig::ready().await;
    assert_eq!(rig.store.types("acme"), [TRANSITIONED, "kora.boot.ready"]);
    let now = rig.states.current(&acme()).unwrap();
    assert_eq!(now.state.claim_permission, ClaimPermission::Normal);
}

#[tokio::test]
async fn a_change_is_in_the_chain_when_it_is_answered_with_who_asked_and_when() {
    let rig = Rig::ready().await;
    let changed = rig.states.pause(&acme(), " lunch ", &operator()).await.unwrap();
    let event = rig.store.chain("acme").pop().unwrap();
    let Emitted::Appended(receipts) = &changed.emitted else {
        panic!("{:?}", changed.emitted);
    };
    assert_eq!(receipts[0].event_id, event.event_id);
    assert_eq!(event.occurred_at, changed.transition.at);
    assert_eq!(event.actor_id.as_deref(), Some("uid:1000"));
    insta::assert_snapshot!(event.payload, @r#"{"from_primary_state":"ready","to_primary_state":"paused","claim_permission":"normal","degradation_reasons":["operator"],"trigger":"lunch","trigger_kind":"operator"}"#);
}

#[tokio::test]
async fn a_change_of_nothing_is_neither_told_nor_kept() {
    let rig = Rig::ready().await;
    rig.degrade(Auth).await;
    let (events, history) = (
        rig.store.chain("acme").len(),
        rig.states.history(&acme(), 20).unwrap(),
    );
    let changed = rig
        .states
        .set_degradation(&acme(), Auth, true, "again", &engine())
        .await
        .unwrap();
    assert_eq!(changed.emitted, Emitted::Nothing);
    assert_eq!(rig.store.chain("acme").len(), events);
    assert_eq!(rig.states.history(&acme(), 20).unwrap(), history);
}

#[tokio::test]
async fn fault_d_a_real_cost_pause_tells_of_it_and_a_callers_words_do_not() {
    let rig = Rig::ready().await;
    rig.states.pause(&acme(), "cost 100%", &operator()).await.unwrap();
    assert_eq!(rig.store.types("acme").last().unwrap(), TRANSITIONED);
    rig.states
        .resume(&acme(), "all boot gates pass", &operator())
        .await
        .unwrap();
    assert_eq!(rig.store.types("acme").last().unwrap(), TRANSITIONED);
    rig.go(Paused, TriggerKind::CostLimit).await;
    assert_eq!(rig.store.types("acme").last().unwrap(), "kora.paused.cost_limit");
}

#[tokio::test]
async fn fault_d_nobody_outside_can_claim_a_cause_that_the_host_finds_out() {
    let rig = Rig::ready().await;
    for writer in [operator(), marvin()] {
        let request = Request::to(Paused, TriggerKind::CostLimit, "cost 100%");
        let refused = rig
            .states
            .transition(&acme(), request, &writer)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, StateChangeError::KindNotYours { .. }),
            "{refused}"
        );
    }
    let request = Request::to(Paused, TriggerKind::Degradation, "mine");
    let refused = rig
        .states
        .transition(&acme(), request, &marvin())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, StateChangeError::StateNotYours { .. }),
        "{refused}"
    );
    rig.states
        .set_degradation(&acme(), Auth, true, "", &marvin())
        .await
        .unwrap();
    assert_eq!(rig.reasons(), ["auth"]);
}

#[tokio::test]
async fn an_illegal_change_changes_nothing_and_tells_nobody() {
    let rig = Rig::ready().await;
    let request = Request::to(Booting, TriggerKind::Operator, "again");
    let refused = rig
        .states
        .transition(&acme(), request, &engine())
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("from `ready` one may go to `active`, `paused`, `stopped`"),
        "{refused}"
    );
    assert_eq!(rig.primary(), Ready);
    assert_eq!(rig.store.chain("acme").len(), 2);
}

#[tokio::test]
async fn fault_r_nothing_changes_in_stopped() {
    let rig = Rig::ready().await;
    rig.go(Stopped, TriggerKind::StopCommand).await;
    let stopped = StateChangeError::Refused(TransitionError::Stopped);
    let degraded = rig
        .states
        .set_degradation(&acme(), Auth, true, "", &engine())
        .await;
    assert_eq!(degraded.unwrap_err(), stopped);
    assert_eq!(
        rig.states.pause(&acme(), "x", &operator()).await.unwrap_err(),
        stopped
    );
    assert_eq!(
        rig.states.resume(&acme(), "x", &operator()).await.unwrap_err(),
        stopped
    );
    assert!(rig.reasons().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_o_of_many_that_expect_the_same_state_one_changes_it() {
    let rig = Rig::ready().await;
    let attempts: Vec<_> = (0..16)
        .map(|_| {
            let states = rig.states.clone();
            let request = Request::to(Active, TriggerKind::ClaimAcquired, "claim acquired").expecting(Ready);
            tokio::spawn(async move { states.transition(&acme(), request, &engine()).await })
        })
        .collect();
    let mut winners = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => winners += 1,
            Err(refused) => assert!(
                refused.to_string().contains("the state is `active`, not `ready`"),
                "{refused}"
            ),
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(rig.store.chain("acme").len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quick_changes_lie_in_the_chain_in_the_order_in_which_they_happened() {
    let rig = Rig::ready().await;
    let claims = |from, to, kind| {
        let states = rig.states.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let request = Request::to(to, kind, canonical_text(kind)).expecting(from);
                while states
                    .transition(&acme(), request.clone(), &engine())
                    .await
                    .is_err()
                {
                    tokio::task::yield_now().await;
                }
            }
        })
    };
    let acquiring = claims(Ready, Active, TriggerKind::ClaimAcquired);
    let releasing = claims(Active, Ready, TriggerKind::ClaimReleased);
    acquiring.await.unwrap();
    releasing.await.unwrap();
    let chain = rig.store.chain("acme");
    assert_eq!(chain.len(), 42);
    for (number, event) in chain[2..].iter().enumerate() {
        let from = if number % 2 == 0 {
            "\"ready\""
        } else {
            "\"active\""
        };
        assert!(
            event.payload.contains(&format!("\"from_primary_state\":{from}")),
            "{number}: {}",
            event.payload
        );
    }
}

#[tokio::test]
async fn fault_w_the_history_keeps_as_many_changes_as_it_promises() {
    let rig = Rig::ready().await;
    for _ in 0..HISTORY_LEN {
        rig.go(Active, TriggerKind::ClaimAcquired).await;
        rig.go(Ready, TriggerKind::ClaimReleased).await;
    }
    let history = rig.states.history(&acme(), 1000).unwrap();
    assert_eq!((history.len(), HISTORY_LEN), (20, 20));
    assert!(history.is_sorted_by_key(|record| record.at));
    assert_eq!(rig.states.history(&acme(), 2).unwrap(), history[18..]);
    let newest = serde_json::to_value(&history[19]).unwrap();
    let mut fields: Vec<_> = newest.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        ["from_state", "timestamp", "to_state", "trigger", "trigger_kind"]
    );
    let time = newest["timestamp"].as_str().unwrap();
    assert!(
        time.len() == "2026-11-20T10:00:00Z".len() && time.ends_with('Z'),
        "{time}"
    );
}

#[tokio::test]
async fn a_change_of_reasons_does_not_enter_the_state_anew() {
    let rig = Rig::ready().await;
    let entered = rig.states.current(&acme()).unwrap().entered_at;
    rig.degrade(Auth).await;
    assert_eq!(rig.states.current(&acme()).unwrap().entered_at, entered);
    rig.go(Active, TriggerKind::ClaimAcquired).await;
    assert!(rig.states.current(&acme()).unwrap().entered_at > entered);
}

#[tokio::test]
async fn fault_t_a_change_stands_and_is_told_later_if_the_store_is_away() {
    let rig = Rig::ready().await;
    rig.store.go_away();
    let changed = rig.states.pause(&acme(), "lunch", &operator()).await.unwrap();
    assert!(changed.is_pending());
    let Emitted::Failed(error) = changed.emitted else {
        panic!("it was appended to a store that is away");
    };
    assert_eq!(
        error.to_string(),
        "`kora.operational_state.transitioned` could not be appended: the store is unavailable: the disk is full (it waits in the spool)"
    );
    assert_eq!(rig.primary(), Paused);
    rig.store.come_back();
    rig.log.drain().await;
    assert_eq!(rig.store.types("acme").len(), 3);
}

#[tokio::test]
async fn fault_i0_the_states_of_two_tenants_and_of_two_hosts_are_their_own() {
    let (one, other) = (Rig::ready().await, Rig::new());
    let globex: TenantId = "globex".parse().unwrap();
    one.states.add_tenant(&globex);
    other.states.add_tenant(&acme());
    assert_eq!(one.primary(), Ready);
    assert_eq!(one.states.current(&globex).unwrap().state.primary_state, Booting);
    assert_eq!(other.primary(), Booting);
    assert_eq!(one.states.tenants(), [acme(), globex]);
    assert_eq!(other.states.tenants(), [acme()]);
}

#[tokio::test]
async fn a_tenant_that_is_not_held_has_no_state() {
    let rig = Rig::ready().await;
    assert!(rig.states.remove_tenant(&acme()));
    assert!(rig.states.current(&acme()).is_none() && rig.states.history(&acme(), 1).is_none());
    let refused = rig.states.pause(&acme(), "x", &operator()).await.unwrap_err();
    assert!(
        matches!(refused, StateChangeError::TenantUnknown { .. }),
        "{refused}"
    );
}
