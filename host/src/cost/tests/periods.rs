//! The provider's figure, the next period, and how work is taken up after it.

use super::*;
use crate::{
    cost::CostError,
    store::{Collection, DocumentFilter, Store as _},
};

#[tokio::test]
async fn the_providers_figure_lifts_ours_and_may_stop_the_tenant() {
    let rig = Rig::new();
    rig.spend("100").await;
    let reconciled = rig
        .costs
        .reconcile(&acme(), usd("105"), operator())
        .await
        .unwrap();
    assert!(reconciled.comparison.is_within_tolerance);
    assert_eq!(rig.spent().await, "100.00");
    let reconciled = rig
        .costs
        .reconcile(&acme(), usd("185.50"), operator())
        .await
        .unwrap();
    assert_eq!(
        (reconciled.rung, reconciled.comparison.bumped_by),
        (Downshift90, usd("85.50"))
    );
    rig.costs.reconcile(&acme(), usd("1"), operator()).await.unwrap();
    assert_eq!(rig.spent().await, "185.50", "forward only");
    assert!(!rig.brake.is_halted(&acme()));
    rig.costs
        .reconcile(&acme(), usd("200"), operator())
        .await
        .unwrap();
    assert!(rig.brake.is_halted(&acme()));
    let account = rig.costs.state(&acme()).await.unwrap().account;
    assert_eq!(
        (account.recorded_usd, account.last_reconciled_usd),
        (usd("100"), Some(usd("200")))
    );
    assert_eq!(
        rig.store.types("acme"),
        [
            "kora.cost.reconciled",
            "kora.cost.reconciled",
            "kora.cost.rung_changed",
            "kora.cost.reconciled",
            "kora.cost.reconciled",
            "kora.cost.rung_changed",
        ]
    );
    let negative = rig
        .costs
        .reconcile(&acme(), usd("-1"), operator())
        .await
        .unwrap_err();
    assert_eq!(negative, CostError::Figure { found: usd("-1") });
}

#[tokio::test]
async fn credit_that_is_granted_anew_begins_an_account_and_leaves_the_old_one_as_it_was() {
    let rig = Rig::new();
    rig.spend("200").await;
    rig.clock.set("2026-12-01T08:00:00Z");
    assert_eq!(
        rig.decision().await,
        Decision::Halted,
        "a new month alone grants nothing"
    );
    rig.costs.refresh(&acme(), None, operator()).await.unwrap();
    let state = rig.costs.state(&acme()).await.unwrap();
    assert_eq!(
        (state.rung, state.account.spent_to_date_usd),
        (Normal, Money::ZERO)
    );
    assert_eq!(state.period.start(), at("2026-12-01T00:00:00Z"));
    assert!(rig.decision().await.is_allowed());
    rig.spend("3").await;
    let filter = DocumentFilter::of(Collection::CostAccounts).tenant(&acme());
    let accounts: Vec<_> = rig.store.documents(filter).await.unwrap();
    let shown: Vec<_> = accounts
        .iter()
        .map(|account| (account.key.id.as_str(), account.status.as_str(), account.revision))
        .collect();
    assert_eq!(
        shown,
        [
            ("2026-12-01T00:00:00.000000Z", "normal", 2),
            ("2026-11-01T00:00:00.000000Z", "closed", 2)
        ]
    );
    assert_eq!(
        rig.store.types("acme")[1..],
        ["kora.cost.refreshed", "kora.cost.rung_changed"]
    );
}

#[tokio::test]
async fn a_period_begins_once_and_not_in_the_future() {
    let rig = Rig::new();
    rig.spend("1").await;
    for start in [
        "2026-11-01T00:00:00Z",
        "2026-10-01T00:00:00Z",
        "2026-11-20T10:00:01Z",
    ] {
        let refused = rig.costs.refresh(&acme(), Some(at(start)), operator()).await;
        assert!(matches!(refused, Err(CostError::Period { .. })), "{start}");
    }
    rig.costs
        .refresh(&acme(), Some(at("2026-11-14T00:00:00Z")), operator())
        .await
        .unwrap();
    let state = rig.costs.state(&acme()).await.unwrap();
    assert_eq!(state.period.end(), at("2026-12-14T00:00:00Z"));
    assert_eq!(
        state.last_24h_usd,
        usd("1"),
        "what was recorded yesterday was, whatever the period"
    );
    rig.clock.set("2027-02-20T00:00:00Z");
    rig.costs.refresh(&acme(), None, operator()).await.unwrap();
    assert_eq!(
        rig.costs.state(&acme()).await.unwrap().period.start(),
        at("2027-02-14T00:00:00Z"),
        "the day stays the provider's"
    );
}

#[tokio::test]
async fn after_a_hard_stop_work_begins_slowly_from_the_moment_it_is_taken_up() {
    let rig = Rig::new();
    assert_eq!(rig.costs.slow_start(&acme()).await, SlowStart::None);
    rig.spend("200").await;
    rig.clock.set("2026-12-01T08:00:00Z");
    rig.costs.refresh(&acme(), None, operator()).await.unwrap();
    rig.costs.settle(&acme()).await.unwrap();
    assert_eq!(
        rig.costs.slow_start(&acme()).await,
        SlowStart::Due,
        "it is paused still"
    );
    let resumed = at("2026-12-01T08:30:00Z");
    rig.costs.note_resumed(&acme(), resumed).await.unwrap();
    assert_eq!(rig.costs.slow_start(&acme()).await, SlowStart::Since(resumed));
    rig.spend("1").await;
    assert_eq!(rig.costs.slow_start(&acme()).await, SlowStart::Since(resumed));
}

#[tokio::test]
async fn a_resume_that_was_not_noted_before_a_crash_is_made_up_for() {
    let rig = Rig::new();
    rig.spend("200").await;
    rig.costs.refresh(&acme(), None, operator()).await.unwrap();
    rig.brake.is_halted.store(false, Ordering::SeqCst);
    rig.clock.set("2026-11-20T11:00:00Z");
    rig.costs.settle(&acme()).await.unwrap();
    assert_eq!(
        rig.costs.slow_start(&acme()).await,
        SlowStart::Since(at("2026-11-20T11:00:00Z"))
    );
}

#[tokio::test]
async fn a_pool_that_is_configured_anew_counts_at_once_and_is_told_of_when_it_is_looked_at() {
    let rig = Rig::new();
    rig.spend("100").await;
    let eligible = Some(Criticality::DownshiftEligible);
    let decide = async || rig.costs.may_spend(&acme(), eligible).await;
    *rig.pool.lock().unwrap() = usd("120");
    assert_eq!(decide().await, Decision::Allowed(ModelRule::OneStepDown));
    *rig.pool.lock().unwrap() = usd("100");
    assert_eq!(decide().await, Decision::Halted);
    rig.costs.settle(&acme()).await.unwrap();
    rig.costs.settle(&acme()).await.unwrap();
    assert!(rig.brake.is_halted(&acme()));
    let told = rig.store.told("acme");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1["to_rung"], Rung::HardStop100.as_str());
}
