//! Who may ask for which change, and what a pause, its restoring and its end ask for.

use super::StateChangeError;
use crate::{
    domain::{ClaimPermission, DegradationReason, OperationalState, PrimaryState, TriggerKind},
    engine::{
        transition::{Recorded, Request, TransitionError, legal_next},
        trigger::canonical_text,
        vocabulary::Owner,
    },
    events::Writer,
};

/// A cause that the host finds out for itself cannot be claimed from outside, or a caller could fake a special event.
pub(super) fn check_writer(request: &Request, writer: &Writer) -> Result<(), StateChangeError> {
    let owner = writer.owner();
    let may_name = match owner {
        Owner::Plugin(_) => request.kind == TriggerKind::Degradation,
        Owner::Operator => matches!(request.kind, TriggerKind::Operator | TriggerKind::Degradation),
        Owner::Engine | Owner::Control | Owner::Session | Owner::Identity | Owner::Host => true,
    };
    if !may_name {
        return Err(StateChangeError::KindNotYours {
            kind: request.kind,
            writer: owner.clone(),
        });
    }
    if matches!(owner, Owner::Plugin(_)) && (request.to.is_some() || request.permission.is_some()) {
        return Err(StateChangeError::StateNotYours {
            writer: owner.clone(),
        });
    }
    Ok(())
}

pub(super) fn paused_again(pause: &Recorded) -> Request {
    let kind = TriggerKind::Restored;
    Request::to(PrimaryState::Paused, kind, canonical_text(kind))
        .permission(pause.claim_permission)
        .adding(pause.degradation_reasons.iter().copied())
}

pub(super) fn already_paused() -> TransitionError {
    let paused = PrimaryState::Paused;
    TransitionError::Illegal {
        from: paused,
        to: paused,
        legal_next: legal_next(paused),
    }
}

pub(super) fn check_paused(state: &OperationalState) -> Result<(), TransitionError> {
    match state.primary_state {
        PrimaryState::Paused => Ok(()),
        PrimaryState::Stopped => Err(TransitionError::Stopped),
        found => Err(TransitionError::Unexpected {
            expected: PrimaryState::Paused,
            found,
            legal_next: legal_next(found),
        }),
    }
}

/// A pause from while the tenant was booting left it with no permission at all, so the permission has to come back with the
/// tenant; only `critical_only` that belongs to a reason which is still there stays.
pub(super) fn resumed(state: &OperationalState, text: &str) -> Request {
    let remains = |reason: &DegradationReason| !ENDS_WITH_A_PAUSE.contains(reason);
    let degraded = state.degradation_reasons.iter().any(remains);
    let permission = match state.claim_permission {
        ClaimPermission::CriticalOnly if degraded => ClaimPermission::CriticalOnly,
        _ => ClaimPermission::Normal,
    };
    Request::to(PrimaryState::Ready, TriggerKind::Operator, text)
        .permission(permission)
        .removing(ENDS_WITH_A_PAUSE)
}

/// Reasons that say why a tenant is paused, and nothing beyond that: once nothing holds the pause, they are no reasons any more.
const ENDS_WITH_A_PAUSE: [DegradationReason; 2] = [DegradationReason::Operator, DegradationReason::Cost];
