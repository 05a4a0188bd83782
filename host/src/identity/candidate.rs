//! Preparing an identity: asking for it, and everything that is known of an answer before it is committed.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Fallback, FallbackError, Provided, ProviderError, Providers, Snapshot, SnapshotError};
use crate::{
    domain::{Digest, EventId, Generation, ProviderId, TenantId, Timestamp},
    store::GenerationRecord,
};

/// How long a provider may take to answer. It reads what is compiled in, or a file; a tenant's other changes wait meanwhile.
pub const PROVIDER_DEADLINE: Duration = Duration::from_secs(10);

/// Why an asked provider gave no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It gave no answer.
    #[error("identity provider `{provider}`: {cause}")]
    Provider {
        /// Who.
        provider: ProviderId,
        /// Why.
        cause: ProviderError,
    },
    /// It makes no claim.
    #[error("identity provider `{provider}` makes no claim for the tenant")]
    NoClaim {
        /// Who.
        provider: ProviderId,
    },
    /// Its answer is no identity.
    #[error("identity provider `{provider}` gave no identity: {cause}")]
    Snapshot {
        /// Who.
        provider: ProviderId,
        /// Why.
        cause: SnapshotError,
    },
}

/// An identity that could become the tenant's next generation.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) provider: Option<ProviderId>,
    pub(super) plugin_version: Option<String>,
    pub(super) plugin_digest: Option<Digest>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) canonical: String,
    pub(super) hash: Digest,
}

impl Candidate {
    fn provided(provider: ProviderId, snapshot: Snapshot, provided: Provided) -> Self {
        Self {
            provider: Some(provider),
            plugin_version: Some(provided.plugin_version),
            plugin_digest: Some(provided.plugin_digest),
            ..Self::unprovided(snapshot)
        }
    }

    fn unprovided(snapshot: Snapshot) -> Self {
        let canonical = snapshot.to_canonical();
        Self {
            provider: None,
            plugin_version: None,
            plugin_digest: None,
            snapshot: Arc::new(snapshot),
            hash: Digest::of(canonical.as_bytes()),
            canonical,
        }
    }

    /// The very bytes of a generation.
    pub(super) fn again(record: &GenerationRecord, snapshot: Arc<Snapshot>) -> Self {
        Self {
            provider: record.provider.clone(),
            plugin_version: record.plugin_version.clone(),
            plugin_digest: record.plugin_digest,
            snapshot,
            canonical: record.snapshot.clone(),
            hash: record.snapshot_hash,
        }
    }

    /// Reads the fallback prompt.
    pub(super) async fn fallback(fallback: &Fallback, tenant: &TenantId) -> Result<Self, FallbackError> {
        fallback.read(tenant).await.map(Self::unprovided)
    }

    /// Whether it is other bytes, or comes from elsewhere, than `record`.
    pub(super) fn differs_from(&self, record: &GenerationRecord) -> bool {
        self.hash != record.snapshot_hash
            || self.provider != record.provider
            || self.plugin_digest != record.plugin_digest
    }

    /// Whether the same provider says the same words as in `record`, whatever build of it.
    pub(super) fn repeats(&self, record: &GenerationRecord) -> bool {
        self.hash == record.snapshot_hash && self.provider == record.provider
    }

    /// The record that it becomes.
    pub(super) fn into_record(
        self,
        tenant: TenantId,
        generation: Generation,
        created_at: Timestamp,
    ) -> (GenerationRecord, Arc<Snapshot>) {
        let record = GenerationRecord {
            tenant,
            generation,
            provider: self.provider,
            plugin_version: self.plugin_version,
            plugin_digest: self.plugin_digest,
            snapshot_hash: self.hash,
            snapshot: self.canonical,
            event_id: EventId::new(),
            created_at,
        };
        (record, self.snapshot)
    }
}

/// Asks providers, each within [`PROVIDER_DEADLINE`]; one that let it pass is not asked again by the same asker, so that a
/// hanging provider costs a boot one deadline and not one for each of its tenants.
pub(super) struct Asker {
    providers: Arc<dyn Providers>,
    silent: Mutex<HashSet<ProviderId>>,
}

impl Asker {
    pub(super) fn new(providers: Arc<dyn Providers>) -> Self {
        Self {
            providers,
            silent: Mutex::default(),
        }
    }

    pub(super) async fn ask(
        &self,
        provider: &ProviderId,
        tenant: &TenantId,
        next: Generation,
    ) -> Result<Candidate, AskError> {
        let provider = provider.clone();
        let provided = match self.answer(&provider, tenant, next).await {
            Ok(provided) => provided,
            Err(cause) => return Err(AskError::Provider { provider, cause }),
        };
        match Snapshot::parse(&provided.bytes) {
            Ok(Some(snapshot)) => Ok(Candidate::provided(provider, snapshot, provided)),
            Ok(None) => Err(AskError::NoClaim { provider }),
            Err(cause) => Err(AskError::Snapshot { provider, cause }),
        }
    }

    async fn answer(
        &self,
        provider: &ProviderId,
        tenant: &TenantId,
        next: Generation,
    ) -> Result<Provided, ProviderError> {
        if self.silent().contains(provider) {
            return Err(ProviderError::TimedOut);
        }
        let asked = self.providers.snapshot(provider, tenant, next);
        let answer = tokio::time::timeout(PROVIDER_DEADLINE, asked)
            .await
            .unwrap_or(Err(ProviderError::TimedOut));
        if answer
            .as_ref()
            .is_err_and(|error| *error == ProviderError::TimedOut)
        {
            self.silent().insert(provider.clone());
        }
        answer
    }

    fn silent(&self) -> std::sync::MutexGuard<'_, HashSet<ProviderId>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
