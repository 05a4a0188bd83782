//! Leases that ran out: whoever held the ticket is gone, and it goes back, a failed attempt richer.

use super::{
    Inner, StoredTicket, TicketError, Tickets,
    commit::{Edit, last_moves},
    tell,
};
use crate::{
    domain::{Actor, Timestamp},
    engine::ticket::TicketStatus,
    store::{Collection, DocumentFilter, DocumentOrder},
};

/// How many leases are looked at in one go.
const PAGE: u32 = 64;

impl Tickets {
    /// Takes back every ticket whose lease has run out, of all tenants; answers how many. To be called now and then.
    ///
    /// # Errors
    /// If the store could not answer; what was taken back until then stays so.
    pub async fn sweep(&self) -> Result<usize, TicketError> {
        let inner = self.0.clone();
        self.unbroken(async move { inner.sweep().await }).await
    }
}

impl Inner {
    async fn sweep(&self) -> Result<usize, TicketError> {
        let mut taken = 0;
        loop {
            let now = self.clock.now();
            let filter = DocumentFilter {
                due_by: Some(now),
                skip_locked: true,
                limit: PAGE,
                order: DocumentOrder::Ranked,
                ..DocumentFilter::of(Collection::Tickets)
            };
            let held = filter.statuses(TicketStatus::HELD.map(TicketStatus::as_str));
            let page = self.store.documents(held).await?;
            let is_last = page.len() < PAGE as usize;
            let before = taken;
            for document in page {
                let swept = match StoredTicket::read(document) {
                    Ok(found) => self.expire(&found, now).await,
                    Err(error) => Err(error),
                };
                match swept {
                    Ok(swept) => taken += usize::from(swept),
                    Err(error) if error.is_of_the_store() => return Err(error),
                    // One that is broken must not keep the others from being swept.
                    Err(error) => tracing::error!(%error, "a ticket cannot be swept"),
                }
            }
            if is_last || taken == before {
                return Ok(taken);
            }
        }
    }

    /// Takes a ticket back if its lease has run out; false if not, or somebody else was quicker.
    pub(super) async fn expire(&self, found: &StoredTicket, now: Timestamp) -> Result<bool, TicketError> {
        let Ok(ended) = found.ticket.clone().expired(now) else {
            return Ok(false);
        };
        let mut edit = Edit::new(ended.ticket.clone(), ());
        edit.moves = last_moves(&ended);
        let edit = edit.telling(move |after| tell::expired(after, &ended));
        let expired = self.try_edit(found, edit, &Actor::host(), now).await?.is_some();
        if expired {
            tracing::warn!(
                tenant = %found.tenant,
                ticket = %found.ticket_id,
                "a claim ran out before its holder said anything: the ticket was taken back"
            );
            self.drive(&found.tenant).await;
        }
        Ok(expired)
    }
}
