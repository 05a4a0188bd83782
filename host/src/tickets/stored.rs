//! Tickets and operations as documents.

use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::TicketError;
use crate::{
    domain::TenantId,
    engine::{operation::Operation, ticket::Ticket},
    store::{Change, Collection, Document, DocumentKey, Store},
};

/// A ticket with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTicket {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub ticket_id: Uuid,
    /// Counts its changes, from 1.
    pub revision: u64,
    /// The ticket.
    pub ticket: Ticket,
}

/// A row of the ledger with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOperation {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub kora_operation_id: Uuid,
    /// Counts its changes, from 1.
    pub revision: u64,
    /// The row.
    pub operation: Operation,
}

impl StoredTicket {
    /// The first of its kind.
    pub(super) fn fresh(tenant: &TenantId, ticket_id: Uuid, ticket: Ticket) -> Self {
        Self {
            tenant: tenant.clone(),
            ticket_id,
            revision: 1,
            ticket,
        }
    }

    pub(super) fn read(document: Document) -> Result<Self, TicketError> {
        Ok(Self {
            ticket_id: id_of(&document)?,
            revision: document.revision,
            ticket: body_of(&document)?,
            tenant: document.key.tenant,
        })
    }

    /// The same ticket, as it becomes.
    pub(super) fn becoming(&self, ticket: Ticket) -> Self {
        Self {
            revision: self.revision + 1,
            ticket,
            ..self.clone()
        }
    }

    pub(super) fn put(&self) -> Result<Change, TicketError> {
        Ok(Change::PutDocument(Document {
            key: key(Collection::Tickets, &self.tenant, self.ticket_id),
            revision: self.revision,
            status: self.ticket.status.to_string(),
            rank: self.ticket.rank(),
            due_at: self.ticket.due_at(),
            body: body(&self.ticket, self.ticket_id)?,
        }))
    }
}

impl StoredOperation {
    /// The first of its kind.
    pub(super) fn fresh(tenant: &TenantId, kora_operation_id: Uuid, operation: Operation) -> Self {
        Self {
            tenant: tenant.clone(),
            kora_operation_id,
            revision: 1,
            operation,
        }
    }

    pub(super) fn read(document: Document) -> Result<Self, TicketError> {
        Ok(Self {
            kora_operation_id: id_of(&document)?,
            revision: document.revision,
            operation: body_of(&document)?,
            tenant: document.key.tenant,
        })
    }

    /// The same row, as it becomes.
    pub(super) fn becoming(&self, operation: Operation) -> Self {
        Self {
            revision: self.revision + 1,
            operation,
            ..self.clone()
        }
    }

    pub(super) fn put(&self) -> Result<Change, TicketError> {
        Ok(Change::PutDocument(Document {
            key: key(Collection::Operations, &self.tenant, self.kora_operation_id),
            revision: self.revision,
            status: self.operation.status.to_string(),
            rank: 0,
            due_at: None,
            body: body(&self.operation, self.kora_operation_id)?,
        }))
    }
}

fn key(collection: Collection, tenant: &TenantId, id: Uuid) -> DocumentKey {
    DocumentKey {
        collection,
        tenant: tenant.clone(),
        id: id.to_string(),
    }
}

fn id_of(document: &Document) -> Result<Uuid, TicketError> {
    let id = &document.key.id;
    id.parse().map_err(|error| damaged(id, &error))
}

fn body_of<T: DeserializeOwned>(document: &Document) -> Result<T, TicketError> {
    serde_json::from_str(&document.body).map_err(|error| damaged(&document.key.id, &error))
}

fn body(value: &impl Serialize, id: Uuid) -> Result<String, TicketError> {
    serde_json::to_string(value).map_err(|error| damaged(&id.to_string(), &error))
}

fn damaged(what: &str, cause: &dyn std::fmt::Display) -> TicketError {
    TicketError::Damaged {
        what: what.to_owned(),
        cause: cause.to_string(),
    }
}

/// One ticket.
pub(super) async fn ticket(
    store: &dyn Store,
    tenant: &TenantId,
    ticket: Uuid,
) -> Result<StoredTicket, TicketError> {
    let document = store.document(&key(Collection::Tickets, tenant, ticket)).await?;
    let unknown = || TicketError::Unknown {
        tenant: tenant.clone(),
        ticket,
    };
    StoredTicket::read(document.ok_or_else(unknown)?)
}

/// One row of the ledger.
pub(super) async fn operation(
    store: &dyn Store,
    tenant: &TenantId,
    operation: Uuid,
) -> Result<StoredOperation, TicketError> {
    let document = store
        .document(&key(Collection::Operations, tenant, operation))
        .await?;
    StoredOperation::read(document.ok_or(TicketError::NotUnderWay { operation })?)
}
