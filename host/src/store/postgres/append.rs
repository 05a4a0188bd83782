//! Writing a group of batches as one transaction. It decides what becomes of each batch, in memory as far as that goes; when to write
//! and whom to answer is the writer's.
//!
//! ```text
//!   BEGIN, lock the heads in the order of tenants, look for ids and keys     one round trip
//!   decide each batch, placing its events behind the heads                   none, unless it changes something beside its chain
//!   append all that was placed, COMMIT                                       one round trip
//! ```
//!
//! The locks make what was decided true until the commit. Two hosts lock in the same order and so never wait for each other in a
//! ring, unless for what stands beside the chains; then the server breaks the ring and the group is written again.

mod columns;
mod known;

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

pub(super) use self::columns::Columns;
use self::known::Known;
use super::{
    change,
    fault::{Fault, fault},
    rows,
    statements::Statements,
};
use crate::{
    domain::{Hash, NewEvent, TenantId},
    engine::chain::{Record, RecordHasher},
    store::{Appended, Batch, CommitError, StoreError},
};

/// What became of a batch.
pub(super) type Outcome = Result<Vec<Appended>, CommitError>;

/// Why a batch was not written.
#[derive(Debug)]
pub(super) enum BatchError {
    /// Because of what it says. The others of its group are not touched.
    Refused(CommitError),
    /// Because the database could not. The whole group is lost.
    Failed(tokio_postgres::Error),
}

impl From<CommitError> for BatchError {
    fn from(error: CommitError) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for BatchError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<tokio_postgres::Error> for BatchError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(error)
    }
}

/// Why a group was not written.
#[derive(Debug)]
pub(super) struct GroupError {
    pub(super) cause: tokio_postgres::Error,
    /// The commit was under way: nobody knows whether it happened.
    pub(super) in_doubt: bool,
}

impl From<tokio_postgres::Error> for GroupError {
    fn from(cause: tokio_postgres::Error) -> Self {
        Self {
            cause,
            in_doubt: false,
        }
    }
}

impl GroupError {
    pub(super) fn fault(&self) -> Fault {
        fault(&self.cause)
    }
}

/// Where chains end within the transaction.
pub(super) type Heads = BTreeMap<TenantId, (u64, Hash)>;

/// A group on its way, in its transaction.
struct Group<'c> {
    client: &'c Client,
    statements: &'c Statements,
    heads: Heads,
    known: Known,
    /// What has its place and is not written yet.
    placed: Columns,
    hasher: RecordHasher,
}

/// Writes the batches in order, as one transaction. Answers what became of each, and where the chains end that went on.
///
/// Dropped, or after an error, the transaction is still open: roll it back or drop the connection.
pub(super) async fn write(
    client: &Client,
    statements: &Statements,
    batches: &[&Batch],
) -> Result<(Vec<Outcome>, Heads), GroupError> {
    let mut group = Group::begin(client, statements, batches).await?;
    let before = group.heads.clone();
    let mut outcomes = Vec::with_capacity(batches.len());
    for batch in batches {
        outcomes.push(if batch.changes.is_empty() {
            group.decide(batch)
        } else {
            group.write_with_changes(batch).await?
        });
    }
    group.commit().await?;
    let mut moved = group.heads;
    moved.retain(|tenant, head| before.get(tenant).map_or(0, |(seq, _)| *seq) != head.0);
    Ok((outcomes, moved))
}

/// Writes a batch of events as [`write`] does, and does not commit: the transaction stays open.
pub(super) async fn rehearse(
    client: &Client,
    statements: &Statements,
    batch: &Batch,
) -> Result<Outcome, GroupError> {
    let mut group = Group::begin(client, statements, &[batch]).await?;
    let outcome = group.decide(batch);
    group.flush().await?;
    Ok(outcome)
}

impl<'c> Group<'c> {
    /// Begins the transaction, locks the chains of all batches and looks for what is there already.
    async fn begin(
        client: &'c Client,
        statements: &'c Statements,
        batches: &[&Batch],
    ) -> Result<Self, GroupError> {
        let tenants: BTreeSet<&TenantId> = batches.iter().flat_map(|batch| chains_of(batch)).collect();
        let tenants: Vec<&str> = tenants.into_iter().map(TenantId::as_str).collect();
        let wanted = known::Wanted::of(batches);
        let tenants_parameter: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&tenants];
        // All are sent at once, and answered in this order.
        let ((), heads, existing) = tokio::try_join!(
            biased;
            client.batch_execute("BEGIN"),
            client.query(&statements.lock_heads, &tenants_parameter),
            wanted.look_up(client, statements),
        )?;
        let mut group = Self {
            client,
            statements,
            heads: Heads::new(),
            known: Known::default(),
            placed: Columns::default(),
            hasher: RecordHasher::new(),
        };
        for row in &heads {
            // One that is unreadable is left out: nothing can be appended to that chain, and verification says why.
            if let Ok(head) = rows::head(row) {
                group.heads.insert(head.tenant, (head.seq, head.hash));
            }
        }
        for row in &existing {
            group.known.add_row(row);
        }
        Ok(group)
    }

    /// Writes what is placed, and commits.
    async fn commit(&mut self) -> Result<(), GroupError> {
        let placed = std::mem::take(&mut self.placed);
        let appended = placed.append(self.client, self.statements);
        // Both are sent at once. If the first is refused, the second rolls back, whatever it answers.
        let (appended, committed) = tokio::join!(biased; appended, self.client.batch_execute("COMMIT"));
        let in_doubt = |cause| GroupError {
            cause,
            in_doubt: true,
        };
        appended.map_err(in_doubt)?;
        committed.map_err(in_doubt)
    }

    async fn flush(&mut self) -> Result<(), tokio_postgres::Error> {
        let placed = std::mem::take(&mut self.placed);
        placed.append(self.client, self.statements).await
    }

    /// What becomes of a batch of events alone. What is refused leaves nothing behind.
    fn decide(&mut self, batch: &Batch) -> Outcome {
        if batch.expected_seq.is_some()
            && let Some(appended) = self.appended_before(batch)?
        {
            return Ok(appended);
        }
        self.expect(batch)?;
        self.place_all(&batch.events)
    }

    /// Writes a batch with what it changes beside its chains.
    async fn write_with_changes(&mut self, batch: &Batch) -> Result<Outcome, GroupError> {
        match self.appended_before(batch) {
            Ok(None) => {}
            Ok(Some(appended)) => return Ok(Ok(appended)),
            Err(refusal) => return Ok(Err(refusal)),
        }
        self.flush().await?;
        self.client.batch_execute("SAVEPOINT batch").await?;
        let heads = self.heads.clone();
        match self.apply(batch).await {
            Ok(appended) => {
                self.client.batch_execute("RELEASE SAVEPOINT batch").await?;
                Ok(Ok(appended))
            }
            Err(BatchError::Refused(refusal)) => {
                self.heads = heads;
                self.client
                    .batch_execute("ROLLBACK TO SAVEPOINT batch; RELEASE SAVEPOINT batch")
                    .await?;
                Ok(Err(refusal))
            }
            Err(BatchError::Failed(error)) => Err(error.into()),
        }
    }

    async fn apply(&mut self, batch: &Batch) -> Result<Vec<Appended>, BatchError> {
        self.expect(batch)?;
        for change in &batch.changes {
            change::apply(self.client, self.statements, &mut self.heads, change).await?;
        }
        let appended = self.place_all(&batch.events)?;
        self.flush().await?;
        Ok(appended)
    }

    fn expect(&self, batch: &Batch) -> Result<(), CommitError> {
        let Some((tenant, expected)) = &batch.expected_seq else {
            return Ok(());
        };
        let (found, _) = self.head_of(tenant)?;
        if found == *expected {
            return Ok(());
        }
        let (tenant, expected) = (tenant.clone(), *expected);
        Err(CommitError::SequenceConflict {
            tenant,
            expected,
            found,
        })
    }

    /// The answer to a batch whose events are all there: a batch is written whole, so this one was. If changes go with them, only
    /// their ids prove that; a key may have been used by another batch.
    fn appended_before(&self, batch: &Batch) -> Result<Option<Vec<Appended>>, CommitError> {
        let mut appended = Vec::with_capacity(batch.events.len());
        for event in &batch.events {
            match self.known.find(event, batch.changes.is_empty()) {
                Some(existing) => appended.push(existing.repeated(event)?),
                None => return Ok(None),
            }
        }
        Ok((!appended.is_empty()).then_some(appended))
    }

    /// Gives all events their places, or none.
    fn place_all(&mut self, events: &[NewEvent]) -> Result<Vec<Appended>, CommitError> {
        let (mark, mut undo) = (self.placed.len(), Vec::new());
        let mut appended = Vec::with_capacity(events.len());
        for event in events {
            let head = self.heads.get(&event.tenant).copied();
            match self.place(event) {
                Ok(placed) => {
                    if !placed.repeated {
                        undo.push((event, head));
                    }
                    appended.push(placed);
                }
                Err(refusal) => {
                    self.placed.truncate(mark);
                    for (event, head) in undo.into_iter().rev() {
                        self.known.forget(event);
                        self.heads.extend(head.map(|head| (event.tenant.clone(), head)));
                    }
                    return Err(refusal);
                }
            }
        }
        Ok(appended)
    }

    fn place(&mut self, event: &NewEvent) -> Result<Appended, CommitError> {
        if let Some(existing) = self.known.find(event, true) {
            return existing.repeated(event);
        }
        let (last_seq, prev_hash) = self.head_of(&event.tenant)?;
        let record = Record::of_new(event, last_seq + 1);
        let this_hash = self.hasher.hash(prev_hash.as_bytes(), &record);
        self.placed.push(&record, &prev_hash, &this_hash);
        let appended = Appended {
            event_id: event.event_id,
            seq: record.seq,
            this_hash,
            repeated: false,
        };
        self.heads.insert(event.tenant.clone(), (appended.seq, this_hash));
        self.known.add_placed(event, &appended);
        Ok(appended)
    }

    fn head_of(&self, tenant: &TenantId) -> Result<(u64, Hash), CommitError> {
        let head = self.heads.get(tenant).copied();
        head.ok_or_else(|| CommitError::TenantUnknown {
            tenant: tenant.clone(),
        })
    }
}

/// The chains that a batch looks at.
fn chains_of(batch: &Batch) -> impl Iterator<Item = &TenantId> {
    let of_events = batch.events.iter().map(|event| &event.tenant);
    of_events.chain(batch.expected_seq.iter().map(|(tenant, _)| tenant))
}
