//! What may follow a tenant's state, and what holds it back now.

use super::{Service, api};
use crate::{
    domain::{
        OperationalState,
        PrimaryState::{Active, Paused, Ready},
        TenantId, TriggerKind,
    },
    engine::{
        transition::{Row, transitions_from},
        trigger::canonical_text,
    },
};

impl Service {
    /// The other states that may follow, each with what would refuse it now.
    pub(super) async fn next_states(&self, tenant: &TenantId, now: &OperationalState) -> Vec<api::NextState> {
        let mut next = Vec::new();
        for row in transitions_from(now.primary_state).filter(|row| leads_on(row)) {
            next.push(api::NextState {
                to_state: row.to.to_string(),
                trigger: row.trigger.to_owned(),
                blocked_by: self.blocked_by(tenant, row).await,
            });
        }
        next
    }

    async fn blocked_by(&self, tenant: &TenantId, row: &Row) -> Vec<String> {
        match (row.from, row.to) {
            (Paused, Ready) => {
                let held_by = self.states.pause_held_by(tenant).await;
                held_by.into_iter().map(|blocker| blocker.detail).collect()
            }
            (Ready, Active) => self.tickets.held_back(tenant).await.into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// Trying a gate again leads nowhere else, and money that comes back ends no pause by itself.
fn leads_on(row: &Row) -> bool {
    row.to != row.from && row.trigger != canonical_text(TriggerKind::CostRefreshed)
}
