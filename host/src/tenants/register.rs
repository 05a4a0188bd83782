//! The register of tenants: a copy in memory of what the store has, and the only place that changes it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use serde_json::json;
use uuid::Uuid;

use super::{Interrupted, Journal, Listed, Origin, Telling, TenantSeed, Unbroken};
use crate::{
    domain::{Actor, Clock, EventId, TenantActor, TenantId, TenantRecord},
    engine::vocabulary::OwnType,
    store::{Change, CommitError, Store, StoreError},
};

/// The kind of the actor that acts for a tenant's agent.
const CANONICAL_KIND: &str = "kora";
/// The most characters of an actor's name: one line of a table.
const MAX_ACTOR_NAME_CHARS: usize = 128;
/// The most tenants that are added in one batch: what a store writes at once without keeping others waiting.
const ADDED_AT_ONCE: usize = 128;

/// Why the register was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TenantError {
    /// The id is taken, perhaps in another case.
    #[error(
        "the tenant `{asked}` cannot be added: `{there}` is there already, and ids that differ only in case are one"
    )]
    Exists {
        /// What was asked for.
        asked: TenantId,
        /// As it is written in the store.
        there: TenantId,
    },
    /// No such tenant.
    #[error("there is no tenant `{asked}`: `kora tenants list` shows those there are")]
    Unknown {
        /// What was asked for.
        asked: TenantId,
    },
    /// The name of its actor would not print on one line.
    #[error(
        "the name of the agent must have 1 to {MAX_ACTOR_NAME_CHARS} characters, none of them a control character"
    )]
    Name,
    /// The batch was refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is not known what became of it.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// The register. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Tenants(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    /// By folded id.
    known: RwLock<BTreeMap<String, Listed>>,
    /// Held by whoever changes the register.
    changing: tokio::sync::Mutex<()>,
    unbroken: Unbroken,
}

impl Tenants {
    /// Reads the register from the store. All are [`Origin::Command`] until [`ensure`](Self::ensure) says which are configured.
    ///
    /// # Errors
    /// If the store could not be read.
    pub async fn open(
        store: Arc<dyn Store>,
        journal: Arc<dyn Journal>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let inner = Inner {
            store,
            journal,
            clock,
            known: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            unbroken: Unbroken::default(),
        };
        inner.refresh().await?;
        Ok(Self(Arc::new(inner)))
    }

    /// Reads the register again, because another host may have changed it. What is known of origins stays.
    ///
    /// # Errors
    /// If the store could not be read.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _changing = self.0.changing.lock().await;
        self.0.refresh().await
    }

    /// Sees to it that each configured tenant is in the store, and answers what became of each, in order. One that fails does
    /// not stop the others. Neither enables nor renames one that is there. `seeds` are all that are configured: the others
    /// are [`Origin::Command`] from now on.
    ///
    /// # Errors
    /// If the work was interrupted.
    pub async fn ensure(
        &self,
        seeds: Vec<TenantSeed>,
        actor: Actor,
    ) -> Result<Vec<(TenantId, Result<Listed, TenantError>)>, Interrupted> {
        let order: Vec<_> = seeds.iter().map(|seed| seed.id.clone()).collect();
        let missing = self.configured(seeds);
        let mut outcomes: HashMap<_, _> = self.add_configured(missing, actor).await?.into_iter().collect();
        let outcome = |id: TenantId| {
            let found = outcomes.remove(&id);
            let there = || {
                self.get(&id)
                    .ok_or_else(|| TenantError::Unknown { asked: id.clone() })
            };
            let outcome = found.unwrap_or_else(there);
            (id, outcome)
        };
        Ok(order.into_iter().map(outcome).collect())
    }

    /// Takes note of all tenants that are configured, and answers those that are not in the store yet, in order. The others are
    /// [`Origin::Command`] from now on.
    pub fn configured(&self, seeds: Vec<TenantSeed>) -> Vec<TenantSeed> {
        let mut known = self.0.known_mut();
        for listed in known.values_mut() {
            listed.origin = Origin::Command;
        }
        let is_missing = |seed: &TenantSeed| set_origin(&mut known, &seed.id, Origin::Config).is_none();
        seeds.into_iter().filter(is_missing).collect()
    }

    /// Adds tenants that are [configured](Self::configured) and missing, many in one batch, and answers what became of each, in order.
    ///
    /// # Errors
    /// If the work was interrupted.
    pub async fn add_configured(
        &self,
        missing: Vec<TenantSeed>,
        actor: Actor,
    ) -> Result<Vec<(TenantId, Result<Listed, TenantError>)>, Interrupted> {
        let inner = Arc::clone(&self.0);
        let work = async move {
            let mut outcomes = Vec::new();
            for seeds in missing.chunks(ADDED_AT_ONCE) {
                outcomes.extend(inner.add_several(seeds, &actor).await);
            }
            outcomes
        };
        self.0.unbroken.run(work).await
    }

    /// Adds a tenant for an operator. Cancel safe: it is added whole or not at all.
    ///
    /// # Errors
    /// If the id is taken without regard to case, the name is bad, or the store refused.
    pub async fn add(&self, seed: TenantSeed, actor: Actor) -> Result<Listed, TenantError> {
        let inner = Arc::clone(&self.0);
        let work = async move { inner.add(seed, Origin::Command, &actor).await };
        self.0.unbroken.run(work).await?
    }

    /// Serves a tenant no longer. It keeps its chain and its identity. Nothing changes if it was disabled already.
    ///
    /// # Errors
    /// If there is no such tenant, or the store refused.
    pub async fn disable(&self, tenant: TenantId, actor: Actor) -> Result<Listed, TenantError> {
        self.set_active(tenant, false, actor).await
    }

    /// Serves a tenant again. Nothing changes if it was served already.
    ///
    /// # Errors
    /// If there is no such tenant, or the store refused.
    pub async fn enable(&self, tenant: TenantId, actor: Actor) -> Result<Listed, TenantError> {
        self.set_active(tenant, true, actor).await
    }

    /// Every tenant, served or not, sorted by id without regard to case.
    pub fn list(&self) -> Vec<Listed> {
        self.0.known().values().cloned().collect()
    }

    /// The ids of all that are served, sorted without regard to case.
    pub fn served(&self) -> Vec<TenantId> {
        let known = self.0.known();
        let served = known.values().filter(|listed| listed.record.active);
        served.map(|listed| listed.record.tenant.clone()).collect()
    }

    /// The ids of all, served or not, sorted without regard to case.
    pub fn ids(&self) -> Vec<TenantId> {
        let known = self.0.known();
        known
            .values()
            .map(|listed| listed.record.tenant.clone())
            .collect()
    }

    /// One tenant, served or not, by its exact id.
    pub fn get(&self, tenant: &TenantId) -> Option<Listed> {
        self.0.get(tenant)
    }

    /// Whether a tenant is there and served. An id in another case is not there.
    pub fn is_served(&self, tenant: &TenantId) -> bool {
        let known = self.0.known();
        known
            .get(&tenant.folded())
            .is_some_and(|listed| listed.record.tenant == *tenant && listed.record.active)
    }

    /// Waits for changes under way.
    pub async fn join(&self) {
        self.0.unbroken.join().await;
    }

    async fn set_active(&self, tenant: TenantId, active: bool, actor: Actor) -> Result<Listed, TenantError> {
        let inner = Arc::clone(&self.0);
        let work = async move { inner.set_active(tenant, active, actor).await };
        self.0.unbroken.run(work).await?
    }
}

impl Inner {
    /// All in one batch; if that is refused, one by one, so that one that cannot be added does not stop the others.
    async fn add_several(
        &self,
        seeds: &[TenantSeed],
        actor: &Actor,
    ) -> Vec<(TenantId, Result<Listed, TenantError>)> {
        if seeds.len() > 1
            && let Some(added) = self.added_together(seeds, actor).await
        {
            return added
                .into_iter()
                .map(|listed| (listed.record.tenant.clone(), Ok(listed)))
                .collect();
        }
        let mut outcomes = Vec::with_capacity(seeds.len());
        for seed in seeds {
            let outcome = match self.set_origin(&seed.id, Origin::Config) {
                Some(listed) => Ok(listed),
                None => self.add(seed.clone(), Origin::Config, actor).await,
            };
            outcomes.push((seed.id.clone(), outcome));
        }
        outcomes
    }

    async fn added_together(&self, seeds: &[TenantSeed], actor: &Actor) -> Option<Vec<Listed>> {
        let _changing = self.changing.lock().await;
        let mut listed = Vec::with_capacity(seeds.len());
        for seed in seeds {
            self.refuse_taken(&seed.id).ok()?;
            let record = self.record(seed.clone()).ok()?;
            let origin = Origin::Config;
            listed.push(Listed { record, origin });
        }
        let tellings = listed
            .iter()
            .map(|listed| added(&listed.record, listed.origin, actor))
            .collect();
        let changes = listed
            .iter()
            .map(|listed| Change::AddTenant(listed.record.clone()))
            .collect();
        self.journal.commit_all(changes, tellings).await.ok()?;
        listed.iter().cloned().for_each(|listed| self.remember(listed));
        Some(listed)
    }

    async fn add(&self, seed: TenantSeed, origin: Origin, actor: &Actor) -> Result<Listed, TenantError> {
        let _changing = self.changing.lock().await;
        self.refuse_taken(&seed.id)?;
        let record = self.record(seed)?;
        let telling = added(&record, origin, actor);
        let change = Change::AddTenant(record.clone());
        match self.journal.commit(change, telling).await {
            Ok(_) => {
                let listed = Listed { record, origin };
                self.remember(listed.clone());
                Ok(listed)
            }
            Err(CommitError::TenantExists { tenant }) => {
                // Another host on this store, or an earlier attempt whose answer was lost, was quicker.
                self.refresh().await?;
                let (asked, there) = (record.tenant, tenant);
                Err(TenantError::Exists { asked, there })
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn set_active(&self, tenant: TenantId, active: bool, actor: Actor) -> Result<Listed, TenantError> {
        let _changing = self.changing.lock().await;
        let Some(mut listed) = self.get(&tenant) else {
            return Err(TenantError::Unknown { asked: tenant });
        };
        if listed.record.active != active {
            let event_type = match active {
                true => OwnType::HostTenantEnabled,
                false => OwnType::HostTenantDisabled,
            };
            let payload = json!({"tenant": tenant, "actor": actor});
            let telling = told(event_type, payload, &actor);
            let change = Change::SetTenantActive { tenant, active };
            self.journal.commit(change, telling).await?;
            listed.record.active = active;
            self.remember(listed.clone());
        }
        Ok(listed)
    }

    fn record(&self, seed: TenantSeed) -> Result<TenantRecord, TenantError> {
        let name = seed.agent_name.unwrap_or_else(|| seed.id.to_string());
        let length = name.chars().count();
        if !(1..=MAX_ACTOR_NAME_CHARS).contains(&length) || name.chars().any(char::is_control) {
            return Err(TenantError::Name);
        }
        let canonical = TenantActor {
            actor_id: Uuid::now_v7(),
            kind: CANONICAL_KIND.to_owned(),
            name,
            active: true,
            canonical: true,
        };
        Ok(TenantRecord {
            tenant: seed.id,
            active: true,
            created_at: self.clock.now(),
            actors: vec![canonical],
        })
    }

    fn refuse_taken(&self, asked: &TenantId) -> Result<(), TenantError> {
        match self.known().get(&asked.folded()) {
            Some(listed) => Err(TenantError::Exists {
                asked: asked.clone(),
                there: listed.record.tenant.clone(),
            }),
            None => Ok(()),
        }
    }

    fn set_origin(&self, tenant: &TenantId, origin: Origin) -> Option<Listed> {
        set_origin(&mut self.known_mut(), tenant, origin).cloned()
    }

    /// Reads the store again; what is known of origins stays.
    async fn refresh(&self) -> Result<(), StoreError> {
        let records = self.store.tenants().await?;
        let mut known = self.known_mut();
        let origin = |id: &String| known.get(id).map_or(Origin::Command, |listed| listed.origin);
        let listed = |record: TenantRecord| {
            let id = record.tenant.folded();
            let origin = origin(&id);
            (id, Listed { record, origin })
        };
        let fresh = records.into_iter().map(listed).collect();
        *known = fresh;
        Ok(())
    }

    fn get(&self, tenant: &TenantId) -> Option<Listed> {
        let known = self.known();
        let listed = known.get(&tenant.folded())?;
        (listed.record.tenant == *tenant).then(|| listed.clone())
    }

    fn remember(&self, listed: Listed) {
        self.known_mut().insert(listed.record.tenant.folded(), listed);
    }

    fn known(&self) -> RwLockReadGuard<'_, BTreeMap<String, Listed>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<String, Listed>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tenant with that exact id, if it is there, said by `origin` from now on.
fn set_origin<'a>(
    known: &'a mut BTreeMap<String, Listed>,
    tenant: &TenantId,
    origin: Origin,
) -> Option<&'a Listed> {
    let listed = known.get_mut(&tenant.folded())?;
    if listed.record.tenant != *tenant {
        return None;
    }
    listed.origin = origin;
    Some(listed)
}

fn added(record: &TenantRecord, origin: Origin, actor: &Actor) -> Telling {
    let payload = json!({
        "tenant": record.tenant,
        "origin": origin.as_str(),
        "actors": record.actors,
        "actor": actor,
    });
    told(OwnType::HostTenantAdded, payload, actor)
}

/// Told in the host's own chain: a tenant's chain does not exist before the tenant does.
fn told(event_type: OwnType, payload: serde_json::Value, actor: &Actor) -> Telling {
    Telling {
        tenant: TenantId::host(),
        event_id: EventId::new(),
        event_type,
        payload,
        actor: actor.clone(),
    }
}

#[cfg(test)]
#[path = "register_tests.rs"]
mod tests;
