//! The commands as the store keeps them, and which of them are in force. Reads only; asks anew each time.

use std::{future::Future, sync::Arc, time::Duration};

use crate::{
    domain::{Clock, TenantId, Timestamp},
    engine::control::{Command, CommandRecord, InForce, Lifecycle, highest},
    store::{Collection, Document, DocumentFilter, DocumentKey, DocumentOrder, Store, StoreError},
};

/// How long the store may take to say what is in force. Who waits for it waits to begin work: past that it counts as not read.
const READ_DEADLINE: Duration = Duration::from_secs(5);
/// How many commands of one tenant are looked at to find the highest in force. They come highest first, so that more are needed
/// only where as many have expired and were not marked yet; then it counts as not read.
const LOOKED_AT: u32 = 64;
/// The place of those that hold nothing: after all that do.
const HOLDS_NOTHING: i64 = 1;
/// When a command is due that does not expire: no real one comes after the end of the year 9999.
const NEVER: Timestamp = Timestamp::from_micros(253_402_300_799_000_000);

/// A command with the revision that it was read at.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) command: Command,
    pub(super) revision: u64,
}

/// What a document of the collection is.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Readable(Stored),
    /// Of a later release, or damaged. It is kept as it is.
    Unreadable(Document),
}

/// What the store has of commands. Cheap to clone.
#[derive(Clone)]
pub struct CommandBook {
    pub(super) store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl CommandBook {
    /// Over this store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    /// What is in force for a tenant: the highest command on itself and the highest on the host, if there are any.
    ///
    /// # Errors
    /// If the store did not answer in time. Count it as [`InForce::unreadable`].
    pub async fn in_force(&self, tenant: &TenantId) -> Result<Vec<InForce>, StoreError> {
        self.in_force_if(tenant, |_| true).await
    }

    /// The same of those that hold the state of a tenant: all but orders to exit.
    pub(super) async fn holding(&self, tenant: &TenantId) -> Result<Option<InForce>, StoreError> {
        let holds = |in_force: &InForce| !(in_force.tenant.is_host() && in_force.level.ends());
        Ok(highest(self.in_force_if(tenant, holds).await?))
    }

    async fn in_force_if(
        &self,
        tenant: &TenantId,
        counts: impl Fn(&InForce) -> bool,
    ) -> Result<Vec<InForce>, StoreError> {
        let host = TenantId::host();
        let on_host = self.highest_on(&host, &counts).await?;
        let on_tenant = if tenant.is_host() {
            None
        } else {
            self.highest_on(tenant, &counts).await?
        };
        Ok([on_tenant, on_host].into_iter().flatten().collect())
    }

    async fn highest_on(
        &self,
        tenant: &TenantId,
        counts: impl Fn(&InForce) -> bool,
    ) -> Result<Option<InForce>, StoreError> {
        let page = self.ranked(tenant, LOOKED_AT).await?;
        let goes_on = page.len() == LOOKED_AT as usize
            && page.last().is_some_and(|document| document.rank < HOLDS_NOTHING);
        let found = highest(self.that_hold(page).filter(counts));
        Ok(match found {
            None if goes_on => Some(InForce::unreadable(tenant.clone())),
            found => found,
        })
    }

    fn that_hold(&self, documents: Vec<Document>) -> impl Iterator<Item = InForce> {
        let now = self.clock.now();
        documents
            .into_iter()
            .filter_map(move |document| match read(document) {
                Found::Readable(stored) => {
                    let command = stored.command;
                    command.is_in_force(now).then(|| InForce::from(&command))
                }
                Found::Unreadable(document) => {
                    let is_lifted = lifecycle(&document).is_some_and(Lifecycle::is_lifted);
                    (!is_lifted).then(|| InForce::unreadable(document.key.tenant))
                }
            })
    }

    /// The commands on a tenant, those that hold most first.
    pub(super) async fn ranked(&self, tenant: &TenantId, limit: u32) -> Result<Vec<Document>, StoreError> {
        let filter = DocumentFilter {
            limit,
            order: DocumentOrder::Ranked,
            ..DocumentFilter::of(Collection::Commands).tenant(tenant)
        };
        self.documents(filter).await
    }

    /// The newest commands on a tenant, the newest first.
    pub(super) async fn newest(&self, tenant: &TenantId, limit: u32) -> Result<Vec<Document>, StoreError> {
        let filter = DocumentFilter {
            limit,
            ..DocumentFilter::of(Collection::Commands).tenant(tenant)
        };
        self.documents(filter).await
    }

    /// Readable commands of these lifecycles, on whomever, those that hold most first; if asked for, only what has expired by then.
    pub(super) async fn all(
        &self,
        lifecycles: impl Iterator<Item = Lifecycle>,
        expired_by: Option<Timestamp>,
        limit: u32,
    ) -> Result<Vec<Command>, StoreError> {
        let filter = DocumentFilter {
            limit,
            due_by: expired_by,
            order: DocumentOrder::Ranked,
            ..DocumentFilter::of(Collection::Commands).statuses(lifecycles.map(Lifecycle::as_str))
        };
        let found = self.documents(filter).await?.into_iter().map(read);
        let readable = found.filter_map(|found| match found {
            Found::Readable(stored) => Some(stored.command),
            Found::Unreadable(_) => None,
        });
        Ok(readable.collect())
    }

    /// One command, if there is one in that place that can be read.
    pub(super) async fn one(&self, tenant: &TenantId, sequence: u64) -> Result<Option<Stored>, StoreError> {
        let document = in_time(self.store.document(&key(tenant, sequence))).await?;
        Ok(match document.map(read) {
            Some(Found::Readable(stored)) => Some(stored),
            Some(Found::Unreadable(_)) | None => None,
        })
    }

    /// The place of the next command on a tenant.
    pub(super) async fn next_sequence(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        let newest = self.newest(tenant, 1).await?;
        match newest.first() {
            None => Ok(1),
            Some(document) => {
                let unreadable =
                    || StoreError::Damaged(format!("`{}` is no place of a command", document.key.id));
                let last: u64 = document.key.id.parse().map_err(|_| unreadable())?;
                last.checked_add(1).ok_or_else(unreadable)
            }
        }
    }

    async fn documents(&self, filter: DocumentFilter) -> Result<Vec<Document>, StoreError> {
        in_time(self.store.documents(filter)).await
    }
}

async fn in_time<T>(reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = |_| {
        let seconds = READ_DEADLINE.as_secs();
        StoreError::Unavailable(format!("the store did not answer within {seconds} s"))
    };
    tokio::time::timeout(READ_DEADLINE, reading)
        .await
        .unwrap_or_else(|elapsed| Err(late(elapsed)))
}

fn key(tenant: &TenantId, sequence: u64) -> DocumentKey {
    DocumentKey {
        collection: Collection::Commands,
        tenant: tenant.clone(),
        // As text it sorts as the number does.
        id: format!("{sequence:020}"),
    }
}

fn lifecycle(document: &Document) -> Option<Lifecycle> {
    document.status.parse().ok()
}

/// What a document says, if it is a command of this release.
pub(super) fn read(document: Document) -> Found {
    let record = serde_json::from_str::<CommandRecord>(&document.body).ok();
    match (lifecycle(&document), record) {
        (Some(lifecycle), Some(record)) if key(&document.key.tenant, record.sequence) == document.key => {
            Found::Readable(Stored {
                revision: document.revision,
                command: Command {
                    tenant: document.key.tenant,
                    lifecycle,
                    record,
                },
            })
        }
        _ => Found::Unreadable(document),
    }
}

/// A command as it is kept.
pub(super) fn written(command: &Command, revision: u64) -> Document {
    let body = serde_json::to_string(&command.record).expect("texts and numbers can always be written");
    Document {
        key: key(&command.tenant, command.record.sequence),
        revision,
        status: command.lifecycle.as_str().to_owned(),
        rank: rank(command),
        due_at: Some(command.record.expires_at.unwrap_or(NEVER)),
        body,
    }
}

/// One that cannot be read, once a reset cleared it: as it was, but that it holds nothing any more.
pub(super) fn cleared_unread(document: Document) -> Document {
    Document {
        revision: document.revision.saturating_add(1),
        status: Lifecycle::Superseded.as_str().to_owned(),
        rank: HOLDS_NOTHING,
        ..document
    }
}

/// The higher its level, the sooner it is found.
fn rank(command: &Command) -> i64 {
    if command.holds_nothing() {
        HOLDS_NOTHING
    } else {
        -i64::from(command.level().number())
    }
}
