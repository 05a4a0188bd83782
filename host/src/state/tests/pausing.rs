//! How a pause begins, and what it takes to lift it.

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use super::*;
use crate::{
    domain::{ClaimPermission, OperationalState},
    state::{AllGuards, Blocker, StateChangeError},
};

#[tokio::test]
async fn a_tenant_can_be_paused_from_every_state_that_the_table_allows() {
    for steps in [
        &[][..],
        &[(Ready, TriggerKind::BootPassed)],
        &[
            (Ready, TriggerKind::BootPassed),
            (Active, TriggerKind::ClaimAcquired),
        ],
    ] {
        let rig = Rig::new();
        rig.states.add_tenant(&acme());
        for &(to, kind) in steps {
            rig.go(to, kind).await;
        }
        rig.states.pause(&acme(), "lunch", &operator()).await.unwrap();
        assert_eq!((rig.primary(), rig.reasons()), (Paused, vec!["operator"]));
        let refused = rig.states.pause(&acme(), "again", &operator()).await.unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("from `paused` one may go to `ready`, `stopped`"),
            "{refused}"
        );

        rig.states.resume(&acme(), "back", &operator()).await.unwrap();
        assert_eq!((rig.primary(), rig.reasons()), (Ready, vec![]));
        let now = rig.states.current(&acme()).unwrap();
        assert_eq!(now.state.claim_permission, ClaimPermission::Normal);
    }
}

#[tokio::test]
async fn a_pause_that_something_holds_is_not_lifted_and_all_of_it_is_said() {
    let guards = AllGuards::new([Arc::new(Unpaid) as _, Arc::new(ReasonGuard) as _]);
    let rig = Rig::guarded(Arc::new(guards));
    rig.boot().await;
    rig.degrade(Cost).await;
    rig.degrade(DegradationReason::Substrate).await;
    rig.states.pause(&acme(), "lunch", &operator()).await.unwrap();
    let refused = rig.states.resume(&acme(), "back", &operator()).await.unwrap_err();
    let StateChangeError::Blocked { blocked_by } = refused else {
        panic!("{refused}");
    };
    assert_eq!(
        blocked_by
            .iter()
            .map(|blocker| blocker.what.as_str())
            .collect::<Vec<_>>(),
        ["cost", "substrate"]
    );
    assert_eq!(
        (rig.primary(), rig.reasons()),
        (Paused, vec!["cost", "operator", "substrate"])
    );
}

/// Holds every pause that is for want of money.
struct Unpaid;

#[async_trait]
impl ResumeGuard for Unpaid {
    async fn blocked_by(&self, _: &TenantId, state: &OperationalState) -> Vec<Blocker> {
        let blocker = Blocker {
            what: "cost".to_owned(),
            detail: "pay".to_owned(),
        };
        let is_unpaid = state.degradation_reasons.contains(&Cost);
        is_unpaid.then_some(blocker).into_iter().collect()
    }
}

#[tokio::test]
async fn the_reasons_of_a_pause_end_with_it_once_nothing_holds_it() {
    let rig = Rig::ready().await;
    rig.degrade(Cost).await;
    rig.go(Paused, TriggerKind::CostLimit).await;
    rig.states.resume(&acme(), "paid", &operator()).await.unwrap();
    assert_eq!((rig.primary(), rig.reasons()), (Ready, vec![]));
}

#[tokio::test]
async fn reasons_that_hold_no_pause_outlive_it() {
    let rig = Rig::ready().await;
    let careful = Request::stay(TriggerKind::Degradation, "token")
        .adding([DegradationReason::TokenExpiring])
        .permission(ClaimPermission::CriticalOnly);
    rig.states.transition(&acme(), careful, &engine()).await.unwrap();
    rig.states.pause(&acme(), "lunch", &operator()).await.unwrap();
    rig.states.resume(&acme(), "back", &operator()).await.unwrap();
    let now = rig.states.current(&acme()).unwrap();
    assert_eq!(now.state.reasons_sorted(), ["token_expiring"]);
    assert_eq!(now.state.claim_permission, ClaimPermission::CriticalOnly);
}

#[tokio::test]
async fn a_pause_is_lifted_by_resuming_and_in_no_other_way() {
    let rig = Rig::ready().await;
    rig.degrade(Cost).await;
    rig.go(Paused, TriggerKind::CostLimit).await;
    for (kind, writer) in [
        (TriggerKind::Operator, operator()),
        (TriggerKind::CostRefreshed, engine()),
    ] {
        let request = Request::to(Ready, kind, "back");
        let refused = rig
            .states
            .transition(&acme(), request, &writer)
            .await
            .unwrap_err();
        assert_eq!(refused, StateChangeError::ResumeOnly);
    }
    assert_eq!(rig.primary(), Paused);
}

#[tokio::test]
async fn what_is_not_paused_cannot_be_resumed_and_a_reason_has_to_be_given() {
    let rig = Rig::ready().await;
    let refused = rig.states.resume(&acme(), "back", &operator()).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("the state is `ready`, not `paused`"),
        "{refused}"
    );
    assert!(rig.states.pause(&acme(), "  ", &operator()).await.is_err());
    assert_eq!(rig.primary(), Ready);
}

/// Lets everything pass, but while it looks for the first time the store goes away.
#[derive(Default)]
struct Unlucky {
    states: OnceLock<Arc<States>>,
    asked: AtomicUsize,
}

#[async_trait]
impl ResumeGuard for Unlucky {
    async fn blocked_by(&self, tenant: &TenantId, state: &OperationalState) -> Vec<Blocker> {
        let blocked_by = ReasonGuard.blocked_by(tenant, state).await;
        if self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
            let states = self.states.get().unwrap();
            states
                .set_degradation(tenant, DegradationReason::Substrate, true, "", &engine())
                .await
                .unwrap();
        }
        blocked_by
    }
}

#[tokio::test]
async fn fault_o_what_happens_while_a_resume_is_decided_is_decided_about_too() {
    let guard = Arc::new(Unlucky::default());
    let rig = Rig::guarded(guard.clone());
    assert!(guard.states.set(rig.states.clone()).is_ok());
    rig.boot().await;
    rig.states.pause(&acme(), "lunch", &operator()).await.unwrap();
    let refused = rig.states.resume(&acme(), "back", &operator()).await.unwrap_err();
    assert!(matches!(refused, StateChangeError::Blocked { .. }), "{refused}");
    assert_eq!(rig.primary(), Paused);
    assert_eq!(guard.asked.load(Ordering::SeqCst), 2);
}
