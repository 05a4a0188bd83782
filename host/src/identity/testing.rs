//! Providers that do what a test tells them, and a small host around them.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use serde_json::json;

use super::*;
use crate::{
    domain::{Digest, Generation, ProviderId, TenantId},
    tenants::testing::{MemoryStore, PlainJournal, StandingClock, operator, tenant},
};

/// What a provider does when it is asked.
#[derive(Debug, Clone)]
pub(super) enum Behaviour {
    /// Answers a snapshot whose prompt is this text.
    Says(&'static str),
    /// Answers a snapshot that names the tenant.
    NamesTheTenant,
    /// Answers a snapshot that names the generation that it would become.
    NamesTheGeneration,
    /// Answers these bytes.
    Bytes(&'static [u8]),
    /// Gives no answer.
    Fails(ProviderError),
    /// Never comes back.
    Hangs,
}

#[derive(Debug, Clone)]
struct Fake {
    behaviour: Behaviour,
    version: &'static str,
}

/// Providers by id; each can be changed while it runs.
#[derive(Debug, Default)]
pub(super) struct FakeProviders {
    fakes: Mutex<BTreeMap<ProviderId, Fake>>,
    asked: AtomicUsize,
}

impl FakeProviders {
    pub(super) fn set(&self, id: &str, behaviour: Behaviour) {
        self.set_version(id, "1.0.0", behaviour);
    }

    /// The digest is that of the version.
    pub(super) fn set_version(&self, id: &str, version: &'static str, behaviour: Behaviour) {
        let fake = Fake { behaviour, version };
        self.fakes.lock().unwrap().insert(id.parse().unwrap(), fake);
    }

    pub(super) fn remove(&self, id: &str) {
        self.fakes
            .lock()
            .unwrap()
            .remove(&id.parse::<ProviderId>().unwrap());
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

pub(super) fn answer(prompt: &str) -> Vec<u8> {
    let answer = json!({
        "agent_name": "Agent",
        "agent_version": "1",
        "soul_md": "",
        "system_prompt": prompt,
        "metadata": {},
    });
    answer.to_string().into_bytes()
}

#[async_trait]
impl Providers for FakeProviders {
    async fn snapshot(
        &self,
        provider: &ProviderId,
        tenant: &TenantId,
        next_generation: Generation,
    ) -> Result<Provided, ProviderError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let fake = self.fakes.lock().unwrap().get(provider).cloned();
        let fake = fake.ok_or(ProviderError::NotFound)?;
        tokio::task::yield_now().await;
        let bytes = match fake.behaviour {
            Behaviour::Says(prompt) => answer(prompt),
            Behaviour::NamesTheTenant => answer(tenant.as_str()),
            Behaviour::NamesTheGeneration => answer(&next_generation.to_string()),
            Behaviour::Bytes(bytes) => bytes.to_vec(),
            Behaviour::Fails(error) => return Err(error),
            Behaviour::Hangs => std::future::pending().await,
        };
        Ok(Provided {
            bytes,
            plugin_version: fake.version.to_owned(),
            plugin_digest: Digest::of(fake.version.as_bytes()),
        })
    }

    fn list(&self) -> Vec<ProviderInfo> {
        let fakes = self.fakes.lock().unwrap();
        let info = |(id, fake): (&ProviderId, &Fake)| ProviderInfo {
            id: id.clone(),
            plugin_version: fake.version.to_owned(),
            plugin_digest: Digest::of(fake.version.as_bytes()),
        };
        fakes.iter().map(info).collect()
    }
}

/// A host with a store, providers `kora/kora` and `marvin/marvin`, and what the configuration says.
pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    pub(super) providers: Arc<FakeProviders>,
    pub(super) identities: Identities,
}

impl World {
    /// Nobody is seated yet.
    pub(super) fn new() -> Self {
        let store = Arc::new(MemoryStore::with_tenants(&["acme", "globex", "hooli", "pied"]));
        let providers = Arc::new(FakeProviders::default());
        providers.set("kora/kora", Behaviour::Says("You are Kora."));
        providers.set("marvin/marvin", Behaviour::Says("You are Marvin."));
        let identities = identities(&store, &providers);
        Self {
            store,
            providers,
            identities,
        }
    }

    /// `acme` is served and speaks as `kora`, at generation 1.
    pub(super) async fn with_acme() -> Self {
        let world = Self::new();
        world.restore(seed("acme", "kora")).await.unwrap();
        world
    }

    /// The same store and providers, another process.
    pub(super) fn restarted(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            providers: Arc::clone(&self.providers),
            identities: identities(&self.store, &self.providers),
        }
    }

    pub(super) async fn restore(&self, seed: IdentitySeed) -> Result<Restored, RestoreError> {
        let mut restored = self.identities.restore(vec![seed]).await.unwrap();
        restored.remove(0).1
    }

    pub(super) async fn swap(&self, id: &str, provider: &str) -> Result<Swapped, SwapError> {
        self.identities.swap(request(id, provider)).await
    }

    pub(super) async fn rollback(
        &self,
        id: &str,
        generation: Option<Generation>,
    ) -> Result<Swapped, SwapError> {
        let request = RollbackRequest {
            tenant: tenant(id),
            generation,
            reason: None,
            actor: operator(),
        };
        self.identities.rollback(request).await
    }

    pub(super) fn speaking(&self, id: &str) -> Option<Arc<Speaking>> {
        self.identities.slots().speaking(&tenant(id))
    }

    /// The prompt that speaks, or nothing.
    pub(super) fn prompt(&self, id: &str) -> String {
        self.speaking(id)
            .map_or_else(String::new, |speaking| speaking.snapshot.system_prompt.clone())
    }

    pub(super) fn generation(&self, id: &str) -> Generation {
        self.speaking(id).map_or(0, |speaking| speaking.generation)
    }

    pub(super) fn shown(&self, id: &str) -> Shown {
        self.identities.show(&tenant(id)).unwrap().shown
    }

    /// How many events of a type `acme` has.
    pub(super) fn count(&self, event_type: &str) -> usize {
        let told = self.store.told("acme");
        told.iter().filter(|(there, _)| there == event_type).count()
    }
}

fn identities(store: &Arc<MemoryStore>, providers: &Arc<FakeProviders>) -> Identities {
    let journal = Arc::new(PlainJournal(Arc::clone(store)));
    Identities::new(
        Arc::clone(store) as _,
        journal,
        Arc::clone(providers) as _,
        Arc::new(StandingClock),
    )
}

pub(super) fn seed(id: &str, identity: &str) -> IdentitySeed {
    IdentitySeed {
        identity: Some(identity.to_owned()),
        ..unbound(id)
    }
}

pub(super) fn unbound(id: &str) -> IdentitySeed {
    IdentitySeed {
        tenant: tenant(id),
        identity: None,
        fallback: Fallback::default(),
    }
}

pub(super) fn with_prompt(seed: IdentitySeed, prompt: PathBuf) -> IdentitySeed {
    let fallback = Fallback {
        prompt: Some(prompt),
        agent_name: None,
    };
    IdentitySeed { fallback, ..seed }
}

pub(super) fn request(id: &str, provider: &str) -> SwapRequest {
    SwapRequest {
        tenant: tenant(id),
        provider: provider.to_owned(),
        expect_generation: None,
        reason: None,
        actor: operator(),
    }
}
