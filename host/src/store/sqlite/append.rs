//! Writing a group of batches as one transaction. It decides what becomes of each batch; when to write and whom to answer is
//! the writer's.
//!
//! The database itself refuses what does not continue a chain; what is checked here is checked to give an answer that says why.

mod placed;

use std::collections::HashMap;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Statement, params};

use self::placed::Placed;
use super::{change, rows};
use crate::{
    domain::{EventId, Hash, NewEvent, TenantId},
    engine::chain::RecordHasher,
    store::{Appended, Batch, CommitError, StoreError},
};

/// The events that one statement inserts, where there are as many. SQLite copies every page that a statement changes, so as to
/// take back one that fails, and an event changes five: those copies, and what a statement costs besides, are made once for a
/// run. More gained nothing when measured, and a small group has no use for them.
const RUN: usize = 16;

/// Why a batch was not written.
#[derive(Debug)]
pub(super) enum BatchError {
    /// Because of what it says. The others of its group are not touched.
    Refused(CommitError),
    /// Because the database could not. The whole group is lost.
    Failed(rusqlite::Error),
}

impl From<CommitError> for BatchError {
    fn from(error: CommitError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for BatchError {
    fn from(error: rusqlite::Error) -> Self {
        let is_about_values = match error.sqlite_error_code() {
            Some(code) => matches!(
                code,
                ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
            ),
            // Not of SQLite: what was read had not the type that was written.
            None => true,
        };
        if is_about_values {
            // All that a caller can do wrong was checked before, so the file is not as this program left it.
            Self::Refused(StoreError::Damaged(format!("the database refused the batch: {error}")).into())
        } else {
            Self::Failed(error)
        }
    }
}

/// What became of a batch.
pub(super) type Outcome = Result<Vec<Appended>, CommitError>;

/// The statements of the writer, prepared once for each connection.
pub(super) struct Appender<'c> {
    connection: &'c Connection,
    begin: Statement<'c>,
    commit: Statement<'c>,
    savepoint: Statement<'c>,
    release: Statement<'c>,
    rollback_to: Statement<'c>,
    by_id: Statement<'c>,
    by_key: Statement<'c>,
    head: Statement<'c>,
    insert: Statement<'c>,
    insert_run: Statement<'c>,
    hasher: RecordHasher,
    /// Where the chains end within this transaction, as far as it was asked.
    heads: HashMap<TenantId, (u64, Hash)>,
}

/// An event that is there already.
struct Existing {
    event_id: EventId,
    seq: u64,
    this_hash: Hash,
    /// Whether it is what is to be appended.
    same: bool,
}

impl<'c> Appender<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        const EXISTING: &str = "SELECT event_id, seq, this_hash, tenant, event_type, payload FROM events";
        Ok(Self {
            connection,
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            savepoint: connection.prepare("SAVEPOINT batch")?,
            release: connection.prepare("RELEASE batch")?,
            rollback_to: connection.prepare("ROLLBACK TO batch")?,
            by_id: connection.prepare(&format!("{EXISTING} WHERE event_id = ?1"))?,
            by_key: connection.prepare(&format!("{EXISTING} WHERE tenant = ?1 AND idempotency_key = ?2"))?,
            head: connection.prepare("SELECT seq, hash FROM heads WHERE tenant = ?1")?,
            insert: placed::prepare(connection, 1)?,
            insert_run: placed::prepare(connection, RUN)?,
            hasher: RecordHasher::new(),
            heads: HashMap::new(),
        })
    }

    /// Begins a group: what is written from now on is one transaction.
    ///
    /// # Errors
    /// If the database failed: what of the group is durable is then unknown, and the connection must not be used again.
    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        self.heads.clear();
        self.begin.execute([]).map(drop)
    }

    /// Writes the batches in order. Answers what becomes of each once the group is committed.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(super) fn write(&mut self, batches: &[&Batch]) -> rusqlite::Result<Vec<Outcome>> {
        let mut outcomes = Vec::with_capacity(batches.len());
        for batches in batches.chunks(RUN) {
            match self.write_run(batches)? {
                Some(appended) => outcomes.extend(appended.into_iter().map(|one| Ok(vec![one]))),
                None => {
                    for batch in batches {
                        outcomes.push(self.write_one(batch)?);
                    }
                }
            }
        }
        Ok(outcomes)
    }

    /// Commits the group and syncs.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        self.commit.execute([]).map(drop)
    }

    /// Writes a run of batches that have one event each and nothing else, as one statement. Nothing if they are others or
    /// fewer, or if one of them is refused, be it only because its event is there already: then none was written, and who it
    /// is shows when they are written one by one.
    fn write_run(&mut self, batches: &[&Batch]) -> rusqlite::Result<Option<Vec<Appended>>> {
        let events: Vec<&NewEvent> = batches.iter().filter_map(|batch| event_alone(batch)).collect();
        if batches.len() < RUN || events.len() < RUN {
            return Ok(None);
        }
        match self.append_run(&events) {
            Ok(appended) => Ok(Some(appended)),
            Err(BatchError::Failed(error)) => Err(error),
            Err(BatchError::Refused(_)) => {
                self.heads.clear();
                Ok(None)
            }
        }
    }

    /// Each of them must be new: unlike [`append`](Self::append), it does not look first.
    fn append_run(&mut self, events: &[&NewEvent]) -> Result<Vec<Appended>, BatchError> {
        let mut appended = Vec::with_capacity(RUN);
        for (row, event) in events.iter().enumerate() {
            let placed = self.place(event)?;
            placed.bind(&mut self.insert_run, row)?;
            appended.push(placed.appended());
        }
        self.insert_run.raw_execute()?;
        Ok(appended)
    }

    /// Writes a batch so that a refused one leaves nothing behind.
    fn write_one(&mut self, batch: &Batch) -> rusqlite::Result<Outcome> {
        // One event is one statement, which is written whole or not at all by itself. A savepoint costs a copy of every page.
        let alone = batch.changes.is_empty() && batch.events.len() <= 1;
        if !alone {
            self.savepoint.execute([])?;
        }
        let outcome = match self.apply(batch) {
            Ok(appended) => Ok(appended),
            Err(BatchError::Failed(error)) => return Err(error),
            Err(BatchError::Refused(refusal)) => {
                self.heads.clear();
                if !alone {
                    self.rollback_to.execute([])?;
                }
                Err(refusal)
            }
        };
        if !alone {
            self.release.execute([])?;
        }
        Ok(outcome)
    }

    fn apply(&mut self, batch: &Batch) -> Result<Vec<Appended>, BatchError> {
        let has_conditions = !batch.changes.is_empty() || batch.expected_seq.is_some();
        if has_conditions && let Some(appended) = self.appended_before(batch)? {
            return Ok(appended);
        }
        if let Some((tenant, expected)) = &batch.expected_seq {
            let (found, _) = self.head_of(tenant)?;
            if found != *expected {
                let (tenant, expected) = (tenant.clone(), *expected);
                return Err(CommitError::SequenceConflict {
                    tenant,
                    expected,
                    found,
                }
                .into());
            }
        }
        for change in &batch.changes {
            change::apply(self.connection, change)?;
        }
        batch.events.iter().map(|event| self.append(event)).collect()
    }

    /// The answer to a batch whose events are all there: a batch is written whole, so this one was. If changes go with them,
    /// only their ids prove that; a key may have been used by another batch.
    fn appended_before(&mut self, batch: &Batch) -> Result<Option<Vec<Appended>>, BatchError> {
        let mut appended = Vec::with_capacity(batch.events.len());
        for event in &batch.events {
            let found = match self.with_id(event)? {
                None if batch.changes.is_empty() => self.with_key(event)?,
                found => found,
            };
            match found {
                Some(existing) => appended.push(existing.repeated()?),
                None => return Ok(None),
            }
        }
        Ok((!appended.is_empty()).then_some(appended))
    }

    fn append(&mut self, event: &NewEvent) -> Result<Appended, BatchError> {
        let found = match self.with_id(event)? {
            None => self.with_key(event)?,
            found => found,
        };
        if let Some(existing) = found {
            return existing.repeated();
        }
        let placed = self.place(event)?;
        placed.bind(&mut self.insert, 0)?;
        self.insert.raw_execute()?;
        Ok(placed.appended())
    }

    /// Gives an event its place. The chain ends there from now on, in this transaction; if it is not written after all, what
    /// is known of the heads must be forgotten.
    fn place<'e>(&mut self, event: &'e NewEvent) -> Result<Placed<'e>, BatchError> {
        let head = self.head_of(&event.tenant)?;
        let placed = Placed::behind(head, event, &mut self.hasher);
        match self.heads.get_mut(&event.tenant) {
            Some(head) => *head = placed.head(),
            None => drop(self.heads.insert(event.tenant.clone(), placed.head())),
        }
        Ok(placed)
    }

    fn with_id(&mut self, event: &NewEvent) -> rusqlite::Result<Option<Existing>> {
        self.by_id
            .query_row(params![event.event_id.as_bytes()], |row| existing(row, event))
            .optional()
    }

    fn with_key(&mut self, event: &NewEvent) -> rusqlite::Result<Option<Existing>> {
        let Some(key) = &event.idempotency_key else {
            return Ok(None);
        };
        self.by_key
            .query_row(params![event.tenant.as_str(), key], |row| existing(row, event))
            .optional()
    }

    /// Where the chain of a tenant ends now.
    fn head_of(&mut self, tenant: &TenantId) -> Result<(u64, Hash), BatchError> {
        if let Some(head) = self.heads.get(tenant) {
            return Ok(*head);
        }
        let head = self
            .head
            .query_row([tenant.as_str()], |row| {
                Ok((rows::unsigned(row, 0)?, Hash::from_bytes(row.get(1)?)))
            })
            .optional()?;
        head.ok_or_else(|| {
            CommitError::TenantUnknown {
                tenant: tenant.clone(),
            }
            .into()
        })
    }
}

/// The event of a batch that has one and nothing else.
fn event_alone(batch: &Batch) -> Option<&NewEvent> {
    match &*batch.events {
        [event] if batch.changes.is_empty() && batch.expected_seq.is_none() => Some(event),
        _ => None,
    }
}

fn existing(row: &Row<'_>, event: &NewEvent) -> rusqlite::Result<Existing> {
    let is =
        |column, text: &str| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_bytes() == Ok(text.as_bytes()));
    Ok(Existing {
        event_id: EventId::from_bytes(row.get(0)?),
        seq: rows::unsigned(row, 1)?,
        this_hash: Hash::from_bytes(row.get(2)?),
        same: is(3, event.tenant.as_str())?
            && is(4, event.event_type.as_str())?
            && is(5, event.payload.as_str())?,
    })
}

impl Existing {
    fn repeated(&self) -> Result<Appended, BatchError> {
        if !self.same {
            return Err(CommitError::IdempotencyConflict {
                event_id: self.event_id,
            }
            .into());
        }
        Ok(Appended {
            event_id: self.event_id,
            seq: self.seq,
            this_hash: self.this_hash,
            repeated: true,
        })
    }
}

/// SQLite's integers are signed. No count comes near the end of them.
pub(super) fn integer(value: u64) -> Result<i64, BatchError> {
    i64::try_from(value).map_err(|_| {
        CommitError::Store(StoreError::Damaged(format!(
            "{value} is beyond what the database counts"
        )))
        .into()
    })
}
