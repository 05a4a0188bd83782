//! The event log itself: one way in, which checks, attributes, commits and tells.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::{
    AppendError, AppendPayload, AppendRequest, Receipt, SpoolError, Subscription, Writer, append::check_key,
    failures::Failures, seals::Seals, spool::Spool, subscribers::Subscribers,
};
use crate::{
    domain::{Clock, EventId, EventType, Generation, NewEvent, Payload, PluginName, TenantId},
    engine::vocabulary::{OwnType, Vocabulary, VocabularyError},
    store::{Appended, Batch, CommitError, Store},
};

/// Which identity generation speaks for a tenant now. Asked for every event: it must answer from memory, at once.
pub trait GenerationOf: Send + Sync + 'static {
    /// The generation, if the tenant has an identity.
    fn generation_of(&self, tenant: &TenantId) -> Option<Generation>;
}

impl<F: Fn(&TenantId) -> Option<Generation> + Send + Sync + 'static> GenerationOf for F {
    fn generation_of(&self, tenant: &TenantId) -> Option<Generation> {
        self(tenant)
    }
}

/// What an event log is made of.
pub struct LogParts {
    /// Where events go.
    pub store: Arc<dyn Store>,
    /// Where their time comes from.
    pub clock: Arc<dyn Clock>,
    /// The types there are at first.
    pub vocabulary: Vocabulary,
    /// The file for what the store cannot take: `data/spool.jsonl`.
    pub spool_path: PathBuf,
}

/// The chains of all tenants and of the host. Every event of the host goes through it; it sets actor, source, time and identity
/// generation, and lets nobody append another's type.
pub struct EventLog {
    pub(super) store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    vocabulary: ArcSwap<Vocabulary>,
    /// Held while the vocabulary is replaced, so that no change gets lost.
    vocabulary_change: Mutex<()>,
    generation_of: OnceLock<Box<dyn GenerationOf>>,
    pub(super) spool: Arc<Spool>,
    /// One drains at a time, or two would append the same entry.
    pub(super) draining: tokio::sync::Mutex<()>,
    pub(super) something_waits: Notify,
    pub(super) failures: Failures,
    pub(super) subscribers: Subscribers,
    pub(super) seals: Seals,
}

impl EventLog {
    /// Opens it and reads what still waits in the spool; that is appended by [`drain`](Self::drain), or before the next event of
    /// its tenant. Reads a file: not for a worker of the runtime under load.
    ///
    /// # Errors
    /// If the spool is there and cannot be read. What waits in it would be overtaken, so the host must not go on.
    pub fn open(parts: LogParts) -> Result<Self, SpoolError> {
        let LogParts {
            store,
            clock,
            vocabulary,
            spool_path,
        } = parts;
        Ok(Self {
            store,
            clock,
            vocabulary: ArcSwap::from_pointee(vocabulary),
            vocabulary_change: Mutex::new(()),
            generation_of: OnceLock::new(),
            spool: Arc::new(Spool::open(spool_path)?),
            draining: tokio::sync::Mutex::new(()),
            something_waits: Notify::new(),
            failures: Failures::default(),
            subscribers: Subscribers::new(),
            seals: Seals::default(),
        })
    }

    /// Says where identity generations are known. The first call counts: identities need the log before they are there.
    pub fn set_generation_of(&self, source: impl GenerationOf) -> bool {
        self.generation_of.set(Box::new(source)).is_ok()
    }

    /// The types there are now.
    pub fn vocabulary(&self) -> Arc<Vocabulary> {
        self.vocabulary.load_full()
    }

    /// Gives a plugin these types in place of those it had.
    ///
    /// # Errors
    /// If one is not its to declare; nothing changes then.
    pub fn admit_plugin_types(
        &self,
        plugin: &PluginName,
        types: &[EventType],
    ) -> Result<(), VocabularyError> {
        self.change_vocabulary(|vocabulary| vocabulary.with_plugin(plugin, types))
    }

    /// Takes a plugin's types out of the vocabulary. What was appended stays.
    pub fn retire_plugin_types(&self, plugin: &PluginName) {
        let changed = self.change_vocabulary(|vocabulary| Ok(vocabulary.without_plugin(plugin)));
        debug_assert!(changed.is_ok(), "taking types away is never refused");
    }

    /// Gives the operator these types in place of those before.
    ///
    /// # Errors
    /// If one is not the operator's to declare; nothing changes then.
    pub fn set_operator_types(&self, types: &[EventType]) -> Result<(), VocabularyError> {
        self.change_vocabulary(|vocabulary| vocabulary.with_operator_types(types))
    }

    fn change_vocabulary(
        &self,
        change: impl FnOnce(&Vocabulary) -> Result<Vocabulary, VocabularyError>,
    ) -> Result<(), VocabularyError> {
        let _alone = self
            .vocabulary_change
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let next = change(&self.vocabulary.load())?;
        self.vocabulary.store(Arc::new(next));
        Ok(())
    }

    /// Hears of every event whose append begins after this call.
    pub fn subscribe(&self) -> Subscription {
        self.subscribers.subscribe()
    }

    /// Checks and attributes an event without appending it: for whoever commits it together with a change, by
    /// [`commit`](Self::commit).
    ///
    /// # Errors
    /// If the type is not the writer's, or the payload is not one.
    pub fn draft(
        &self,
        tenant: &TenantId,
        event_type: EventType,
        payload: impl Into<AppendPayload>,
        writer: &Writer,
    ) -> Result<NewEvent, AppendError> {
        self.vocabulary.load().may_append(writer.owner(), &event_type)?;
        let payload = payload.into().checked()?;
        Ok(self.attributed(tenant, event_type, payload, writer))
    }

    /// As [`draft`](Self::draft), of one of the host's own types.
    ///
    /// # Errors
    /// If the payload is not one, or `writer` does not ask as the part of the host that owns the type.
    pub fn draft_own(
        &self,
        tenant: &TenantId,
        own: OwnType,
        payload: impl Into<AppendPayload>,
        writer: &Writer,
    ) -> Result<NewEvent, AppendError> {
        self.draft(tenant, own.event_type(), payload, writer)
    }

    /// As [`draft_own`](Self::draft_own), of a payload that is checked already. It is the host that tells, whoever asked for what it tells:
    /// the event names them as the actor.
    pub fn own_event(
        &self,
        tenant: &TenantId,
        own: OwnType,
        payload: Payload,
        asked_by: &Writer,
    ) -> NewEvent {
        self.attributed(tenant, own.event_type(), payload, asked_by)
    }

    fn attributed(
        &self,
        tenant: &TenantId,
        event_type: EventType,
        payload: Payload,
        writer: &Writer,
    ) -> NewEvent {
        NewEvent {
            tenant: tenant.clone(),
            event_id: EventId::new(),
            event_type,
            occurred_at: self.clock.now(),
            actor: writer.actor().clone(),
            source: writer.source().to_owned(),
            identity_generation: self.generation_now(tenant),
            idempotency_key: None,
            payload,
        }
    }

    fn generation_now(&self, tenant: &TenantId) -> Option<Generation> {
        let source = self.generation_of.get()?;
        source.generation_of(tenant)
    }

    /// Appends one event and answers once it is durable. While the store is away it is refused, unless it expects no sequence number
    /// and the store [lets it wait](Store::lets_appends_wait): then it is answered as pending once it is durable in the spool. A caller whose future is dropped does not learn whether it was appended.
    ///
    /// # Errors
    /// If the type is not the writer's, payload or key are not of the form, earlier events of the tenant still wait, or the store
    /// refuses.
    pub async fn append(&self, request: AppendRequest) -> Result<Receipt, AppendError> {
        check_key(request.idempotency_key.as_deref())?;
        let AppendRequest {
            tenant,
            event_type,
            payload,
            writer,
            idempotency_key,
            expected_seq,
        } = request;
        let event = NewEvent {
            idempotency_key,
            ..self.draft(&tenant, event_type, payload, &writer)?
        };
        if expected_seq.is_none() && self.store.lets_appends_wait() {
            return self.append_or_wait(event).await;
        }
        let mut receipts = self
            .commit(Batch {
                expected_seq: expected_seq.map(|seq| (tenant, seq)),
                ..Batch::of(event)
            })
            .await?;
        Ok(receipts.remove(0))
    }

    /// Commits events and changes together: all or nothing. The events come from [`draft`](Self::draft) or [`own_event`](Self::own_event). Never waits for a store
    /// that is away.
    ///
    /// # Errors
    /// If earlier events of one of the tenants still wait, or the store refuses.
    pub async fn commit(&self, batch: Batch) -> Result<Vec<Receipt>, AppendError> {
        self.may_append_behind(&batch.events).await?;
        self.let_earlier_ones_pass(&batch.events).await?;
        let appended = self.commit_and_tell(batch).await?;
        Ok(appended.into_iter().map(Receipt::from).collect())
    }

    pub(super) async fn commit_and_tell(&self, batch: Batch) -> Result<Vec<Appended>, CommitError> {
        let ticket = self.subscribers.expect(&batch.events);
        let events = batch.events.clone();
        let appended = self.store.commit(batch).await?;
        for (event, appended) in events.iter().zip(&appended) {
            let (tenant, event_type, seq) = (&event.tenant, &event.event_type, appended.seq);
            tracing::debug!(%tenant, %event_type, seq, "[kora.chain.emit]");
        }
        if let Some(ticket) = ticket {
            ticket.tell(events, &appended);
        }
        Ok(appended)
    }
}
