//! The ledger: what an attempt does outside, each step written down before it is taken.

use uuid::Uuid;

use super::{
    StoredOperation, TicketError, Tickets,
    commit::{Edit, Move},
    fresh_id, stored,
};
use crate::{
    domain::TenantId,
    engine::{
        operation::{Operation, OperationStatus, Step},
        ticket::{Held, name},
    },
};

/// Which row of which attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The ticket.
    pub ticket: Uuid,
    /// With what its holder comes.
    pub held: Held,
    /// The row.
    pub operation: Uuid,
}

impl Tickets {
    /// Gives an operation of the attempt its place in the ledger, before anything of it happens.
    ///
    /// # Errors
    /// If the asker does not hold the ticket, too many operations are under way, the tool has no name, or the store refused.
    pub async fn allocate(
        &self,
        tenant: &TenantId,
        ticket: Uuid,
        held: Held,
        tool_name: &str,
    ) -> Result<StoredOperation, TicketError> {
        let tool_name = name("tool's name", tool_name)?;
        let (inner, tenant) = (self.0.clone(), tenant.clone());
        self.unbroken(async move {
            let allocated = inner.edit(&tenant, ticket, &held.by, |before, now| {
                let operation = fresh_id();
                let attempt = before.ticket.held(&held, now)?.work_attempt_id;
                let (after, sequence) = before.ticket.clone().with_operation(&held, operation, now)?;
                let row = Operation::allocated(attempt, sequence, ticket, tool_name.clone(), now);
                let mut edit = Edit::new(after, operation).with_first_sign(&before.ticket);
                edit.begins = Some((operation, row));
                Ok(edit)
            });
            let (_, operation) = allocated.await?;
            stored::operation(&*inner.store, &tenant, operation).await
        })
        .await
    }

    /// Takes the next step of an operation.
    ///
    /// # Errors
    /// If the asker does not hold the ticket, no such operation of the attempt is under way, the step cannot follow, or the store
    /// refused.
    pub async fn step(
        &self,
        tenant: &TenantId,
        row: LedgerRow,
        step: Step,
    ) -> Result<StoredOperation, TicketError> {
        let (inner, tenant) = (self.0.clone(), tenant.clone());
        self.unbroken(async move {
            let ends = step.to() != OperationStatus::Dispatched;
            let stepped = inner.edit(&tenant, row.ticket, &row.held.by, |before, now| {
                let after = before
                    .ticket
                    .clone()
                    .stepping(&row.held, row.operation, ends, now)?;
                let mut edit = Edit::new(after, ());
                edit.moves = vec![Move::Step(row.operation, step.clone())];
                Ok(edit)
            });
            stepped.await?;
            stored::operation(&*inner.store, &tenant, row.operation).await
        })
        .await
    }
}
