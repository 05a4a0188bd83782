//! The events of commands. They lie in the chain of whom the command is for.

use serde_json::{Value, json};

use crate::{
    domain::{Actor, EventId},
    engine::{
        control::{Command, Lifecycle},
        vocabulary::OwnType,
    },
    tenants::Telling,
};

/// That a command came to where it is now. Who caused that: for what the host does by itself, the host.
pub(super) fn told(command: &Command, actor: Actor) -> Telling {
    Telling {
        tenant: command.tenant.clone(),
        event_id: EventId::new(),
        event_type: event_type(command.lifecycle),
        payload: payload(command),
        actor,
    }
}

const fn event_type(lifecycle: Lifecycle) -> OwnType {
    match lifecycle {
        Lifecycle::Created => OwnType::ControlIssued,
        Lifecycle::VisibleToRuntime | Lifecycle::Acknowledged | Lifecycle::Enforcing => {
            OwnType::ControlAcknowledged
        }
        Lifecycle::Enforced => OwnType::ControlEnforced,
        Lifecycle::Failed => OwnType::ControlFailed,
        Lifecycle::Escalated => OwnType::ControlEscalated,
        Lifecycle::Superseded => OwnType::ControlSuperseded,
        Lifecycle::Expired => OwnType::ControlExpired,
    }
}

fn payload(command: &Command) -> Value {
    let record = &command.record;
    json!({
        "command_id": record.command_id,
        "sequence": record.sequence,
        "on_host": command.is_on_host(),
        "level": record.level,
        "kind": record.level.kind(),
        "action": record.level.action(),
        "lifecycle_state": command.lifecycle,
        "reason": record.reason,
        "issuer": record.issuer,
        "expires_at": record.expires_at.map(|at| at.to_rfc3339_seconds()),
        "escalated_from": record.escalated_from,
        "superseded_by": record.superseded_by,
        "failure": record.failure,
    })
}
