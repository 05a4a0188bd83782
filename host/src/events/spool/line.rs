//! One line of the spool's file: events that are appended together, as JSON.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Actor, EventId, EventType, Generation, NewEvent, TenantId, Timestamp},
    engine::payload::normalise,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    events: Vec<WaitingEvent>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitingEvent {
    tenant: String,
    event_id: EventId,
    event_type: EventType,
    occurred_at_us: Timestamp,
    actor: Actor,
    source: String,
    identity_generation: Option<Generation>,
    idempotency_key: Option<String>,
    /// As text: it must come back byte for byte.
    payload: String,
}

/// With its newline.
pub(super) fn written(events: &[NewEvent]) -> String {
    let line = Line {
        events: events.iter().map(WaitingEvent::from).collect(),
    };
    let mut text = serde_json::to_string(&line).expect("texts and numbers can always be written");
    text.push('\n');
    text
}

/// How long it is as it is written.
pub(super) fn bytes(events: &[NewEvent]) -> u64 {
    written(events).len() as u64
}

/// Nothing if it is not whole, not of this form, or not of one tenant.
pub(super) fn read(line: &[u8]) -> Option<(TenantId, Vec<NewEvent>)> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let events: Vec<NewEvent> = line
        .events
        .into_iter()
        .map(WaitingEvent::event)
        .collect::<Option<_>>()?;
    let tenant = events.first()?.tenant.clone();
    events
        .iter()
        .all(|event| event.tenant == tenant)
        .then_some((tenant, events))
}

impl From<&NewEvent> for WaitingEvent {
    fn from(event: &NewEvent) -> Self {
        Self {
            tenant: event.tenant.to_string(),
            event_id: event.event_id,
            event_type: event.event_type.clone(),
            occurred_at_us: event.occurred_at,
            actor: event.actor.clone(),
            source: event.source.clone(),
            identity_generation: event.identity_generation,
            idempotency_key: event.idempotency_key.clone(),
            payload: event.payload.as_str().to_owned(),
        }
    }
}

impl WaitingEvent {
    fn event(self) -> Option<NewEvent> {
        let host = TenantId::host();
        Some(NewEvent {
            // The host's own chain has an id that nobody else can ask for by name.
            tenant: if self.tenant == host.as_str() {
                host
            } else {
                self.tenant.parse().ok()?
            },
            event_id: self.event_id,
            event_type: self.event_type,
            occurred_at: self.occurred_at_us,
            actor: self.actor,
            source: self.source,
            identity_generation: self.identity_generation,
            idempotency_key: self.idempotency_key,
            payload: normalise(self.payload.as_bytes()).ok()?,
        })
    }
}
