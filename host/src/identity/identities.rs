//! The identities of all tenants: seats, turns, and the one place where a generation is committed and published.
//!
//! ```text
//!   swap, rollback, restore, announced            readers
//!        │ the tenant's turn                         │ no lock, no plugin
//!        ▼                                           ▼
//!   prepare (ask, check) ─▶ commit (store) ─▶ publish (slot)
//! ```
//!
//! The store is what counts: each change begins by reading the newest generation there, so a commit whose answer was lost,
//! or that another host made, is caught up with before anything is decided.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    Asker, DamagedGeneration, IdentitySeed, Journal, ProviderInfo, Providers, Slots, Speaking,
    candidate::Candidate, event, event::Cause, seat::Seat,
};
use crate::{
    domain::{Actor, Clock, TenantId},
    store::{Appended, Change, CommitError, GenerationRecord, Store, StoreError},
    tenants::{Interrupted, Unbroken},
};

/// How many tenants are worked on at once: enough to hide the waits, few enough that a boot leaves threads for others.
const TENANTS_AT_ONCE: usize = 8;

/// The identities of all tenants. Cheap to clone; all clones are one.
///
/// Every method that changes something is cancel safe: once begun it goes on to its end although its future is dropped.
#[derive(Clone)]
pub struct Identities(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Arc<dyn Store>,
    journal: Arc<dyn Journal>,
    pub(super) providers: Arc<dyn Providers>,
    clock: Arc<dyn Clock>,
    slots: Slots,
    seats: RwLock<HashMap<TenantId, Arc<Seat>>>,
    unbroken: Unbroken,
}

impl Identities {
    /// No tenant is seated yet: see [`restore`](Self::restore).
    pub fn new(
        store: Arc<dyn Store>,
        journal: Arc<dyn Journal>,
        providers: Arc<dyn Providers>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            journal,
            providers,
            clock,
            slots: Slots::default(),
            seats: RwLock::default(),
            unbroken: Unbroken::default(),
        }))
    }

    /// Where to read who speaks.
    pub fn slots(&self) -> &Slots {
        &self.0.slots
    }

    /// The identity providers that can be asked now.
    pub fn providers(&self) -> Vec<ProviderInfo> {
        self.0.providers.list()
    }

    /// Takes note of a changed configuration. What speaks stays: the store wins, and the drift is shown.
    pub fn reconfigure(&self, seeds: impl IntoIterator<Item = IdentitySeed>) {
        for seed in seeds {
            if let Some(seat) = self.0.seat(&seed.tenant) {
                seat.set_seed(seed);
            }
        }
    }

    /// Serves a tenant no longer. Its slots read nothing from now on; its generations stay.
    pub async fn withdraw(&self, tenant: &TenantId) {
        let seat = {
            let mut seats = self.0.seats.write().unwrap_or_else(PoisonError::into_inner);
            self.0.slots.withdraw(tenant);
            seats.remove(tenant)
        };
        if let Some(seat) = seat {
            // A change under way may still publish; whoever gets the turn later sees that the seat is gone.
            let _turn = seat.turn.lock().await;
            seat.slot.silence();
        }
    }

    /// Publishes what the store has and the slots have not, and answers for whom. To be called when the store is back: a
    /// commit may have happened although its answer was an error.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn catch_up(&self) -> Result<Vec<TenantId>, StoreError> {
        self.0.catch_up(self.0.seats()).await
    }

    /// The same for some tenants, because another host may have changed their identities. Those that are not seated are left out.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn catch_up_with(&self, tenants: &[TenantId]) -> Result<Vec<TenantId>, StoreError> {
        let seats = tenants.iter().filter_map(|tenant| self.0.seat(tenant));
        self.0.catch_up(seats.collect()).await
    }

    /// Waits for changes under way.
    pub async fn join(&self) {
        self.0.unbroken.join().await;
    }

    pub(super) async fn unbroken<T, W>(&self, work: impl FnOnce(Arc<Inner>) -> W) -> Result<T, Interrupted>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        self.0.unbroken.run(work(Arc::clone(&self.0))).await
    }
}

impl Inner {
    async fn catch_up(&self, seats: Vec<Arc<Seat>>) -> Result<Vec<TenantId>, StoreError> {
        let mut caught_up = Vec::new();
        for seat in seats {
            let _turn = seat.turn.lock().await;
            let before = seat.speaking();
            self.newest(&seat).await?;
            if seat.speaking() != before {
                caught_up.push(seat.tenant().clone());
            }
        }
        Ok(caught_up)
    }

    pub(super) fn asker(&self) -> Asker {
        Asker::new(Arc::clone(&self.providers))
    }

    pub(super) fn seat(&self, tenant: &TenantId) -> Option<Arc<Seat>> {
        let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner);
        seats.get(tenant).cloned()
    }

    /// All seats, sorted by tenant.
    pub(super) fn seats(&self) -> Vec<Arc<Seat>> {
        let seats = self.seats.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = seats.values().cloned().collect();
        all.sort_unstable_by(|a, b| a.tenant().cmp(b.tenant()));
        all
    }

    /// Whether a seat is still its tenant's. To be asked after waiting for the turn.
    pub(super) fn is_seated(&self, seat: &Arc<Seat>) -> bool {
        self.seat(seat.tenant())
            .is_some_and(|now| Arc::ptr_eq(&now, seat))
    }

    /// Gives each tenant a seat; one that has one keeps it, with the new seed.
    pub(super) fn admit(&self, seeds: Vec<IdentitySeed>) -> Vec<Arc<Seat>> {
        let mut seats = self.seats.write().unwrap_or_else(PoisonError::into_inner);
        let slots = self.slots.admit(seeds.iter().map(|seed| seed.tenant.clone()));
        let mut seated = |(seed, slot): (IdentitySeed, _)| match seats.get(&seed.tenant) {
            Some(seat) => {
                seat.set_seed(seed);
                Arc::clone(seat)
            }
            None => {
                let tenant = seed.tenant.clone();
                let seat = Arc::new(Seat::new(slot, seed));
                seats.insert(tenant, Arc::clone(&seat));
                seat
            }
        };
        seeds.into_iter().zip(slots).map(&mut seated).collect()
    }

    /// The newest generation in the store, published if it was not. A damaged one is never published.
    pub(super) async fn newest(&self, seat: &Seat) -> Result<Option<Newest>, StoreError> {
        let mut newest = self.store.generations(seat.tenant(), 1).await?;
        let Some(record) = newest.pop() else {
            return Ok(None);
        };
        let speaks_already = seat.speaking().is_some_and(|speaking| {
            speaking.generation == record.generation && speaking.snapshot_hash == record.snapshot_hash
        });
        let opened = Speaking::open(&record);
        if let (Ok(speaking), false) = (&opened, speaks_already) {
            seat.slot.publish(Arc::clone(speaking));
        }
        Ok(Some(Newest {
            record,
            damage: opened.err(),
        }))
    }

    /// Makes a candidate the tenant's identity: one batch with its event, then published. The caller has the turn.
    pub(super) async fn commit(
        &self,
        seat: &Seat,
        previous: Option<&GenerationRecord>,
        candidate: Candidate,
        cause: Cause,
        actor: &Actor,
    ) -> Result<Committed, CommitError> {
        let expected = previous.map_or(0, |previous| previous.generation);
        let (record, snapshot) = candidate.into_record(seat.tenant().clone(), expected + 1, self.clock.now());
        let telling = event::committed(previous, &record, &cause, actor);
        let speaking = Speaking::of(&record, snapshot);
        match self
            .journal
            .commit(Change::BindIdentity { expected, record }, telling)
            .await
        {
            Ok(appended) => {
                seat.slot.publish(Arc::clone(&speaking));
                let hash = speaking.snapshot_hash.short();
                tracing::info!(tenant = %seat.tenant(), generation = speaking.generation, %hash, "another identity speaks");
                Ok(Committed { speaking, appended })
            }
            Err(error) => {
                if matches!(error, CommitError::GenerationConflict { .. }) {
                    self.catch_up_quietly(seat).await;
                }
                Err(error)
            }
        }
    }

    /// Tells of a swap that was refused. Best effort: the refusal stands whether or not it can be told.
    pub(super) async fn tell_refusal(&self, seat: &Seat, refusal: event::Refusal<'_>) {
        let generation = seat.speaking().map_or(0, |speaking| speaking.generation);
        let telling = event::refused(seat.tenant(), generation, refusal);
        if let Err(error) = self.journal.tell(telling).await {
            tracing::warn!(tenant = %seat.tenant(), %error, "a refused swap could not be told in the chain");
        }
    }

    async fn catch_up_quietly(&self, seat: &Seat) {
        if let Err(error) = self.newest(seat).await {
            tracing::warn!(tenant = %seat.tenant(), %error, "the identity in the store is ahead and cannot be read");
        }
    }
}

/// The newest generation of a tenant as the store has it.
pub(super) struct Newest {
    pub(super) record: GenerationRecord,
    /// Why its bytes cannot speak.
    pub(super) damage: Option<DamagedGeneration>,
}

/// A generation that was committed and speaks.
pub(super) struct Committed {
    pub(super) speaking: Arc<Speaking>,
    pub(super) appended: Appended,
}

/// Does `work` for each seat, [`TENANTS_AT_ONCE`] at a time, and answers in the order of the seats.
pub(super) async fn for_each_seat<T, W>(seats: Vec<Arc<Seat>>, work: impl Fn(Arc<Seat>) -> W) -> Vec<T>
where
    T: Send + 'static,
    W: Future<Output = T> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(TENANTS_AT_ONCE));
    let mut running = JoinSet::new();
    for (index, seat) in seats.into_iter().enumerate() {
        let (permits, work) = (Arc::clone(&permits), work(seat));
        running.spawn(async move {
            // Nobody closes the semaphore; without a permit the work would merely run early.
            let _permit = permits.acquire().await;
            (index, work.await)
        });
    }
    let mut done = running.join_all().await;
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, answer)| answer).collect()
}
