//! The port to the event log for what changes tenants and identities: a change and the event that tells of it are one
//! transaction, so that neither is ever there without the other.

use async_trait::async_trait;

use crate::{
    domain::{Actor, EventId, TenantId},
    engine::vocabulary::OwnType,
    store::{Appended, Change, CommitError, StoreError},
};

/// An event of the host's own that is to be told. Source, time and identity generation are set by the event log.
#[derive(Debug, Clone)]
pub struct Telling {
    /// In whose chain.
    pub tenant: TenantId,
    /// Its id, made by who tells, so that the change can name it.
    pub event_id: EventId,
    /// Its type.
    pub event_type: OwnType,
    /// What happened: an object.
    pub payload: serde_json::Value,
    /// Who caused it.
    pub actor: Actor,
}

/// Commits changes together with their events.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Commits the changes and the events that tell of them in one batch, in order, and answers once all of it is durable: what
    /// became of each event. Never spooled: what cannot be durable now is refused. If the future is dropped it may have
    /// happened, whole.
    ///
    /// # Errors
    /// If the store refused the batch; nothing of it was committed then, but for [`CommitError::Store`], after which it is
    /// not known.
    async fn commit_all(
        &self,
        changes: Vec<Change>,
        tellings: Vec<Telling>,
    ) -> Result<Vec<Appended>, CommitError>;

    /// Commits one change with its one event, as [`commit_all`](Self::commit_all) does.
    ///
    /// # Errors
    /// As [`commit_all`](Self::commit_all).
    async fn commit(&self, change: Change, telling: Telling) -> Result<Appended, CommitError> {
        let appended = self.commit_all(vec![change], vec![telling]).await?;
        let mut appended = appended.into_iter();
        appended
            .next()
            .ok_or_else(|| StoreError::Damaged("the store answered without the event".to_owned()).into())
    }

    /// Appends an event without a change. May be spooled while the store is away: an answer means it will not be lost.
    ///
    /// # Errors
    /// If it was neither appended nor spooled.
    async fn tell(&self, telling: Telling) -> Result<(), CommitError>;
}
