//! What a change emits, and how it is read back from a chain.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{BootReport, Request, is_valid_transition};
use crate::{
    domain::{ClaimPermission, DegradationReason, OperationalState, Payload, PrimaryState, TriggerKind},
    engine::vocabulary::OwnType,
};

/// The event beside the generic one, by kind alone. A change within one state has none.
pub fn emission(from: PrimaryState, to: PrimaryState, kind: TriggerKind) -> Option<OwnType> {
    use PrimaryState::{Booting, Paused, Ready, Stopped};
    match (from, to, kind) {
        (Booting, Ready, TriggerKind::BootPassed) => Some(OwnType::BootReady),
        (Booting, Stopped, TriggerKind::BootInvariantFailed) => Some(OwnType::BootFailed),
        (from, Paused, TriggerKind::CostLimit) if from != Paused => Some(OwnType::PausedCostLimit),
        _ => None,
    }
}

#[derive(Serialize)]
struct StatePayload<'a> {
    from_primary_state: PrimaryState,
    to_primary_state: PrimaryState,
    claim_permission: ClaimPermission,
    degradation_reasons: Vec<&'static str>,
    trigger: &'a str,
    trigger_kind: TriggerKind,
    #[serde(flatten)]
    boot: Option<BootReport>,
}

/// The events of a change, in order: none if nothing changed, the generic one, and by kind one more.
pub fn events_of(
    before: &OperationalState,
    after: &OperationalState,
    request: &Request,
) -> Vec<(OwnType, Payload)> {
    if before == after {
        return Vec::new();
    }
    let payload = |boot| {
        written(&StatePayload {
            from_primary_state: before.primary_state,
            to_primary_state: after.primary_state,
            claim_permission: after.claim_permission,
            degradation_reasons: after.reasons_sorted(),
            trigger: request.text.trim(),
            trigger_kind: request.kind,
            boot,
        })
    };
    let mut events = vec![(OwnType::OperationalStateTransitioned, payload(None))];
    if let Some(extra) = emission(before.primary_state, after.primary_state, request.kind) {
        let is_boot = matches!(extra, OwnType::BootReady | OwnType::BootFailed);
        let boot = request.boot.as_ref().filter(|_| is_boot).map(BootReport::bounded);
        events.push((extra, payload(boot)));
    }
    events
}

/// An object of fixed keys and bounded texts is a sound payload as serde writes it: there is nothing to normalise or refuse.
fn written(payload: &StatePayload<'_>) -> Payload {
    Payload::from_checked(serde_json::to_string(payload).expect("texts and numbers can always be written"))
}

/// A change as a chain tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recorded {
    /// The state before.
    pub from_primary_state: PrimaryState,
    /// The state after.
    pub to_primary_state: PrimaryState,
    /// The permission after.
    pub claim_permission: ClaimPermission,
    /// The reasons after.
    pub degradation_reasons: BTreeSet<DegradationReason>,
    /// The words given with it.
    pub trigger: String,
    /// What caused it.
    pub trigger_kind: TriggerKind,
}

/// A recorded change that cannot have happened, or cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableTransition {
    /// The payload is not that of a change.
    #[error("the payload is not that of a transition: {0}")]
    Payload(String),
    /// The table has no such arrow.
    #[error("it goes from `{from}` to `{to}`, which is not in the transition table")]
    Illegal {
        /// The state before.
        from: PrimaryState,
        /// The state after.
        to: PrimaryState,
    },
}

impl Recorded {
    /// Reads the payload of a `kora.operational_state.transitioned`.
    ///
    /// # Errors
    /// If it is not one, or tells of a change that the table does not have.
    pub fn read(payload: &str) -> Result<Self, UnreadableTransition> {
        let recorded: Self = serde_json::from_str(payload)
            .map_err(|error| UnreadableTransition::Payload(error.to_string()))?;
        let (from, to) = (recorded.from_primary_state, recorded.to_primary_state);
        if is_valid_transition(from, to) {
            Ok(recorded)
        } else {
            Err(UnreadableTransition::Illegal { from, to })
        }
    }
}
