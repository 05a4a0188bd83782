//! A store in memory for tests of what stands above the store. It passes the suite that every store passes, and can be told to
//! fail.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use super::{
    Appended, Batch, Change, Collection, CommitError, Document, DocumentFilter, DocumentKey, DocumentOrder,
    EventFilter, GenerationRecord, Head, KvScope, Order, Store, StoreError, StoreHealth, conformance,
};
use crate::{
    domain::{Event, EventId, Generation, Hash, NewEvent, TenantId, TenantRecord},
    engine::chain::{self, Record, RecordHasher},
};

/// How the store behaves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    /// It works.
    #[default]
    Works,
    /// Everything fails with this.
    Fails(StoreError),
    /// Commits never answer.
    Hangs,
}

/// What the next commit does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum NextCommit {
    #[default]
    Works,
    /// Answers that the store is away; nothing happened.
    Fails,
    /// Answers that the store is away although it happened.
    HappensAndFails,
}

/// Everything that the store has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    pub(crate) tenants: Vec<TenantRecord>,
    pub(crate) generations: Vec<GenerationRecord>,
    pub(crate) events: Vec<Event>,
    pub(crate) documents: BTreeMap<DocumentKey, Document>,
    values: HashMap<KvScope, BTreeMap<String, Vec<u8>>>,
}

#[derive(Default)]
struct Temper {
    mood: Mood,
    moods_for: HashMap<TenantId, Mood>,
    next_commit: NextCommit,
    lets_appends_wait: bool,
    is_closed: bool,
    broken_chains: HashMap<TenantId, String>,
    wrong_rights: Option<String>,
    unreadable: Option<TenantId>,
}

#[derive(Default)]
pub(crate) struct MemoryStore {
    contents: Mutex<Contents>,
    temper: Mutex<Temper>,
}

impl MemoryStore {
    pub(crate) fn with_tenants(tenants: &[&str]) -> Self {
        let store = Self::default();
        for tenant in tenants {
            store.add_tenant(tenant);
        }
        store
    }

    pub(crate) fn add_tenant(&self, tenant: &str) {
        self.contents().tenants.push(conformance::tenant_record(tenant));
    }

    pub(crate) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.temper().mood = mood;
    }

    /// How commits to the chain of this tenant go from now on, where the store itself works.
    pub(crate) fn set_mood_for(&self, tenant: &TenantId, mood: Mood) {
        self.temper().moods_for.insert(tenant.clone(), mood);
    }

    pub(crate) fn go_away(&self) {
        self.set_mood(Mood::Fails(away()));
    }

    pub(crate) fn come_back(&self) {
        self.set_mood(Mood::Works);
        self.temper().unreadable = None;
    }

    /// The chain of this tenant cannot be read until the store is back.
    pub(crate) fn go_away_for_reads_of(&self, tenant: &TenantId) {
        self.temper().unreadable = Some(tenant.clone());
    }

    /// As a store that hosts share.
    pub(crate) fn let_appends_wait(&self) {
        self.temper().lets_appends_wait = true;
    }

    pub(crate) fn on_next_commit(&self, next: NextCommit) {
        self.temper().next_commit = next;
    }

    /// What the look at the end of a chain finds from now on.
    pub(crate) fn break_chain(&self, tenant: &TenantId, fault: &str) {
        self.temper()
            .broken_chains
            .insert(tenant.clone(), fault.to_owned());
    }

    /// What the look at the rights finds from now on.
    pub(crate) fn set_rights_fault(&self, fault: Option<&str>) {
        self.temper().wrong_rights = fault.map(str::to_owned);
    }

    /// The events of a chain, oldest first.
    pub(crate) fn chain(&self, tenant: &str) -> Vec<Event> {
        let contents = self.contents();
        let of_tenant = contents
            .events
            .iter()
            .filter(|event| event.tenant.as_str() == tenant);
        of_tenant.cloned().collect()
    }

    /// The types of a chain, oldest first.
    pub(crate) fn types(&self, tenant: &str) -> Vec<String> {
        self.chain(tenant)
            .into_iter()
            .map(|event| event.event_type)
            .collect()
    }

    /// The types of a chain with their payloads, oldest first.
    pub(crate) fn told(&self, tenant: &str) -> Vec<(String, serde_json::Value)> {
        let payload = |event: &Event| serde_json::from_str(&event.payload).unwrap();
        let told = |event: Event| (event.event_type.clone(), payload(&event));
        self.chain(tenant).into_iter().map(told).collect()
    }

    fn temper(&self) -> MutexGuard<'_, Temper> {
        self.temper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mood_for(&self, batch: &Batch) -> Mood {
        let temper = self.temper();
        let mut of_tenants = batch
            .events
            .iter()
            .filter_map(|event| temper.moods_for.get(&event.tenant));
        match &temper.mood {
            // The next commit may be told to fail otherwise.
            Mood::Works | Mood::Fails(_) => of_tenants.next().cloned().unwrap_or_default(),
            Mood::Hangs => Mood::Hangs,
        }
    }

    fn readable(&self) -> Result<MutexGuard<'_, Contents>, StoreError> {
        let temper = self.temper();
        match &temper.mood {
            _ if temper.is_closed => Err(StoreError::Closed),
            Mood::Fails(error) => Err(error.clone()),
            Mood::Works | Mood::Hangs => Ok(self.contents()),
        }
    }
}

fn away() -> StoreError {
    StoreError::Unavailable("the disk is full".to_owned())
}

impl Contents {
    fn commit(&mut self, batch: Batch) -> Result<Vec<Appended>, CommitError> {
        let has_conditions = !batch.changes.is_empty() || batch.expected_seq.is_some();
        if has_conditions && let Some(appended) = self.appended_before(&batch)? {
            return Ok(appended);
        }
        if let Some((tenant, expected)) = batch.expected_seq {
            let (found, _) = self.head(&tenant)?;
            if found != expected {
                return Err(CommitError::SequenceConflict {
                    tenant,
                    expected,
                    found,
                });
            }
        }
        for change in batch.changes {
            self.apply(change)?;
        }
        batch.events.iter().map(|event| self.append(event)).collect()
    }

    fn appended_before(&self, batch: &Batch) -> Result<Option<Vec<Appended>>, CommitError> {
        let mut appended = Vec::new();
        for event in &batch.events {
            match self.existing(event, batch.changes.is_empty())? {
                Some(existing) => appended.push(existing),
                None => return Ok(None),
            }
        }
        Ok((!appended.is_empty()).then_some(appended))
    }

    fn existing(&self, new: &NewEvent, by_key: bool) -> Result<Option<Appended>, CommitError> {
        let is_there = |event: &&Event| {
            event.event_id == new.event_id
                || by_key
                    && event.tenant == new.tenant
                    && new.idempotency_key.is_some()
                    && event.idempotency_key == new.idempotency_key
        };
        let Some(event) = self.events.iter().find(is_there) else {
            return Ok(None);
        };
        let is_same = event.tenant == new.tenant
            && event.event_type == new.event_type.as_str()
            && event.payload == new.payload.as_str();
        if !is_same {
            let event_id = event.event_id;
            return Err(CommitError::IdempotencyConflict { event_id });
        }
        Ok(Some(appended(event, true)))
    }

    fn require_tenant(&self, tenant: &TenantId) -> Result<(), CommitError> {
        if tenant.is_host() || self.tenants.iter().any(|record| record.tenant == *tenant) {
            return Ok(());
        }
        let tenant = tenant.clone();
        Err(CommitError::TenantUnknown { tenant })
    }

    fn head(&self, tenant: &TenantId) -> Result<(u64, Hash), CommitError> {
        self.require_tenant(tenant)?;
        let mut newest_first = self.events.iter().rev();
        let last = newest_first.find(|event| event.tenant == *tenant);
        Ok(last.map_or_else(
            || (0, chain::genesis(tenant.as_str())),
            |last| (last.seq, last.this_hash),
        ))
    }

    fn append(&mut self, new: &NewEvent) -> Result<Appended, CommitError> {
        if let Some(existing) = self.existing(new, true)? {
            return Ok(existing);
        }
        let (last_seq, prev_hash) = self.head(&new.tenant)?;
        let seq = last_seq + 1;
        let this_hash = RecordHasher::new().hash(prev_hash.as_bytes(), &Record::of_new(new, seq));
        let event = Event {
            tenant: new.tenant.clone(),
            seq,
            event_id: new.event_id,
            event_type: new.event_type.to_string(),
            occurred_at: new.occurred_at,
            actor_kind: Some(new.actor.kind.to_string()),
            actor_id: new.actor.id.clone(),
            source: new.source.clone(),
            identity_generation: new.identity_generation,
            idempotency_key: new.idempotency_key.clone(),
            payload: new.payload.as_str().to_owned(),
            prev_hash,
            this_hash,
        };
        let answer = appended(&event, false);
        self.events.push(event);
        Ok(answer)
    }

    fn apply(&mut self, change: Change) -> Result<(), CommitError> {
        match change {
            Change::AddTenant(record) => self.add_tenant(record),
            Change::SetTenantActive { tenant, active } => self.set_active(tenant, active),
            Change::BindIdentity { expected, record } => self.bind(expected, record),
            Change::KvPut {
                scope,
                key,
                value,
                quota,
            } => self.put_value(scope, key, value, quota),
            Change::KvDelete { scope, key } => {
                self.values.entry(scope).or_default().remove(&key);
                Ok(())
            }
            Change::PutDocument(document) => self.put_document(document),
        }
    }

    fn add_tenant(&mut self, record: TenantRecord) -> Result<(), CommitError> {
        let folded = record.tenant.folded();
        let mut there = self.tenants.iter().map(|there| &there.tenant);
        let host = TenantId::host();
        let taken = if record.tenant.is_host() {
            Some(&host)
        } else {
            there.find(|there| there.folded() == folded)
        };
        if let Some(tenant) = taken.cloned() {
            return Err(CommitError::TenantExists { tenant });
        }
        self.tenants.push(record);
        Ok(())
    }

    fn set_active(&mut self, tenant: TenantId, active: bool) -> Result<(), CommitError> {
        match self.tenants.iter_mut().find(|there| there.tenant == tenant) {
            Some(record) => record.active = active,
            None => return Err(CommitError::TenantUnknown { tenant }),
        }
        Ok(())
    }

    fn bind(&mut self, expected: Generation, record: GenerationRecord) -> Result<(), CommitError> {
        let tenant = record.tenant.clone();
        self.require_tenant(&tenant)?;
        let of_tenant = self.generations.iter().filter(|there| there.tenant == tenant);
        let found = of_tenant.map(|there| there.generation).max().unwrap_or(0);
        for expected in [expected, record.generation.saturating_sub(1)] {
            if found != expected {
                return Err(CommitError::GenerationConflict {
                    tenant,
                    expected,
                    found,
                });
            }
        }
        self.generations.push(record);
        Ok(())
    }

    fn put_value(
        &mut self,
        scope: KvScope,
        key: String,
        value: Vec<u8>,
        quota: u64,
    ) -> Result<(), CommitError> {
        self.require_tenant(&scope.tenant)?;
        let values = self.values.entry(scope).or_default();
        let used = bytes_of(values);
        let freed = values.get(&key).map_or(0, |old| (key.len() + old.len()) as u64);
        if used - freed + (key.len() + value.len()) as u64 > quota {
            return Err(CommitError::QuotaExceeded { quota, used });
        }
        values.insert(key, value);
        Ok(())
    }

    fn put_document(&mut self, document: Document) -> Result<(), CommitError> {
        self.require_tenant(&document.key.tenant)?;
        let there = self.documents.get(&document.key);
        let found = there.map_or(0, |there| there.revision);
        let expected = document.revision.saturating_sub(1);
        if found != expected || document.revision == 0 {
            return Err(CommitError::RevisionConflict {
                collection: document.key.collection,
                id: document.key.id,
                expected,
                found,
            });
        }
        self.documents.insert(document.key.clone(), document);
        Ok(())
    }
}

fn bytes_of(values: &BTreeMap<String, Vec<u8>>) -> u64 {
    let sizes = values.iter().map(|(key, value)| (key.len() + value.len()) as u64);
    sizes.sum()
}

fn appended(event: &Event, repeated: bool) -> Appended {
    Appended {
        event_id: event.event_id,
        seq: event.seq,
        this_hash: event.this_hash,
        repeated,
    }
}

fn event_passes(filter: &EventFilter, event: &Event) -> bool {
    let under = |prefix: &String| {
        let rest = event.event_type.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    filter.after_seq.is_none_or(|seq| event.seq > seq)
        && filter.before_seq.is_none_or(|seq| event.seq < seq)
        && filter.before.is_none_or(|before| event.occurred_at < before)
        && (filter.prefixes.is_empty() || filter.prefixes.iter().any(under))
}

fn document_passes(filter: &DocumentFilter, document: &Document) -> bool {
    let is_due = |by| document.due_at.is_none_or(|at| at <= by);
    let is_of = |tenant: &TenantId| document.key.tenant == *tenant;
    document.key.collection == filter.collection
        && filter.tenant.as_ref().is_none_or(is_of)
        && (filter.statuses.is_empty() || filter.statuses.contains(&document.status))
        && filter.due_by.is_none_or(is_due)
        && filter
            .before_id
            .as_ref()
            .is_none_or(|before| document.key.id < *before)
        && filter
            .after_rank
            .as_ref()
            .is_none_or(|(rank, id)| (document.rank, &document.key.id) > (*rank, id))
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, batch: Batch) -> Result<Vec<Appended>, CommitError> {
        // A real commit takes a while: others get their turn meanwhile.
        tokio::task::yield_now().await;
        match self.mood_for(&batch) {
            Mood::Hangs => std::future::pending::<()>().await,
            Mood::Fails(error) => return Err(error.into()),
            Mood::Works => {}
        }
        let next = std::mem::take(&mut self.temper().next_commit);
        if next == NextCommit::Fails {
            return Err(away().into());
        }
        let mut contents = self.readable()?;
        let mut changed = contents.clone();
        let appended = changed.commit(batch)?;
        *contents = changed;
        if next == NextCommit::HappensAndFails {
            return Err(away().into());
        }
        Ok(appended)
    }

    async fn events(&self, tenant: &TenantId, filter: EventFilter) -> Result<Vec<Event>, StoreError> {
        if self.temper().unreadable.as_ref() == Some(tenant) {
            return Err(away());
        }
        let contents = self.readable()?;
        let passes = |event: &&Event| event.tenant == *tenant && event_passes(&filter, event);
        let mut events: Vec<_> = contents.events.iter().filter(passes).cloned().collect();
        if filter.order == Order::NewestFirst {
            events.reverse();
        }
        events.truncate(filter.limit as usize);
        Ok(events)
    }

    async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        let contents = self.readable()?;
        Ok(contents.events.iter().find(|event| event.event_id == id).cloned())
    }

    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        let contents = self.readable()?;
        let mut heads = BTreeMap::new();
        for event in &contents.events {
            heads.insert(event.tenant.clone(), (event.seq, event.this_hash));
        }
        let head = |(tenant, (seq, hash))| Head { tenant, seq, hash };
        Ok(heads.into_iter().map(head).collect())
    }

    async fn check_tails(&self, _records: u64) -> Result<Option<String>, StoreError> {
        self.readable().map(|_| None)
    }

    async fn check_tail(&self, tenant: &TenantId, _records: u64) -> Result<Option<String>, StoreError> {
        drop(self.readable()?);
        Ok(self.temper().broken_chains.get(tenant).cloned())
    }

    async fn check_rights(&self) -> Result<Option<String>, StoreError> {
        drop(self.readable()?);
        Ok(self.temper().wrong_rights.clone())
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, StoreError> {
        let mut tenants = self.readable()?.tenants.clone();
        tenants.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        Ok(tenants)
    }

    async fn generations(&self, tenant: &TenantId, limit: u32) -> Result<Vec<GenerationRecord>, StoreError> {
        let contents = self.readable()?;
        let newest_first = contents.generations.iter().rev();
        let of_tenant = newest_first.filter(|there| there.tenant == *tenant);
        Ok(of_tenant.take(limit as usize).cloned().collect())
    }

    async fn generation(
        &self,
        tenant: &TenantId,
        generation: Generation,
    ) -> Result<Option<GenerationRecord>, StoreError> {
        let contents = self.readable()?;
        let is_it = |there: &&GenerationRecord| there.tenant == *tenant && there.generation == generation;
        Ok(contents.generations.iter().find(is_it).cloned())
    }

    async fn kv_get(&self, scope: &KvScope, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let contents = self.readable()?;
        Ok(contents
            .values
            .get(scope)
            .and_then(|values| values.get(key))
            .cloned())
    }

    async fn kv_list(&self, scope: &KvScope, prefix: &str) -> Result<(Vec<String>, u64), StoreError> {
        let contents = self.readable()?;
        let Some(values) = contents.values.get(scope) else {
            return Ok((Vec::new(), 0));
        };
        let keys = values.keys().filter(|key| key.starts_with(prefix));
        Ok((keys.cloned().collect(), bytes_of(values)))
    }

    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        Ok(self.readable()?.documents.get(key).cloned())
    }

    async fn documents(&self, filter: DocumentFilter) -> Result<Vec<Document>, StoreError> {
        let contents = self.readable()?;
        let passes = |document: &&Document| document_passes(&filter, document);
        let mut documents: Vec<_> = contents.documents.values().filter(passes).cloned().collect();
        match filter.order {
            DocumentOrder::NewestFirst => documents.sort_by(|a, b| b.key.id.cmp(&a.key.id)),
            DocumentOrder::Ranked => {
                documents.sort_by(|a, b| (a.rank, &a.key.id).cmp(&(b.rank, &b.key.id)));
            }
        }
        documents.truncate(filter.limit as usize);
        Ok(documents)
    }

    async fn owners(
        &self,
        collection: Collection,
        statuses: &[&'static str],
    ) -> Result<BTreeSet<TenantId>, StoreError> {
        let contents = self.readable()?;
        let is_one = |document: &&Document| {
            document.key.collection == collection && statuses.contains(&document.status.as_str())
        };
        let found = contents.documents.values().filter(is_one);
        Ok(found.map(|document| document.key.tenant.clone()).collect())
    }

    fn health(&self) -> StoreHealth {
        if self.temper().is_closed {
            StoreHealth::Closed
        } else {
            StoreHealth::Available
        }
    }

    fn lets_appends_wait(&self) -> bool {
        self.temper().lets_appends_wait
    }

    async fn close(&self) {
        self.temper().is_closed = true;
    }
}

mod tests {
    use std::sync::Arc;

    use super::*;

    async fn fresh() -> (Arc<dyn Store>, ()) {
        (Arc::new(MemoryStore::default()), ())
    }

    conformance::store_conformance!(fresh);
}
