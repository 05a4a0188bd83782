//! Events as a plugin's are: what is written, hashed and read in a bench has the length that it has in a host.

use anyhow::Result;
use kora_host::{
    domain::{
        Clock as _, Digest, EventId, EventType, NewEvent, Payload, SystemClock, TenantId, TenantRecord,
        Timestamp,
    },
    engine::payload::normalise,
    events::Writer,
    store::{Batch, Change},
};

/// Of each payload.
const PAYLOAD_BYTES: usize = 512;

/// An operator's, so that there need be no plugin.
pub const EVENT_TYPE: &str = "bench.happened";

/// The text of a JSON object of [`PAYLOAD_BYTES`].
pub fn payload_text() -> String {
    let frame = r#"{"text":""}"#;
    format!(r#"{{"text":"{}"}}"#, "x".repeat(PAYLOAD_BYTES - frame.len()))
}

/// Makes events.
pub struct Author {
    clock: SystemClock,
    event_type: EventType,
    writer: Writer,
    payload: Payload,
}

impl Author {
    pub fn new() -> Result<Self> {
        Ok(Self {
            clock: SystemClock::new(),
            event_type: EVENT_TYPE.parse()?,
            writer: Writer::plugin(&"kora".parse()?, &"0.1.0".parse()?, Digest::of(b"a library")),
            payload: normalise(payload_text().as_bytes())?,
        })
    }

    /// The next event of a tenant.
    pub fn event(&self, tenant: &TenantId) -> NewEvent {
        NewEvent {
            tenant: tenant.clone(),
            event_id: EventId::new(),
            event_type: self.event_type.clone(),
            occurred_at: self.clock.now(),
            actor: self.writer.actor().clone(),
            source: self.writer.source().to_owned(),
            identity_generation: Some(1),
            idempotency_key: None,
            payload: self.payload.clone(),
        }
    }
}

/// So many tenants.
pub fn tenants(number: usize) -> Result<Vec<TenantId>> {
    (0..number)
        .map(|number| Ok(format!("tenant-{number}").parse()?))
        .collect()
}

/// What adds them to a store.
pub fn adding(tenants: &[TenantId]) -> Batch {
    let changes = tenants.iter().map(|tenant| {
        Change::AddTenant(TenantRecord {
            tenant: tenant.clone(),
            active: true,
            created_at: Timestamp::from_micros(0),
            actors: Vec::new(),
        })
    });
    Batch {
        changes: changes.collect(),
        ..Batch::default()
    }
}
