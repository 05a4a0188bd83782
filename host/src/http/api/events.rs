//! `GET /api/chain-events`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::{About, Asked, endpoint::Endpoint, records::time};
use crate::{
    domain::{EventType, Timestamp},
    service::{EventsBefore, Problem, api},
};

/// Events of a chain.
pub(super) struct ChainEvents;

/// What is shown unless said.
const LIMIT_DEFAULT: u32 = 50;

/// What begins an event type, with a dot at its end or without.
pub(in crate::http) const PREFIX: &str = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\.?$";
/// One word more is still within what a type may be.
pub(in crate::http) const PREFIX_MAX_CHARS: usize = EventType::MAX_BYTES - 2;

/// Which events.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only types that are this or begin with it and a dot.
    #[serde(default)]
    #[schemars(extend("pattern" = PREFIX, "maxLength" = PREFIX_MAX_CHARS))]
    prefix: Option<String>,
    /// At most this many; 50 unless said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// Only before this sequence number: `next` of the page before.
    #[serde(default)]
    #[schemars(range(min = 1, max = 9_223_372_036_854_775_807_u64))]
    before_seq: Option<u64>,
    /// Only what happened before this time, in RFC 3339.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    before_ts: Option<String>,
}

/// A page of events.
#[derive(Serialize, JsonSchema)]
pub(super) struct Page {
    /// The newest first.
    events: Vec<ChainEvent>,
    /// For `before_seq` of the next page; absent on the last one.
    next: Option<u64>,
}

/// An event.
#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct ChainEvent {
    tenant: String,
    /// Its place in the chain, from 1.
    seq: u64,
    event_id: String,
    event_type: String,
    emitted_at: String,
    actor_kind: Option<String>,
    actor_id: Option<String>,
    source: String,
    identity_generation: Option<u64>,
    /// As it was appended; absent if what is stored is no JSON object, of which `kora events verify` tells.
    #[schemars(with = "Option<Map<String, Value>>")]
    payload: Option<Box<RawValue>>,
    /// The hash of the record.
    this_hash: String,
}

impl From<api::Event> for ChainEvent {
    fn from(event: api::Event) -> Self {
        let payload = RawValue::from_string(event.payload).ok();
        Self {
            tenant: event.tenant,
            seq: event.seq,
            event_id: event.event_id,
            event_type: event.event_type,
            emitted_at: Timestamp::from_micros(event.occurred_at_us).to_rfc3339(),
            actor_kind: event.actor_kind,
            actor_id: event.actor_id,
            source: event.source,
            identity_generation: event.identity_generation,
            payload: payload.filter(|payload| payload.get().starts_with('{')),
            this_hash: event.this_hash,
        }
    }
}

impl Endpoint for ChainEvents {
    const PATH: &'static str = "/api/chain-events";
    const SUMMARY: &'static str = "Events of a chain";
    const DESCRIPTION: &'static str = "The events of a tenant's chain, the newest first, page by page: `next` of one is `before_seq` of the next.";
    const ABOUT: About = About::TenantOrHost;
    type Query = Which;
    type Answer = Page;

    async fn answer(asked: Asked<'_>, query: Which) -> Result<Page, Problem> {
        let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
        let wanted = EventsBefore {
            prefix: query.prefix,
            before_seq: query.before_seq,
            before: query
                .before_ts
                .as_deref()
                .map(|text| time("before_ts", text))
                .transpose()?,
            // One more than is shown says whether there are more.
            limit: limit + 1,
        };
        let mut events = asked.service.events_before(asked.tenant()?, wanted).await?;
        let shown = limit as usize;
        let has_more = events.len() > shown;
        events.truncate(shown);
        let next = events.last().filter(|_| has_more).map(|event| event.seq);
        Ok(Page {
            events: events.into_iter().map(ChainEvent::from).collect(),
            next,
        })
    }
}
