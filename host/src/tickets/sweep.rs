//! Leases that ran out: whoever held the ticket is gone, and it goes back, a failed attempt richer.

use super::{
    Inner, RACES, StoredTicket, TicketError, Tickets,
    commit::{Edit, last_moves},
    stored, tell,
};
use crate::{
    domain::{Actor, TenantId, Timestamp},
    engine::ticket::TicketStatus,
    store::{Collection, Document, DocumentFilter, DocumentOrder},
};

/// How many leases are looked at in one go.
const PAGE: u32 = 64;
/// How many held tickets are read at once.
const HELD_PAGE: u32 = 1000;

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

impl Tickets {
    /// The tickets of a tenant that are held, all of them, the newest first.
    ///
    /// # Errors
    /// If the store could not answer, or one cannot be read.
    pub async fn held(&self, tenant: &TenantId) -> Result<Vec<StoredTicket>, TicketError> {
        self.0.held(tenant).await
    }

    /// Takes every ticket of a tenant from whoever holds it, in the host's name; answers how many. Their fence tokens are stale from
    /// then on.
    ///
    /// # Errors
    /// If the store could not answer; what was taken back until then stays so. If one cannot be read, once all others were taken back.
    pub async fn take_back(&self, tenant: &TenantId, why: &'static str) -> Result<usize, TicketError> {
        let (inner, tenant) = (self.0.clone(), tenant.clone());
        self.unbroken(async move {
            let taken = inner.take_all_back(&tenant, why).await;
            inner.drive(&tenant).await;
            taken
        })
        .await
    }
}

impl Inner {
    async fn held(&self, tenant: &TenantId) -> Result<Vec<StoredTicket>, TicketError> {
        let held = self.held_documents(tenant).await?;
        held.into_iter().map(StoredTicket::read).collect()
    }

    async fn held_documents(&self, tenant: &TenantId) -> Result<Vec<Document>, TicketError> {
        let filter = DocumentFilter {
            limit: HELD_PAGE,
            ..DocumentFilter::of(Collection::Tickets).tenant(tenant)
        };
        let mut filter = filter.statuses(TicketStatus::HELD.map(TicketStatus::as_str));
        let mut held = Vec::new();
        loop {
            let page = self.store.documents(filter.clone()).await?;
            let is_last = page.len() < HELD_PAGE as usize;
            filter.before_id = page.last().map(|document| document.key.id.clone());
            held.extend(page);
            if is_last {
                return Ok(held);
            }
        }
    }

    async fn take_all_back(&self, tenant: &TenantId, why: &str) -> Result<usize, TicketError> {
        let (mut taken, mut broken) = (0, None);
        for document in self.held_documents(tenant).await? {
            let is_taken = match StoredTicket::read(document) {
                Ok(found) => self.take_back(&found, why).await,
                Err(error) => Err(error),
            };
            match is_taken {
                Ok(is_taken) => taken += usize::from(is_taken),
                Err(error) if error.is_of_the_store() => return Err(error),
                // One that is broken must not keep the others from being taken back.
                Err(error) => broken = broken.or(Some(error)),
            }
        }
        broken.map_or(Ok(taken), Err)
    }

    /// Takes back a claim of which nobody was told, whatever else was changed of the ticket since. Nothing if it is over already.
    pub(super) async fn take_back_untold(
        &self,
        claimed: &StoredTicket,
        why: &str,
    ) -> Result<(), TicketError> {
        let fence_token = claimed.ticket.claim_count;
        let mut found = claimed.clone();
        for _ in 0..RACES {
            let newest = found.ticket.claim.as_ref().map(|claim| claim.fence_token);
            if newest != Some(fence_token) || self.take_back(&found, why).await? {
                self.drive(&claimed.tenant).await;
                return Ok(());
            }
            found = stored::ticket(&*self.store, &claimed.tenant, claimed.ticket_id).await?;
        }
        Err(TicketError::KeptChanging)
    }

    /// False if nobody holds it by now, or somebody else was quicker.
    async fn take_back(&self, found: &StoredTicket, why: &str) -> Result<bool, TicketError> {
        let now = self.clock.now();
        let Ok(ended) = found.ticket.clone().taken_back(why, now) else {
            return Ok(false);
        };
        let mut edit = Edit::new(ended.ticket.clone(), ());
        edit.moves = last_moves(&ended);
        let edit = edit.telling(move |after| tell::resolved(after, &ended, &Actor::host()));
        let taken = self.try_edit(found, edit, &Actor::host(), now).await?;
        Ok(taken.is_some())
    }

    async fn sweep(&self) -> Result<usize, TicketError> {
        let now = self.clock.now();
        let filter = DocumentFilter {
            due_by: Some(now),
            skip_locked: true,
            limit: PAGE,
            order: DocumentOrder::Ranked,
            ..DocumentFilter::of(Collection::Tickets)
        };
        let mut filter = filter.statuses(TicketStatus::HELD.map(TicketStatus::as_str));
        let mut taken = 0;
        loop {
            let page = self.store.documents(filter.clone()).await?;
            let is_last = page.len() < PAGE as usize;
            // Those that could not be taken back are behind it as well: they keep none of the others.
            filter.after_rank = page
                .last()
                .map(|document| (document.rank, document.key.id.clone()));
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
            if is_last {
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
