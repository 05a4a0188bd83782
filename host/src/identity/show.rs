//! What is shown of tenants' identities. Asks no plugin and reads no store.

use serde::Serialize;

use super::{
    Identities, ProviderInfo, Snapshot, Speaking, event::speaker, identities::Inner, providers, seat::Seat,
};
use crate::domain::{Digest, EventId, Generation, ProviderId, TenantId, Timestamp};

/// A tenant's identity at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    /// Whose.
    pub tenant: TenantId,
    /// Who speaks; absent if nobody does.
    pub speaks: Option<Speaks>,
    /// The provider that the configuration names.
    pub configured: Option<String>,
    /// The provider that the configuration names, if another speaks: the store wins.
    pub drift: Option<String>,
    /// The provider that speaks is not loaded: its last snapshot speaks.
    pub provider_missing: bool,
    /// What went wrong when its provider was last asked; or, if nobody speaks, why.
    pub fault: Option<String>,
    /// The provider says something else by now, but an operator rolled back from just that.
    pub held_by_rollback: bool,
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Speaks {
    /// Counts the tenant's identities, from 1.
    pub generation: Generation,
    /// A provider's id, or `fallback`.
    pub provider: String,
    /// The agent's name.
    pub agent_name: String,
    /// The version of the identity.
    pub agent_version: String,
    /// The SHA-256 of the snapshot's canonical bytes.
    pub snapshot_hash: Digest,
    /// The version of the plugin that gave it.
    pub plugin_version: Option<String>,
    /// The digest of what that plugin was admitted from.
    pub plugin_digest: Option<Digest>,
    /// The event that tells of it.
    pub event_id: EventId,
    /// Since when.
    pub since: Timestamp,
}

/// A tenant's identity, whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownWhole {
    /// At a glance.
    #[serde(flatten)]
    pub shown: Shown,
    /// What it says; absent if nobody speaks.
    pub snapshot: Option<Snapshot>,
}

impl Identities {
    /// Every seated tenant, with or without an identity, sorted by id.
    pub fn list(&self) -> Vec<Shown> {
        let there_are = self.providers();
        let seats = self.0.seats();
        seats
            .iter()
            .map(|seat| shown(seat, seat.speaking().as_deref(), &there_are))
            .collect()
    }

    /// One seated tenant; nothing if it is not served.
    pub fn show(&self, tenant: &TenantId) -> Option<ShownWhole> {
        let seat = Inner::seat(&self.0, tenant)?;
        let speaking = seat.speaking();
        Some(ShownWhole {
            shown: shown(&seat, speaking.as_deref(), &self.providers()),
            snapshot: speaking.map(|speaking| Snapshot::clone(&speaking.snapshot)),
        })
    }
}

fn shown(seat: &Seat, speaking: Option<&Speaking>, there_are: &[ProviderInfo]) -> Shown {
    let configured = seat.seed().identity;
    let condition = seat.condition();
    let provider = speaking.and_then(|speaking| speaking.provider.as_ref());
    let drift = configured
        .clone()
        .filter(|configured| speaking.is_some() && !means(configured, provider, there_are));
    Shown {
        tenant: seat.tenant().clone(),
        speaks: speaking.map(speaks),
        configured,
        drift,
        provider_missing: provider.is_some_and(|id| there_are.iter().all(|info| info.id != *id)),
        fault: condition.fault,
        held_by_rollback: condition.held_by_rollback,
    }
}

/// Whether the configured name means the provider that speaks. A name that cannot be resolved now (its plugin is gone)
/// means the one it would have meant.
fn means(configured: &str, provider: Option<&ProviderId>, there_are: &[ProviderInfo]) -> bool {
    match (provider, providers::resolve(configured, there_are)) {
        (None, _) => false,
        (Some(provider), Ok(resolved)) => *provider == resolved,
        (Some(provider), Err(_)) => provider.as_str() == configured || provider.provider() == configured,
    }
}

fn speaks(speaking: &Speaking) -> Speaks {
    Speaks {
        generation: speaking.generation,
        provider: speaker(speaking.provider.as_ref()).to_owned(),
        agent_name: speaking.snapshot.agent_name.clone(),
        agent_version: speaking.snapshot.agent_version.clone(),
        snapshot_hash: speaking.snapshot_hash,
        plugin_version: speaking.plugin_version.clone(),
        plugin_digest: speaking.plugin_digest,
        event_id: speaking.event_id,
        since: speaking.since,
    }
}
