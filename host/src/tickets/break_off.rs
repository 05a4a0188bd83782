//! What somebody else than its holder does with claimed work: looking how much there is, and breaking it off.

use super::{
    Inner, StoredTicket, TicketError, Tickets,
    commit::{Edit, last_moves},
    tell,
};
use crate::{
    domain::{Actor, TenantId},
    engine::ticket::{Ending, Held, Resolution, TicketStatus},
    store::{Collection, DocumentFilter},
};

/// The most claims of one tenant that are looked at in one go. Who breaks off more is asked again.
const CLAIMS_LOOKED_AT: u32 = 200;

impl Tickets {
    /// How many tickets of a tenant are claimed now, up to 200.
    ///
    /// # Errors
    /// If the store could not answer.
    pub async fn held(&self, tenant: &TenantId) -> Result<u64, TicketError> {
        Ok(self.0.claimed(tenant).await?.len() as u64)
    }

    /// Gives back every claimed ticket of a tenant in the host's own name; its holders find their fence tokens stale. Answers how
    /// many. A ticket that somebody else changes at this moment is left for the next time.
    ///
    /// # Errors
    /// If the store could not answer; what was given back until then stays so.
    pub async fn break_off(&self, tenant: &TenantId, why: &str) -> Result<usize, TicketError> {
        let (inner, tenant, why) = (self.0.clone(), tenant.clone(), why.to_owned());
        self.unbroken(async move {
            let mut given_back = 0;
            for found in inner.claimed(&tenant).await? {
                given_back += usize::from(inner.give_back(&found, &why).await?);
            }
            inner.drive(&tenant).await;
            Ok(given_back)
        })
        .await
    }
}

impl Inner {
    async fn claimed(&self, tenant: &TenantId) -> Result<Vec<StoredTicket>, TicketError> {
        let filter = DocumentFilter {
            limit: CLAIMS_LOOKED_AT,
            ..DocumentFilter::of(Collection::Tickets).tenant(tenant)
        };
        let claimed = filter.statuses(TicketStatus::HELD.map(TicketStatus::as_str));
        let documents = self.store.documents(claimed).await?;
        documents.into_iter().map(StoredTicket::read).collect()
    }

    /// False if it is not claimed any more, or changes at this moment.
    async fn give_back(&self, found: &StoredTicket, why: &str) -> Result<bool, TicketError> {
        let Some(claim) = &found.ticket.claim else {
            return Ok(false);
        };
        let held = Held {
            fence_token: claim.fence_token,
            by: claim.holder.clone(),
        };
        let ending = Ending {
            resolution: Resolution::Released,
            summary: why.to_owned(),
            model_tier_used: None,
            retry_reason: None,
            next_eligible_offset_seconds: None,
        };
        let now = self.clock.now();
        let ended = found.ticket.clone().resolved(&held, &ending, now)?;
        let mut edit = Edit::new(ended.ticket.clone(), ());
        edit.moves = last_moves(&ended);
        let edit = edit.telling(move |after| tell::resolved(after, &ended, &Actor::host()));
        Ok(self.try_edit(found, edit, &Actor::host(), now).await?.is_some())
    }
}
