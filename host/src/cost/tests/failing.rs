//! What is not known lets nothing be spent.

use super::*;
use crate::store::Collection;

#[tokio::test]
async fn fault_dd_what_cannot_be_read_lets_nothing_be_spent() {
    let rig = Rig::new();
    rig.store.go_away();
    let away = rig.decision().await;
    assert!(
        matches!(&away, Decision::Unknown(UnknownCost::Unreadable(why)) if why.contains("disk is full")),
        "{away:?}"
    );
    assert_eq!(rig.costs.slow_start(&acme()).await, SlowStart::Due);
    assert!(rig.costs.state(&acme()).await.is_err());
    rig.store.come_back();
    assert!(rig.decision().await.is_allowed());
}

#[tokio::test]
async fn an_account_that_makes_no_sense_lets_nothing_be_spent_and_is_not_written_over() {
    let sound = async || {
        let rig = Rig::new();
        rig.spend("10").await;
        rig
    };
    for (from, to) in [
        (
            "\"spent_to_date_usd\":\"10.00\"",
            "\"spent_to_date_usd\":\"1.00\"",
        ),
        ("\"recorded_usd\":\"10.00\"", "\"recorded_usd\":\"-10.00\""),
        ("\"spent_to_date_usd\":\"10.00\"", "\"spent_to_date_usd\":null"),
        ("{", "{\"surplus\":1,"),
        ("}", ""),
    ] {
        let rig = sound().await;
        edit_account(&rig, |body| body.replacen(from, to, 1));
        let decision = rig.decision().await;
        assert!(matches!(&decision, Decision::Unknown(_)), "{to}: {decision:?}");
        let refused = rig.costs.record(&acme(), usage("1")).await.unwrap_err();
        assert!(refused.to_string().contains("cannot be read"), "{refused}");
    }
}

fn edit_account(rig: &Rig, edit: impl Fn(&str) -> String) {
    let mut contents = rig.store.contents();
    let accounts = contents
        .documents
        .values_mut()
        .filter(|document| document.key.collection == Collection::CostAccounts);
    for account in accounts {
        let edited = edit(&account.body);
        assert_ne!(edited, account.body);
        account.body = edited;
    }
}

#[tokio::test]
async fn a_figure_that_was_not_compared_for_too_long_is_unknown_until_it_is() {
    let rig = Rig::new();
    rig.spend("10").await;
    rig.clock.set("2026-11-22T10:00:00Z");
    assert!(rig.decision().await.is_allowed());
    rig.clock.set("2026-11-22T10:00:01Z");
    let since = at("2026-11-20T10:00:00Z");
    assert_eq!(
        rig.decision().await,
        Decision::Unknown(UnknownCost::Stale { since })
    );
    let state = rig.costs.state(&acme()).await.unwrap();
    assert_eq!(state.unknown, Some(UnknownCost::Stale { since }));
    rig.costs.reconcile(&acme(), usd("10"), operator()).await.unwrap();
    assert!(rig.decision().await.is_allowed());
}

#[tokio::test]
async fn a_usage_whose_answer_was_lost_can_be_told_of_again() {
    for next in [NextCommit::Fails, NextCommit::HappensAndFails] {
        let rig = Rig::new();
        rig.store.on_next_commit(next);
        assert!(rig.costs.record(&acme(), usage_once("5", "call")).await.is_err());
        let again = rig.costs.record(&acme(), usage_once("5", "call")).await.unwrap();
        assert_eq!(again.repeated, next == NextCommit::HappensAndFails);
        assert_eq!(rig.spent().await, "5.00");
    }
}

#[tokio::test]
async fn a_tenant_that_cannot_be_paused_may_not_spend_and_is_paused_when_it_is_looked_at_again() {
    let rig = Rig::new();
    rig.brake.is_broken.store(true, Ordering::SeqCst);
    rig.spend("200").await;
    assert!(!rig.brake.is_halted(&acme()));
    assert_eq!(rig.decision().await, Decision::Halted);
    rig.brake.is_broken.store(false, Ordering::SeqCst);
    rig.costs.settle(&acme()).await.unwrap();
    assert!(rig.brake.is_halted(&acme()));
}
