//! The events of identities: what stands in them, written and read in one place.

use serde_json::{Value, json};

use super::strict;
use crate::{
    domain::{Actor, Event, EventId, Generation, ProviderId, TenantId},
    engine::vocabulary::OwnType,
    store::GenerationRecord,
    tenants::Telling,
};

/// Another identity speaks.
pub const SWAPPED: &str = OwnType::IdentitySwapped.as_str();
/// A swap was refused; who spoke goes on speaking.
pub const SWAP_REFUSED: &str = OwnType::IdentitySwapRefused.as_str();
/// The exact bytes of an earlier generation speak again.
pub const ROLLED_BACK: &str = OwnType::IdentityRolledBack.as_str();

/// Stands for a provider where the tenant's fallback prompt speaks.
pub const FALLBACK: &str = "fallback";

/// A provider's id, or [`FALLBACK`].
pub fn speaker(provider: Option<&ProviderId>) -> &str {
    provider.map_or(FALLBACK, ProviderId::as_str)
}

/// Why another generation is made.
#[derive(Debug, Clone)]
pub(super) enum Cause {
    Swap {
        reason: Option<String>,
    },
    Rollback {
        to_generation: Generation,
        reason: Option<String>,
    },
}

/// A swap that was refused.
pub(super) struct Refusal<'a> {
    /// To whom.
    pub(super) to: &'a str,
    /// Why.
    pub(super) cause: String,
    /// Who wanted it.
    pub(super) actor: &'a Actor,
    /// What for.
    pub(super) reason: Option<&'a str>,
}

/// Tells of a generation that is committed in the same batch.
pub(super) fn committed(
    previous: Option<&GenerationRecord>,
    record: &GenerationRecord,
    cause: &Cause,
    actor: &Actor,
) -> Telling {
    let mut payload = json!({
        "from": previous.map(|previous| speaker(previous.provider.as_ref())),
        "to": speaker(record.provider.as_ref()),
        "hashes": {
            "from": previous.map(|previous| previous.snapshot_hash),
            "to": record.snapshot_hash,
        },
        "generation": record.generation,
        "plugin_version": record.plugin_version,
        "plugin_digest": record.plugin_digest,
        "actor": actor,
    });
    let (event_type, reason) = match cause {
        Cause::Swap { reason } => (OwnType::IdentitySwapped, reason),
        Cause::Rollback {
            to_generation,
            reason,
        } => {
            payload["from_generation"] = json!(previous.map(|previous| previous.generation));
            payload["to_generation"] = json!(to_generation);
            (OwnType::IdentityRolledBack, reason)
        }
    };
    payload["reason"] = json!(reason);
    Telling {
        tenant: record.tenant.clone(),
        event_id: record.event_id,
        event_type,
        payload,
        actor: actor.clone(),
    }
}

/// Tells of a refused swap. `generation` is the one that goes on speaking, 0 for none.
pub(super) fn refused(tenant: &TenantId, generation: Generation, refusal: Refusal<'_>) -> Telling {
    let payload = json!({
        "to": refusal.to,
        "generation": generation,
        "cause": strict::clipped(&refusal.cause),
        "actor": refusal.actor,
        "reason": refusal.reason,
    });
    Telling {
        tenant: tenant.clone(),
        event_id: EventId::new(),
        event_type: OwnType::IdentitySwapRefused,
        payload,
        actor: refusal.actor.clone(),
    }
}

/// The first thing that a generation's record and its event do not agree on; what the event's hash covers is what counts.
pub(super) fn disagreement(record: &GenerationRecord, event: &Event) -> Option<String> {
    if event.tenant != record.tenant {
        return Some(format!("the event lies in the chain of `{}`", event.tenant));
    }
    if event.event_type != SWAPPED && event.event_type != ROLLED_BACK {
        return Some(format!("the event is a `{}`", strict::clipped(&event.event_type)));
    }
    let Ok(payload) = serde_json::from_str::<Value>(&event.payload) else {
        return Some("the event's payload is not JSON".to_owned());
    };
    let recorded = [
        ("generation", "/generation", json!(record.generation)),
        ("provider", "/to", json!(speaker(record.provider.as_ref()))),
        ("snapshot hash", "/hashes/to", json!(record.snapshot_hash)),
        ("plugin version", "/plugin_version", json!(record.plugin_version)),
        ("plugin digest", "/plugin_digest", json!(record.plugin_digest)),
    ];
    recorded.into_iter().find_map(|(what, pointer, recorded)| {
        let told = payload.pointer(pointer).unwrap_or(&Value::Null);
        (*told != recorded).then(|| format!("the {what} is recorded as {recorded}, the event says {told}"))
    })
}
