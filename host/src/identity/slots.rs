//! Who speaks now, for every tenant: data that is read without a lock and without a call into any plugin.
//!
//! ```text
//!   Slots ── ArcSwap ─▶ map: tenant ─▶ Slot ── ArcSwap ─▶ Speaking   (generation, snapshot, hash, plugin, event)
//!            replaced only when            replaced by every swap
//!            tenants come and go           of that one tenant
//! ```
//!
//! One map that is cloned by every swap was rejected: at 100,000 tenants a swap then costs 10 ms. Who may change what speaks,
//! and when, is decided by [`Identities`](super::Identities).

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::{ArcSwap, ArcSwapOption, Cache};

use super::{Snapshot, SnapshotError};
use crate::{
    domain::{Digest, EventId, Generation, ProviderId, TenantId, Timestamp},
    store::GenerationRecord,
};

/// What speaks for a tenant: one generation, whole. Never changed, only replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaking {
    /// Counts the tenant's identities, from 1.
    pub generation: Generation,
    /// Who gave it; absent for the tenant's fallback prompt.
    pub provider: Option<ProviderId>,
    /// The identity.
    pub snapshot: Arc<Snapshot>,
    /// The SHA-256 of its canonical bytes.
    pub snapshot_hash: Digest,
    /// The version of the plugin that gave it.
    pub plugin_version: Option<String>,
    /// The digest of what the plugin was admitted from.
    pub plugin_digest: Option<Digest>,
    /// The event that tells of it.
    pub event_id: EventId,
    /// Since when it speaks.
    pub since: Timestamp,
}

/// A stored generation that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DamagedGeneration {
    /// The bytes are others than the ones that were hashed.
    #[error("the stored snapshot hashes to {found}, its record says {recorded}")]
    Hash {
        /// As recorded.
        recorded: Digest,
        /// Of the bytes that are there.
        found: Digest,
    },
    /// The bytes are no snapshot.
    #[error("the stored snapshot cannot be read: {0}")]
    Shape(SnapshotError),
}

impl Speaking {
    /// Reads a stored generation, after checking that its bytes are the ones that were hashed.
    ///
    /// # Errors
    /// If they are not.
    pub fn open(record: &GenerationRecord) -> Result<Arc<Self>, DamagedGeneration> {
        let found = Digest::of(record.snapshot.as_bytes());
        if found != record.snapshot_hash {
            let recorded = record.snapshot_hash;
            return Err(DamagedGeneration::Hash { recorded, found });
        }
        let snapshot = Snapshot::from_canonical(&record.snapshot).map_err(DamagedGeneration::Shape)?;
        Ok(Self::of(record, Arc::new(snapshot)))
    }

    /// The generation of `record`, whose bytes are those of `snapshot`.
    pub(super) fn of(record: &GenerationRecord, snapshot: Arc<Snapshot>) -> Arc<Self> {
        Arc::new(Self {
            generation: record.generation,
            provider: record.provider.clone(),
            snapshot,
            snapshot_hash: record.snapshot_hash,
            plugin_version: record.plugin_version.clone(),
            plugin_digest: record.plugin_digest,
            event_id: record.event_id,
            since: record.created_at,
        })
    }
}

/// One tenant's place. Whoever reads often resolves it once and keeps it.
#[derive(Debug)]
pub struct Slot {
    tenant: TenantId,
    speaking: ArcSwapOption<Speaking>,
}

impl Slot {
    /// Whose it is.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What speaks now; nothing if the tenant has no identity, or is no longer served. Whoever gets nothing from a slot that
    /// had something resolves it anew: a tenant that is served again has another slot.
    pub fn speaking(&self) -> Option<Arc<Speaking>> {
        self.speaking.load_full()
    }

    /// A reader for one place of the code, cheaper than [`speaking`](Self::speaking): while nothing is swapped, a read is one
    /// atomic load.
    pub fn reader(self: Arc<Self>) -> SlotReader {
        SlotReader(Cache::new(Handle(self)))
    }

    /// Lets a generation speak. Later ones stay: the order of publications is the order of generations.
    pub(super) fn publish(&self, next: Arc<Speaking>) {
        self.speaking.rcu(|now| match now {
            Some(now) if now.generation > next.generation => Some(Arc::clone(now)),
            _ => Some(Arc::clone(&next)),
        });
    }

    /// Nothing speaks any more.
    pub(super) fn silence(&self) {
        self.speaking.store(None);
    }
}

/// Reads one slot again and again. Each place of the code has its own.
#[derive(Debug)]
pub struct SlotReader(Cache<Handle, Option<Arc<Speaking>>>);

impl SlotReader {
    /// What speaks now, as [`Slot::speaking`].
    pub fn speaking(&mut self) -> Option<&Arc<Speaking>> {
        self.0.load().as_ref()
    }
}

/// Lets a [`Cache`] look through a slot.
#[derive(Debug)]
struct Handle(Arc<Slot>);

impl Deref for Handle {
    type Target = ArcSwapOption<Speaking>;

    fn deref(&self) -> &Self::Target {
        &self.0.speaking
    }
}

type Map = HashMap<TenantId, Arc<Slot>>;

/// The slots of all tenants that are served.
#[derive(Debug, Clone, Default)]
pub struct Slots {
    map: Arc<ArcSwap<Map>>,
    /// Held while the map is replaced. Readers never meet it.
    changing: Arc<Mutex<()>>,
}

impl Slots {
    /// The slot of a tenant that is served.
    pub fn resolve(&self, tenant: &TenantId) -> Option<Arc<Slot>> {
        self.map.load().get(tenant).cloned()
    }

    /// What speaks for a tenant now, by name: one look into the map, one load.
    pub fn speaking(&self, tenant: &TenantId) -> Option<Arc<Speaking>> {
        self.map.load().get(tenant)?.speaking()
    }

    /// The generation that speaks for a tenant now.
    pub fn generation(&self, tenant: &TenantId) -> Option<Generation> {
        let map = self.map.load();
        let speaking = map.get(tenant)?.speaking.load();
        speaking.as_ref().map(|speaking| speaking.generation)
    }

    /// A reader by name for one place of the code, cheaper than [`speaking`](Self::speaking).
    pub fn reader(&self) -> SlotsReader {
        SlotsReader::new(Arc::clone(&self.map))
    }

    /// Gives each of these tenants a slot, unless it has one: one new map, however many they are. Answers their slots in
    /// that order.
    pub(super) fn admit(&self, tenants: impl IntoIterator<Item = TenantId>) -> Vec<Arc<Slot>> {
        self.change(|map| {
            let slot = |tenant: TenantId| {
                let speaking = ArcSwapOption::empty();
                Arc::new(Slot { tenant, speaking })
            };
            let mut admit =
                |tenant: TenantId| Arc::clone(map.entry(tenant.clone()).or_insert_with(|| slot(tenant)));
            tenants.into_iter().map(&mut admit).collect()
        })
    }

    /// Takes a tenant's slot away. Who holds it reads nothing from it from now on.
    pub(super) fn withdraw(&self, tenant: &TenantId) {
        if let Some(slot) = self.change(|map| map.remove(tenant)) {
            slot.silence();
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Map) -> T) -> T {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut map = Map::clone(&self.map.load());
        let answer = change(&mut map);
        self.map.store(Arc::new(map));
        answer
    }
}

/// Reads slots by name again and again. Each place of the code has its own.
///
/// It resolves each tenant once and keeps a [`SlotReader`] for it until tenants come or go, so that a read is one look into a
/// map of its own and two atomic loads: loading the slot anew for each read costs more than the look itself. The price: it
/// holds the last snapshot it read for each tenant until that tenant is read again.
#[derive(Debug)]
pub struct SlotsReader {
    map: Cache<Arc<ArcSwap<Map>>, Arc<Map>>,
    /// The map that `places` and `readers` were resolved from.
    seen: Arc<Map>,
    places: HashMap<TenantId, usize>,
    readers: Vec<SlotReader>,
}

impl SlotsReader {
    fn new(map: Arc<ArcSwap<Map>>) -> Self {
        Self {
            seen: map.load_full(),
            map: Cache::new(map),
            places: HashMap::new(),
            readers: Vec::new(),
        }
    }

    /// What speaks for a tenant now.
    pub fn speaking(&mut self, tenant: &TenantId) -> Option<&Arc<Speaking>> {
        self.follow();
        let place = match self.places.get(tenant) {
            Some(place) => *place,
            None => self.resolve(tenant)?,
        };
        self.readers[place].speaking()
    }

    /// Forgets what was resolved from a map that was replaced.
    fn follow(&mut self) {
        let map = self.map.load();
        if !Arc::ptr_eq(map, &self.seen) {
            self.seen = Arc::clone(map);
            self.places.clear();
            self.readers.clear();
        }
    }

    #[cold]
    fn resolve(&mut self, tenant: &TenantId) -> Option<usize> {
        let slot = Arc::clone(self.seen.get(tenant)?);
        let place = self.readers.len();
        self.readers.push(slot.reader());
        self.places.insert(tenant.clone(), place);
        Some(place)
    }
}
