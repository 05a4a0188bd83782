//! Events, state changes and errors in the form in which plugins get them.

use serde_json::{Value, json};

use crate::{
    domain::{Event, OperationalState},
    events::{AppendError, AppendedEvent, ReadError},
    plugin::PortError,
    state::Transition,
    store::CommitError,
};

/// An event with the fields of an export.
pub fn event(event: &Event) -> Value {
    json!({
        "tenant": event.tenant,
        "seq": event.seq,
        "event_id": event.event_id,
        "event_type": event.event_type,
        "occurred_at_us": event.occurred_at.as_micros(),
        "actor_kind": event.actor_kind,
        "actor_id": event.actor_id,
        "source": event.source,
        "identity_generation": event.identity_generation,
        "payload": event.payload,
        "this_hash": event.this_hash,
    })
}

/// The same of one that was appended just now.
pub fn appended(appended: &AppendedEvent) -> Value {
    let event = &appended.event;
    json!({
        "tenant": event.tenant,
        "seq": appended.seq,
        "event_id": event.event_id,
        "event_type": event.event_type,
        "occurred_at_us": event.occurred_at.as_micros(),
        "actor_kind": event.actor.kind,
        "actor_id": event.actor.id,
        "source": event.source,
        "identity_generation": event.identity_generation,
        "payload": event.payload.as_str(),
        "this_hash": appended.this_hash,
    })
}

/// A state change.
pub fn transition(transition: &Transition) -> Value {
    let state = |state: &OperationalState| {
        json!({
            "primary_state": state.primary_state,
            "claim_permission": state.claim_permission,
            "degradation_reasons": state.reasons_sorted(),
        })
    };
    json!({
        "tenant": transition.tenant,
        "from": state(&transition.from),
        "to": state(&transition.to),
        "trigger_kind": transition.trigger_kind,
        "trigger": transition.trigger,
    })
}

pub fn read_error(error: ReadError) -> PortError {
    let message = error.to_string();
    match error {
        ReadError::Prefix { .. } => PortError::Invalid(message),
        ReadError::Store(_) => PortError::Unavailable(message),
    }
}

pub fn append_error(error: AppendError) -> PortError {
    let message = error.to_string();
    match error {
        AppendError::NotAllowed(_) => PortError::Denied(message),
        AppendError::Payload(_) | AppendError::IdempotencyKey { .. } => PortError::Invalid(message),
        AppendError::Commit(error) => commit_error(error),
        AppendError::Waiting { .. }
        | AppendError::SpoolFull { .. }
        | AppendError::TimedOut { .. }
        | AppendError::Sealed { .. } => PortError::Unavailable(message),
    }
}

pub fn commit_error(error: CommitError) -> PortError {
    let message = error.to_string();
    match error {
        CommitError::QuotaExceeded { .. } => PortError::Quota(message),
        CommitError::SequenceConflict { .. }
        | CommitError::GenerationConflict { .. }
        | CommitError::IdempotencyConflict { .. }
        | CommitError::RevisionConflict { .. }
        | CommitError::TenantExists { .. } => PortError::Conflict(message),
        CommitError::TenantUnknown { tenant } => PortError::TenantNotServed(tenant.to_string()),
        CommitError::Store(_) => PortError::Unavailable(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    #[test]
    fn a_store_that_is_away_is_no_fault_of_the_plugin_that_asks() {
        let away = || StoreError::Unavailable("disk full".to_owned());
        let errors = [
            read_error(ReadError::Store(away())),
            commit_error(CommitError::Store(away())),
            append_error(AppendError::Commit(CommitError::Store(away()))),
        ];
        for error in errors {
            assert!(matches!(error, PortError::Unavailable(_)), "{error:?}");
        }
    }
}
