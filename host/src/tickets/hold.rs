//! What the holder of a ticket does with it: refresh the claim, give it back, say how it ended.

use uuid::Uuid;

use super::{
    StoredTicket, TicketError, Tickets,
    commit::{Edit, last_moves},
    tell,
};
use crate::{
    domain::TenantId,
    engine::ticket::{Ending, Held, Progress, Resolution},
};

/// The words of a ticket that is given back without any.
const GIVEN_BACK: &str = "given back";

impl Tickets {
    /// Makes a claim last longer, because there was progress: as long as a fresh one, or `extend_by_seconds` from now.
    ///
    /// # Errors
    /// If the asker does not hold the ticket, there was no progress, or the store refused.
    pub async fn refresh(
        &self,
        tenant: &TenantId,
        ticket: Uuid,
        held: Held,
        progress: Option<Progress>,
        extend_by_seconds: Option<u64>,
    ) -> Result<StoredTicket, TicketError> {
        let (inner, tenant) = (self.0.clone(), tenant.clone());
        self.unbroken(async move {
            let lease = inner.rules.lease_seconds;
            let refreshed = inner.edit(&tenant, ticket, &held.by, |before, now| {
                let ticket = before.ticket.clone();
                let refreshed = ticket.refreshed(&held, progress, extend_by_seconds, now, lease)?;
                let (claim, by) = (refreshed.claim.clone(), held.by.clone());
                let edit = Edit::new(refreshed, ()).with_first_sign(&before.ticket);
                Ok(match claim {
                    Some(claim) => edit.telling(move |after| tell::refreshed(after, &claim, progress, &by)),
                    None => edit,
                })
            });
            Ok(refreshed.await?.0)
        })
        .await
    }

    /// Gives a ticket back untouched.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn release(
        &self,
        tenant: &TenantId,
        ticket: Uuid,
        held: Held,
        why: Option<String>,
    ) -> Result<StoredTicket, TicketError> {
        let ending = Ending {
            resolution: Resolution::Released,
            summary: why.unwrap_or_else(|| GIVEN_BACK.to_owned()),
            model_tier_used: None,
            retry_reason: None,
            next_eligible_offset_seconds: None,
        };
        self.resolve(tenant, ticket, held, ending).await
    }

    /// Ends an attempt. The third failure that may be tried again is the last. Operations of the attempt that are still under way
    /// are abandoned.
    ///
    /// # Errors
    /// If the asker does not hold the ticket, a text or time makes no sense, or the store refused.
    pub async fn resolve(
        &self,
        tenant: &TenantId,
        ticket: Uuid,
        held: Held,
        ending: Ending,
    ) -> Result<StoredTicket, TicketError> {
        let (inner, tenant) = (self.0.clone(), tenant.clone());
        self.unbroken(async move {
            ending.check()?;
            let resolved = inner.edit(&tenant, ticket, &held.by, |before, now| {
                let ended = before.ticket.clone().resolved(&held, &ending, now)?;
                let mut edit = Edit::new(ended.ticket.clone(), ());
                edit.moves = last_moves(&ended);
                let by = held.by.clone();
                Ok(edit.telling(move |after| tell::resolved(after, &ended, &by)))
            });
            let (stored, ()) = resolved.await?;
            inner.drive(&tenant).await;
            Ok(stored)
        })
        .await
    }
}
