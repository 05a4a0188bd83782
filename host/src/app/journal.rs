//! The event log as tenants and identities write to it, and the host's own account of itself.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::{
    coordinator::{EntryId, EntryState},
    domain::{Actor, ActorKind, TenantId},
    engine::vocabulary::{OwnType, Owner},
    events::{AppendError, EmitFailure, EventLog, Kept, Receipt, Writer},
    plugin::PluginChange,
    store::{Appended, Batch, Change, CommitError, StoreError},
    tenants::{Journal, Telling},
};

/// Commits what tenants and identities change together with the events that tell of it.
pub struct LogJournal {
    log: Arc<EventLog>,
}

impl LogJournal {
    pub fn new(log: Arc<EventLog>) -> Self {
        Self { log }
    }

    fn draft(&self, telling: &Telling) -> Result<crate::domain::NewEvent, CommitError> {
        let own = telling.event_type;
        let writer = writer_for(&telling.actor, own.owner());
        let payload = object(telling.payload.clone());
        let mut event = self
            .log
            .draft_own(&telling.tenant, own, &payload, &writer)
            .map_err(into_commit_error)?;
        event.event_id = telling.event_id;
        Ok(event)
    }
}

#[async_trait]
impl Journal for LogJournal {
    async fn commit_all(
        &self,
        changes: Vec<Change>,
        tellings: Vec<Telling>,
    ) -> Result<Vec<Appended>, CommitError> {
        let events = tellings.iter().map(|telling| self.draft(telling));
        let batch = Batch {
            events: events.collect::<Result<_, _>>()?,
            changes,
            expected_seq: None,
        };
        let receipts = self.log.commit(batch).await.map_err(into_commit_error)?;
        receipts.into_iter().map(placed).collect()
    }

    async fn tell(&self, telling: Telling) -> Result<(), CommitError> {
        let event = self.draft(&telling)?;
        unless_kept(self.log.emit(vec![event]).await)
            .map_err(|lost| CommitError::Store(StoreError::Unavailable(lost.to_string())))
    }
}

fn placed(receipt: Receipt) -> Result<Appended, CommitError> {
    match (receipt.seq, receipt.this_hash) {
        (Some(seq), Some(this_hash)) => Ok(Appended {
            event_id: receipt.event_id,
            seq,
            this_hash,
            repeated: receipt.repeated,
        }),
        _ => Err(damaged(&"the store answered without a place in the chain")),
    }
}

/// What waits for the store is told, if later: only what is lost is not.
fn unless_kept(emitted: Result<Vec<Receipt>, EmitFailure>) -> Result<(), EmitFailure> {
    match emitted {
        Err(failure) if failure.kept == Kept::Lost => Err(failure),
        Err(failure) => {
            tracing::debug!(%failure, "it is told when the store is back");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// The part of the host that writes on behalf of whoever caused it.
fn writer_for(actor: &Actor, part: Owner) -> Writer {
    let uid = actor
        .id
        .as_deref()
        .and_then(|id| id.strip_prefix("uid:")?.parse().ok());
    match (actor.kind, uid) {
        (ActorKind::Operator, Some(uid)) => Writer::operator(uid).through(part),
        _ => Writer::host(part).on_behalf_of(actor),
    }
}

fn into_commit_error(error: AppendError) -> CommitError {
    match error {
        AppendError::Commit(error) => error,
        error if error.is_unavailable() => CommitError::Store(StoreError::Unavailable(error.to_string())),
        error => damaged(&error),
    }
}

fn damaged(error: &dyn std::fmt::Display) -> CommitError {
    CommitError::Store(StoreError::Damaged(error.to_string()))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => Map::from_iter([("value".to_owned(), other)]),
    }
}

/// What happened to the host, on its way into the host's own chain.
#[derive(Debug)]
pub enum Account {
    /// The host has started.
    Started {
        version: String,
        daemon_session_id: String,
    },
    /// The host is about to stop.
    Stopping { reason: String },
    /// A plugin took an edge of its life.
    Plugin(PluginChange),
    /// A daemon took an edge of its life.
    Daemon {
        id: EntryId,
        from: EntryState,
        to: EntryState,
        detail: Option<String>,
    },
    /// The configuration was read again.
    Reloaded {
        by: Writer,
        applied: Vec<String>,
        needs_restart: Vec<String>,
    },
    /// Answers once all before it is written.
    Flush(tokio::sync::oneshot::Sender<()>),
}

/// Hands accounts over, in order, without waiting.
#[derive(Debug, Clone)]
pub struct Accounts(mpsc::UnboundedSender<Account>);

impl Accounts {
    /// The queue, and what is to be written from it. Unbounded: what is told is bounded by the few edges that plugins and
    /// daemons take, and must not be lost.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Account>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Queues one. After the host's end nobody listens any more.
    pub fn tell(&self, account: Account) {
        drop(self.0.send(account));
    }

    /// Waits until all that was told so far is written.
    pub async fn flush(&self) {
        let (done, written) = tokio::sync::oneshot::channel();
        self.tell(Account::Flush(done));
        drop(written.await);
    }
}

/// Writes accounts into the host's chain, one after another, until the queue is closed.
pub async fn keep_accounts(log: Arc<EventLog>, mut accounts: mpsc::UnboundedReceiver<Account>) {
    while let Some(account) = accounts.recv().await {
        let writer = writer_of(&account);
        let Some((own, payload)) = rendered(account) else {
            continue;
        };
        let drafted = log.draft_own(&TenantId::host(), own, &object(payload), &writer);
        let written = match drafted {
            Ok(event) => unless_kept(log.emit(vec![event]).await).map_err(|lost| lost.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = written {
            tracing::error!(
                event_type = own.as_str(),
                error,
                "the host's own account could not be written"
            );
        }
    }
}

/// The host tells, and names who asked for it where somebody did.
fn writer_of(account: &Account) -> Writer {
    match account {
        Account::Reloaded { by, .. } => by.through(Owner::Host),
        _ => Writer::host(Owner::Host),
    }
}

fn rendered(account: Account) -> Option<(OwnType, Value)> {
    Some(match account {
        Account::Started {
            version,
            daemon_session_id,
        } => (
            OwnType::HostStarted,
            json!({"version": version, "daemon_session_id": daemon_session_id}),
        ),
        Account::Stopping { reason } => (OwnType::HostStopping, json!({"reason": reason})),
        Account::Plugin(change) => (
            OwnType::HostPluginStateChanged,
            json!({
                "plugin": change.plugin,
                "version": change.version,
                "digest": change.digest,
                "file": change.path.file_name().map(|name| name.to_string_lossy()),
                "from": change.from,
                "to": change.to,
                "cause": change.cause,
            }),
        ),
        Account::Daemon { id, from, to, detail } => (
            OwnType::HostDaemonStateChanged,
            json!({
                "plugin": id.plugin(),
                "daemon": id.name(),
                "from": from.as_str(),
                "to": to.as_str(),
                "cause": detail,
            }),
        ),
        Account::Reloaded {
            by: _,
            applied,
            needs_restart,
        } => (
            OwnType::HostConfigReloaded,
            json!({"applied": applied, "needs_restart": needs_restart}),
        ),
        Account::Flush(done) => {
            // Whoever asked may have gone.
            let _ = done.send(());
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_in_the_spool_counts_as_told_and_what_is_lost_does_not() {
        let failed = |kept| {
            let away = StoreError::Unavailable("disk full".to_owned());
            let cause = AppendError::Commit(CommitError::Store(away));
            unless_kept(Err(EmitFailure { cause, kept }))
        };
        assert_eq!(unless_kept(Ok(Vec::new())), Ok(()));
        assert_eq!(failed(Kept::Durably), Ok(()));
        assert_eq!(failed(Kept::InMemory), Ok(()));
        assert_eq!(failed(Kept::Lost).unwrap_err().kept, Kept::Lost);
    }
}
