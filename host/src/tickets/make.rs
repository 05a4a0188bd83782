//! Making tickets, opening them again, and saying whose they are to do. Kind, origin and ids are always the host's to set.

use uuid::Uuid;

use super::{StoredTicket, TicketError, Tickets, commit::Edit, fresh_id, tell};
use crate::{
    domain::{Actor, TenantId},
    engine::ticket::TicketDraft,
};

impl Tickets {
    /// Makes a ticket. One that is assigned to nobody is the tenant's agent's to do.
    ///
    /// # Errors
    /// If a text is empty or too long, no such actor acts in the tenant, or the store refused.
    pub async fn create(
        &self,
        tenant: &TenantId,
        draft: TicketDraft,
        by: Actor,
    ) -> Result<StoredTicket, TicketError> {
        let (inner, tenant) = (self.0.clone(), tenant.clone());
        self.unbroken(async move {
            if let Some(actor) = draft.assigned_to_actor_id {
                inner.check_actor(&tenant, actor)?;
            }
            let assigned = draft
                .assigned_to_actor_id
                .or_else(|| inner.agents.agent_of(&tenant));
            let draft = TicketDraft {
                assigned_to_actor_id: assigned,
                ..draft
            };
            let ticket = draft.into_ticket(by.clone(), inner.clock.now())?;
            let stored = StoredTicket::fresh(&tenant, fresh_id(), ticket);
            let told = tell::created(&stored, &by);
            let committed = inner.commit(vec![stored.put()?], vec![told]).await?;
            committed.map(|_| stored).ok_or(TicketError::KeptChanging)
        })
        .await
    }

    /// Opens a ticket again that waits for an operator or was given up, with no failure counted against it.
    ///
    /// # Errors
    /// If it does neither, there is none, or the store refused.
    pub async fn reopen(
        &self,
        tenant: &TenantId,
        ticket: Uuid,
        by: Actor,
    ) -> Result<StoredTicket, TicketError> {
        let (inner, tenant) = (self.0.clone(), tenant.clone());
        self.unbroken(async move {
            let reopened = inner.edit(&tenant, ticket, &by, |before, now| {
                let expected = "expected `blocked_needs_operator` or `failed_terminal`";
                let reopened = before.ticket.clone().reopened(now);
                let reopened = reopened.map_err(|status| TicketError::Status { status, expected })?;
                let by = by.clone();
                Ok(Edit::new(reopened, ()).telling(move |after| tell::reopened(after, &by)))
            });
            Ok(reopened.await?.0)
        })
        .await
    }

    /// Makes a ticket somebody else's to do, or nobody's. Who holds it goes on holding it.
    ///
    /// # Errors
    /// If it has ended, there is none, no such actor acts in the tenant, or the store refused.
    pub async fn assign(
        &self,
        tenant: &TenantId,
        ticket: Uuid,
        actor: Option<Uuid>,
        by: Actor,
    ) -> Result<StoredTicket, TicketError> {
        let (inner, tenant) = (self.0.clone(), tenant.clone());
        self.unbroken(async move {
            if let Some(actor) = actor {
                inner.check_actor(&tenant, actor)?;
            }
            let assigned = inner.edit(&tenant, ticket, &by, |before, now| {
                let expected = "it has ended, and is nobody's to do any more";
                let assigned = before.ticket.clone().assigned_to(actor, now);
                let assigned = assigned.map_err(|status| TicketError::Status { status, expected })?;
                let by = by.clone();
                Ok(Edit::new(assigned, ()).telling(move |after| tell::assigned(after, &by)))
            });
            Ok(assigned.await?.0)
        })
        .await
    }
}

impl super::Inner {
    fn check_actor(&self, tenant: &TenantId, actor: Uuid) -> Result<(), TicketError> {
        if self.agents.is_actor(tenant, actor) {
            return Ok(());
        }
        Err(TicketError::ActorUnknown {
            tenant: tenant.clone(),
            actor,
        })
    }
}
