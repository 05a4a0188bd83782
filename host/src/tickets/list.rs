//! Looking at tickets and at the ledger.

use uuid::Uuid;

use super::{StoredOperation, StoredTicket, TicketError, Tickets, stored};
use crate::{
    domain::TenantId,
    engine::{operation::OperationStatus, ticket::TicketStatus},
    store::{Collection, DocumentFilter},
};

/// The most that are answered at once.
pub const LIST_MAX: u32 = 200;
/// How many are answered where nobody says.
pub const LIST_DEFAULT: u32 = 50;

/// Which tickets, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TicketQuery {
    /// Only of these; empty: of any.
    pub statuses: Vec<TicketStatus>,
    /// Only those made before this one.
    pub before: Option<Uuid>,
    /// At most this many; [`LIST_DEFAULT`] if absent, [`LIST_MAX`] at most.
    pub limit: Option<u32>,
}

/// Which rows of the ledger, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationQuery {
    /// Only of this one.
    pub status: Option<OperationStatus>,
    /// Only those made before this one.
    pub before: Option<Uuid>,
    /// At most this many; [`LIST_DEFAULT`] if absent, [`LIST_MAX`] at most.
    pub limit: Option<u32>,
}

impl Tickets {
    /// Tickets of a tenant.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn list(
        &self,
        tenant: &TenantId,
        query: TicketQuery,
    ) -> Result<Vec<StoredTicket>, TicketError> {
        let filter = DocumentFilter {
            before_id: query.before.map(|id| id.to_string()),
            limit: limit(query.limit),
            ..DocumentFilter::of(Collection::Tickets).tenant(tenant)
        };
        let filter = filter.statuses(query.statuses.into_iter().map(TicketStatus::as_str));
        let found = self.0.store.documents(filter).await?;
        found.into_iter().map(StoredTicket::read).collect()
    }

    /// One ticket.
    ///
    /// # Errors
    /// If there is none, or the store cannot be read.
    pub async fn get(&self, tenant: &TenantId, ticket: Uuid) -> Result<StoredTicket, TicketError> {
        stored::ticket(&*self.0.store, tenant, ticket).await
    }

    /// Rows of a tenant's ledger.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn operations(
        &self,
        tenant: &TenantId,
        query: OperationQuery,
    ) -> Result<Vec<StoredOperation>, TicketError> {
        let filter = DocumentFilter {
            before_id: query.before.map(|id| id.to_string()),
            limit: limit(query.limit),
            ..DocumentFilter::of(Collection::Operations).tenant(tenant)
        };
        let filter = filter.statuses(query.status.map(OperationStatus::as_str));
        let found = self.0.store.documents(filter).await?;
        found.into_iter().map(StoredOperation::read).collect()
    }
}

fn limit(asked: Option<u32>) -> u32 {
    asked.unwrap_or(LIST_DEFAULT).clamp(1, LIST_MAX)
}
