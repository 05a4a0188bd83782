//! Why this identity speaks: tenant → generation → snapshot hash → plugin → event, each link checked.
//!
//! What it does not check is that the event lies in a sound chain: that is what `kora events verify` is for.

use serde::Serialize;

use super::{DamagedGeneration, Identities, Speaking, event, identities::Inner};
use crate::{
    domain::{Digest, Event, EventId, Generation, Hash, ProviderId, TenantId, Timestamp},
    store::{GenerationRecord, StoreError},
};

/// How an identity came to speak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// For whom it speaks.
    pub tenant: TenantId,
    /// Which of the tenant's identities it is.
    pub generation: Generation,
    /// The SHA-256 of the snapshot's canonical bytes.
    pub snapshot_hash: Digest,
    /// Who gave it: a provider's id, or `fallback`.
    pub provider: String,
    /// The plugin's name.
    pub plugin: Option<String>,
    /// The plugin's version.
    pub plugin_version: Option<String>,
    /// The digest of what the plugin was admitted from.
    pub plugin_digest: Option<Digest>,
    /// The event that tells of it; absent if the store has none.
    pub event: Option<WhyEvent>,
    /// Every link holds.
    pub proved: bool,
    /// The first link that does not hold.
    pub broken_link: Option<String>,
}

/// The event that tells of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WhyEvent {
    /// Its id.
    pub event_id: EventId,
    /// Its place in the tenant's chain.
    pub seq: u64,
    /// Its type.
    pub event_type: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The hash of the record.
    pub this_hash: Hash,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhyError {
    /// No such tenant is served.
    #[error("there is no tenant `{tenant}` that is served: `kora tenants list` shows those there are")]
    TenantUnknown {
        /// What was asked for.
        tenant: TenantId,
    },
    /// Nobody speaks for it.
    #[error("nobody speaks for tenant `{tenant}`: `kora identity show {tenant}` says why")]
    NoIdentity {
        /// Which.
        tenant: TenantId,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Identities {
    /// Says why the identity that speaks for a tenant does so, and whether that is proved.
    ///
    /// # Errors
    /// If the tenant is not served, nobody speaks for it, or the store cannot be read.
    pub async fn why(&self, tenant: &TenantId) -> Result<Why, WhyError> {
        let tenant = tenant.clone();
        let Some(seat) = Inner::seat(&self.0, &tenant) else {
            return Err(WhyError::TenantUnknown { tenant });
        };
        let Some(speaking) = seat.speaking() else {
            return Err(WhyError::NoIdentity { tenant });
        };
        let record = self.0.store.generation(&tenant, speaking.generation).await?;
        let event = self.0.store.event(speaking.event_id).await?;
        let broken_link = broken_link(&speaking, record.as_ref(), event.as_ref());
        Ok(Why {
            tenant,
            generation: speaking.generation,
            snapshot_hash: speaking.snapshot_hash,
            provider: event::speaker(speaking.provider.as_ref()).to_owned(),
            plugin: speaking
                .provider
                .as_ref()
                .map(|id| ProviderId::plugin(id).to_owned()),
            plugin_version: speaking.plugin_version.clone(),
            plugin_digest: speaking.plugin_digest,
            event: event.map(shown),
            proved: broken_link.is_none(),
            broken_link,
        })
    }
}

fn shown(event: Event) -> WhyEvent {
    WhyEvent {
        event_id: event.event_id,
        seq: event.seq,
        event_type: event.event_type,
        occurred_at: event.occurred_at,
        this_hash: event.this_hash,
    }
}

/// The first link that does not hold, from what speaks to the event that tells of it.
fn broken_link(
    speaking: &Speaking,
    record: Option<&GenerationRecord>,
    event: Option<&Event>,
) -> Option<String> {
    let generation = speaking.generation;
    let Some(record) = record else {
        return Some(format!("generation {generation} → store: it is not there"));
    };
    if let Some(difference) = difference(speaking, record) {
        return Some(format!("what speaks → generation {generation}: {difference}"));
    }
    if let Err(DamagedGeneration::Hash { recorded, found }) = Speaking::open(record) {
        return Some(format!(
            "generation {generation} → snapshot: the stored bytes hash to {found}, recorded is {recorded}"
        ));
    }
    let Some(event) = event else {
        let event_id = record.event_id;
        return Some(format!(
            "generation {generation} → event: there is no event {event_id}"
        ));
    };
    event::disagreement(record, event).map(|why| format!("generation {generation} → event: {why}"))
}

fn difference(speaking: &Speaking, record: &GenerationRecord) -> Option<String> {
    let (spoken, recorded) = (speaking.snapshot_hash, record.snapshot_hash);
    if spoken != recorded {
        return Some(format!("its hash is {spoken}, recorded is {recorded}"));
    }
    let same = speaking.provider == record.provider
        && speaking.plugin_version == record.plugin_version
        && speaking.plugin_digest == record.plugin_digest
        && speaking.event_id == record.event_id;
    (!same).then(|| "its provider, plugin or event is another than recorded".to_owned())
}
