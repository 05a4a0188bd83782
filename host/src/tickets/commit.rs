//! One change of a ticket, with the rows of the ledger that it moves, in one batch with the events that tell of it.

use uuid::Uuid;

use super::{Inner, RACES, StoredOperation, StoredTicket, TicketError, stored, tell};
use crate::{
    domain::{Actor, TenantId, Timestamp},
    engine::{
        operation::{Operation, Step},
        ticket::{Claim, Ended, Resolution, Ticket, TicketStatus},
    },
    store::{Appended, Change, CommitError},
    tenants::Telling,
};

/// What a change makes of a ticket, and what it answers.
pub(super) struct Edit<T> {
    pub ticket: Ticket,
    /// Rows of the ledger that move with it.
    pub moves: Vec<Move>,
    /// A row that begins with it.
    pub begins: Option<(Uuid, Operation)>,
    pub told: Told,
    pub answer: T,
}

/// What is told of the ticket itself.
pub(super) enum Told {
    Nothing,
    /// Made of the ticket as it becomes.
    Event(Box<dyn FnOnce(&StoredTicket) -> Telling + Send>),
}

/// How a row of the ledger moves.
#[derive(Debug, Clone)]
pub(super) enum Move {
    /// As its owner says.
    Step(Uuid, Step),
    /// Because its attempt ended; nothing if it ended before.
    End { row: Uuid, done: bool, why: String },
}

impl<T> Edit<T> {
    pub fn new(ticket: Ticket, answer: T) -> Self {
        Self {
            ticket,
            moves: Vec::new(),
            begins: None,
            told: Told::Nothing,
            answer,
        }
    }

    pub fn telling(mut self, event: impl FnOnce(&StoredTicket) -> Telling + Send + 'static) -> Self {
        self.told = Told::Event(Box::new(event));
        self
    }

    /// The claim's own row is handed out with the first sign of work.
    pub fn with_first_sign(mut self, before: &Ticket) -> Self {
        let began = before.status == TicketStatus::Claimed && self.ticket.status == TicketStatus::InProgress;
        if let Some(claim) = self.ticket.claim.as_ref().filter(|_| began) {
            self.moves
                .push(Move::Step(claim.kora_operation_id, Step::Dispatch));
        }
        self
    }
}

/// How the rows of an attempt end with it: the claim's own as the work did, what was still under way abandoned.
pub(super) fn last_moves(ended: &Ended) -> Vec<Move> {
    let claim: &Claim = &ended.claim;
    let why = format!("the attempt ended: {}", ended.resolution);
    let own = Move::End {
        row: claim.kora_operation_id,
        done: ended.resolution == Resolution::Completed,
        why: why.clone(),
    };
    let open = claim.open_operations.iter().map(|row| Move::End {
        row: *row,
        done: false,
        why: why.clone(),
    });
    std::iter::once(own).chain(open).collect()
}

impl Inner {
    /// Changes a ticket as `decide` says, which sees it as it is; anew if somebody else was quicker.
    pub(super) async fn edit<T>(
        &self,
        tenant: &TenantId,
        ticket: Uuid,
        by: &Actor,
        decide: impl Fn(&StoredTicket, Timestamp) -> Result<Edit<T>, TicketError>,
    ) -> Result<(StoredTicket, T), TicketError> {
        for _ in 0..RACES {
            let before = stored::ticket(&*self.store, tenant, ticket).await?;
            let now = self.clock.now();
            let edit = decide(&before, now)?;
            if let Some((after, answer, _)) = self.try_edit(&before, edit, by, now).await? {
                return Ok((after, answer));
            }
        }
        Err(TicketError::KeptChanging)
    }

    /// Commits a change upon the ticket as it was read. `None` if somebody else was quicker.
    pub(super) async fn try_edit<T>(
        &self,
        before: &StoredTicket,
        edit: Edit<T>,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Option<(StoredTicket, T, Vec<Appended>)>, TicketError> {
        let tenant = &before.tenant;
        let after = before.becoming(edit.ticket);
        let mut changes = vec![after.put()?];
        let mut tellings = match edit.told {
            Told::Nothing => Vec::new(),
            Told::Event(event) => vec![event(&after)],
        };
        let mut rows = self.moved(tenant, edit.moves, now).await?;
        rows.extend(
            edit.begins
                .map(|(id, row)| StoredOperation::fresh(tenant, id, row)),
        );
        for row in &rows {
            changes.push(row.put()?);
            tellings.push(tell::recorded(row, by));
        }
        let appended = self.commit(changes, tellings).await?;
        Ok(appended.map(|appended| (after, edit.answer, appended)))
    }

    async fn moved(
        &self,
        tenant: &TenantId,
        moves: Vec<Move>,
        now: Timestamp,
    ) -> Result<Vec<StoredOperation>, TicketError> {
        let mut rows = Vec::new();
        for moving in moves {
            let (id, moved) = match moving {
                Move::Step(id, step) => {
                    let row = stored::operation(&*self.store, tenant, id).await?;
                    let after = row.operation.clone().after(step, now)?;
                    (row, Some(after))
                }
                Move::End { row, done, why } => {
                    let row = stored::operation(&*self.store, tenant, row).await?;
                    let after = row.operation.clone().finished(done, &why, now);
                    (row, after)
                }
            };
            rows.extend(moved.map(|operation| id.becoming(operation)));
        }
        Ok(rows)
    }

    /// Commits a batch. `None` if somebody else was quicker.
    pub(super) async fn commit(
        &self,
        changes: Vec<Change>,
        tellings: Vec<Telling>,
    ) -> Result<Option<Vec<Appended>>, TicketError> {
        match self.journal.commit_all(changes, tellings).await {
            Ok(appended) => Ok(Some(appended)),
            Err(CommitError::RevisionConflict { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
