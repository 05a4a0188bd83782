//! What claims make of a tenant's state: `active` while any is held, else `ready`.
//!
//! Nothing is counted. Whenever something may have changed, the store is asked whether a claim is held, and the state follows; so
//! it is right after a restart, after a lost race, and whatever order things are heard in.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;

use super::{Inner, TicketError, Tickets};
use crate::{
    domain::{PrimaryState, TenantId, TriggerKind},
    engine::{
        ticket::TicketStatus,
        transition::{Request, TransitionError},
        trigger::canonical_text,
        vocabulary::Owner,
    },
    events::Writer,
    state::{Listener, StateChangeError, Transition},
    store::{Collection, DocumentFilter},
};

/// How often the state is looked at anew because it changed meanwhile.
const LOOKS: usize = 4;

impl Tickets {
    /// Lets the state of a tenant follow its claims, because another host may have changed them.
    pub async fn follow(&self, tenant: &TenantId) {
        self.0.drive(tenant).await;
    }
}

impl Inner {
    /// Lets the state of a tenant follow its claims.
    pub(super) async fn drive(&self, tenant: &TenantId) {
        let turn = {
            let mut drives = self.drives.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(drives.entry(tenant.clone()).or_default())
        };
        let _alone = turn.lock().await;
        for _ in 0..LOOKS {
            match self.follow(tenant).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%tenant, %error, "the state does not follow the claims: looked at again with the next");
                    return;
                }
            }
        }
    }

    /// False if the state changed meanwhile.
    async fn follow(&self, tenant: &TenantId) -> Result<bool, TicketError> {
        let Some(now) = self.states.current(tenant) else {
            return Ok(true);
        };
        let from = now.state.primary_state;
        if !matches!(from, PrimaryState::Ready | PrimaryState::Active) {
            return Ok(true);
        }
        let (to, kind) = if self.holds_any(tenant).await? {
            (PrimaryState::Active, TriggerKind::ClaimAcquired)
        } else {
            (PrimaryState::Ready, TriggerKind::ClaimReleased)
        };
        if from == to {
            return Ok(true);
        }
        let request = Request::to(to, kind, canonical_text(kind)).expecting(from);
        let writer = Writer::host(Owner::Engine);
        match self.states.transition(tenant, request, &writer).await {
            Ok(_) => Ok(true),
            Err(StateChangeError::Refused(TransitionError::Unexpected { .. })) => Ok(false),
            Err(error) => {
                tracing::debug!(%tenant, %error, "the state cannot follow the claims now");
                Ok(true)
            }
        }
    }

    async fn holds_any(&self, tenant: &TenantId) -> Result<bool, TicketError> {
        let filter = DocumentFilter {
            limit: 1,
            ..DocumentFilter::of(Collection::Tickets).tenant(tenant)
        };
        let held = filter.statuses(TicketStatus::HELD.map(TicketStatus::as_str));
        Ok(!self.store.documents(held).await?.is_empty())
    }
}

/// Hears of tenants that become ready: after a boot or a resume there may be claims from before.
pub struct StateWatch(pub Tickets);

#[async_trait]
impl Listener for StateWatch {
    async fn changed(&self, transition: Arc<Transition>) -> Result<(), String> {
        let (from, to) = (transition.from.primary_state, transition.to.primary_state);
        if to != PrimaryState::Ready || !matches!(from, PrimaryState::Booting | PrimaryState::Paused) {
            return Ok(());
        }
        let (tickets, tenant) = (&self.0, transition.tenant.clone());
        if from == PrimaryState::Paused {
            tickets.0.pace.resumed(&tenant, transition.at);
        }
        let inner = tickets.0.clone();
        let work = async move {
            inner.drive(&tenant).await;
            Ok(())
        };
        tickets.unbroken(work).await.map_err(|error| error.to_string())
    }
}
