//! Who is at work, found without reading the tickets: of ten thousand tenants in one question.

use std::collections::BTreeSet;

use super::{TicketError, Tickets};
use crate::{domain::TenantId, engine::ticket::TicketStatus, store::Collection};

impl Tickets {
    /// The tenants of which any ticket is held, whether they are served or not, and on whichever host.
    ///
    /// # Errors
    /// If the store could not answer.
    pub async fn tenants_at_work(&self) -> Result<BTreeSet<TenantId>, TicketError> {
        let held = TicketStatus::HELD.map(TicketStatus::as_str);
        Ok(self.0.store.owners(Collection::Tickets, &held).await?)
    }
}
