//! What holds a pause: it is lifted only once nothing does.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;

use crate::domain::{DegradationReason, OperationalState, TenantId};

/// Something that holds a pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocker {
    /// What, as a word: a degradation reason, or the kind of a command.
    pub what: String,
    /// What to do about it.
    pub detail: String,
}

/// Says what holds a pause. All of them are asked for at once, so that nobody has to find out one by one.
#[async_trait]
pub trait ResumeGuard: Send + Sync + 'static {
    /// What holds the pause of this tenant, which is in this state; empty if nothing. What cannot be found out holds it.
    async fn blocked_by(&self, tenant: &TenantId, state: &OperationalState) -> Vec<Blocker>;
}

/// Several that must all have nothing to say.
pub struct AllGuards(Vec<Arc<dyn ResumeGuard>>);

impl AllGuards {
    /// These; what they say is told in this order.
    pub fn new(guards: impl IntoIterator<Item = Arc<dyn ResumeGuard>>) -> Self {
        Self(guards.into_iter().collect())
    }
}

#[async_trait]
impl ResumeGuard for AllGuards {
    async fn blocked_by(&self, tenant: &TenantId, state: &OperationalState) -> Vec<Blocker> {
        let mut blockers = Vec::new();
        for guard in &self.0 {
            blockers.extend(guard.blocked_by(tenant, state).await);
        }
        blockers
    }
}

/// Looks at the reasons alone: a store that is not what it was holds a pause, an operator's own pause does not, and whether the money
/// is still spent is known by its account.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReasonGuard;

#[async_trait]
impl ResumeGuard for ReasonGuard {
    async fn blocked_by(&self, _tenant: &TenantId, state: &OperationalState) -> Vec<Blocker> {
        state
            .degradation_reasons
            .iter()
            .filter_map(|reason| blocker(*reason))
            .collect()
    }
}

fn blocker(reason: DegradationReason) -> Option<Blocker> {
    let detail = match reason {
        DegradationReason::Substrate => {
            "the store is away or cannot be written, or it is another one than was known: `kora status` says which; another one is \
             looked at and accepted with `kora boot accept-epoch`"
        }
        DegradationReason::Cost
        | DegradationReason::Auth
        | DegradationReason::Dispatch
        | DegradationReason::Migration
        | DegradationReason::Operator
        | DegradationReason::TokenExpiring
        | DegradationReason::RetryCeiling => return None,
    };
    Some(Blocker {
        what: reason.as_str().to_owned(),
        detail: detail.to_owned(),
    })
}
