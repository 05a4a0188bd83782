//! Money and the states of tenants: what is configured, what a hard stop does, what holds a pause, and when work begins again.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use async_trait::async_trait;

use crate::{
    config::{Config, CostSection},
    cost::{Brake, Costs, Policies},
    domain::{DegradationReason, OperationalState, PrimaryState, TenantId, TriggerKind},
    engine::{
        cost::{Decision, Ladder, Policy, UnknownCost},
        transition::{Request, TransitionError},
        trigger::canonical_text,
        vocabulary::Owner,
    },
    events::Writer,
    state::{Blocker, Listener, ResumeGuard, StateChangeError, States, Transition},
};

/// What the configuration in force lets be spent.
pub struct ConfiguredPolicies(pub Arc<ArcSwap<Config>>);

impl Policies for ConfiguredPolicies {
    fn policy(&self, tenant: &TenantId) -> Policy {
        policy(&self.0.load().cost_of(tenant))
    }
}

fn policy(section: &CostSection) -> Policy {
    Policy {
        ladder: Ladder {
            pool: section.credit_pool_usd,
            warn_percent: section.warn_percent,
            downshift_percent: section.downshift_percent,
        },
        stale_after: Duration::from_secs(section.stale_after_seconds),
    }
}

/// Pauses by the cause that only the host may name, so that the chain tells of it whatever the words say.
pub struct StateBrake(pub Arc<States>);

#[async_trait]
impl Brake for StateBrake {
    async fn halt(&self, tenant: &TenantId) -> Result<(), String> {
        let kind = TriggerKind::CostLimit;
        let request =
            Request::to(PrimaryState::Paused, kind, canonical_text(kind)).adding([DegradationReason::Cost]);
        match self
            .0
            .transition(tenant, request, &Writer::host(Owner::Engine))
            .await
        {
            Ok(_)
            | Err(
                StateChangeError::TenantUnknown { .. } | StateChangeError::Refused(TransitionError::Stopped),
            ) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn is_halted(&self, tenant: &TenantId) -> bool {
        self.0.current(tenant).is_none_or(|now| {
            let takes_work = matches!(
                now.state.primary_state,
                PrimaryState::Ready | PrimaryState::Active
            );
            !takes_work || now.state.degradation_reasons.contains(&DegradationReason::Cost)
        })
    }
}

/// What is spent holds a pause, whatever it was begun for. Accounts are made after states: until they are wired, nothing is known of
/// money, and every pause is held.
#[derive(Default)]
pub struct CostGuard(OnceLock<Costs>);

impl CostGuard {
    /// From now on it looks at these accounts.
    pub fn wire(&self, costs: &Costs) {
        let first_time = self.0.set(costs.clone()).is_ok();
        debug_assert!(first_time, "a guard is wired once");
    }
}

#[async_trait]
impl ResumeGuard for CostGuard {
    async fn blocked_by(&self, tenant: &TenantId, state: &OperationalState) -> Vec<Blocker> {
        let decision = match self.0.get() {
            Some(costs) => costs.may_spend(tenant, None).await,
            None => Decision::Unknown(UnknownCost::Unreadable("the host is starting".to_owned())),
        };
        let is_paused_for_cost = state.degradation_reasons.contains(&DegradationReason::Cost);
        let detail = match decision {
            Decision::Allowed(_) | Decision::Deferred(_) => return Vec::new(),
            // What is not known pauses nobody, so it holds only a pause that began because all was spent.
            Decision::Unknown(UnknownCost::Stale { .. }) if !is_paused_for_cost => return Vec::new(),
            Decision::Halted => {
                "all credit of the billing period is spent: confirm that it was granted anew with `kora cost refresh`, \
                 or raise `credit_pool_usd`"
                    .to_owned()
            }
            Decision::Unknown(why) => why.to_string(),
        };
        let what = DegradationReason::Cost.as_str().to_owned();
        vec![Blocker { what, detail }]
    }
}

/// Notes when a tenant that had nothing to spend takes work again.
pub struct RampNotes(pub Costs);

#[async_trait]
impl Listener for RampNotes {
    async fn changed(&self, transition: Arc<Transition>) -> Result<(), String> {
        let had = |state: &OperationalState| state.degradation_reasons.contains(&DegradationReason::Cost);
        let (from, to) = (&transition.from, &transition.to);
        let is_resumed =
            from.primary_state == PrimaryState::Paused && to.primary_state == PrimaryState::Ready;
        if !is_resumed || !had(from) || had(to) {
            return Ok(());
        }
        let noted = self.0.note_resumed(&transition.tenant, transition.at).await;
        noted.map_err(|error| error.to_string())
    }
}
