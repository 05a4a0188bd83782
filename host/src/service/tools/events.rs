//! `kora__get_recent_chain_events`, `kora__append_event`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Annotations, Context, HostTool, ToolFault, ToolKind,
    ledger::{limit_default, or_unavailable},
};
use crate::service::api;

/// The newest events of a tenant.
pub(super) struct GetRecentChainEvents;
/// Appending an event.
pub(super) struct AppendEvent;

/// Which events.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// At most this many.
    #[serde(default = "limit_default")]
    #[schemars(range(min = 1, max = 200))]
    limit: u32,
    /// Only types that are this or begin with it and a dot; without it, those of `kora` and `kora_control`.
    #[serde(default)]
    event_kind: Option<String>,
}

/// Events.
#[derive(Serialize, JsonSchema)]
pub(super) struct Events {
    /// The newest first.
    events: Vec<Event>,
    limit_applied: u32,
    event_kind_filter: Option<String>,
    /// The store cannot be read now: there may be events.
    provider_unavailable: bool,
}

/// An event, its payload shortened.
#[derive(Serialize, JsonSchema)]
struct Event {
    event_id: String,
    event_type: String,
    emitted_at: String,
    actor_kind: Option<String>,
    /// Its first 300 characters.
    payload_summary: String,
}

impl HostTool for GetRecentChainEvents {
    const NAME: &'static str = "kora__get_recent_chain_events";
    const TITLE: &'static str = "Recent chain events";
    const DESCRIPTION: &'static str =
        "The newest events of a tenant's chain, each with the beginning of its payload.";
    const KIND: ToolKind = ToolKind::Read;
    const ANNOTATIONS: Annotations = Annotations::READ;
    type Input = Which;
    type Output = Events;

    async fn run(context: Context<'_>, input: Which) -> Result<Events, ToolFault> {
        let found = context
            .service
            .recent_events(context.tenant()?, input.event_kind.clone(), input.limit)
            .await;
        let (found, provider_unavailable) = or_unavailable(found)?;
        let events = found.into_iter().map(|event| Event {
            event_id: event.event_id.to_string(),
            event_type: event.event_type,
            emitted_at: event.occurred_at.to_rfc3339(),
            actor_kind: event.actor_kind,
            payload_summary: event.payload_summary,
        });
        Ok(Events {
            events: events.collect(),
            limit_applied: input.limit,
            event_kind_filter: input.event_kind,
            provider_unavailable,
        })
    }
}

/// An event to append.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct New {
    /// A type that the operator declared under `[events] types`, or that the caller's `allowed_events` names.
    #[schemars(length(min = 1))]
    event_type: String,
    /// A JSON object of at most 64 KiB.
    payload: Map<String, Value>,
    /// Appending the same key twice is appending once.
    #[serde(default)]
    idempotency_key: Option<String>,
}

/// An event that was appended.
#[derive(Serialize, JsonSchema)]
pub(super) struct Appended {
    event_id: String,
    /// Its place in the chain; absent while it waits for the store.
    seq: Option<u64>,
    /// It waits for the store, and will not be lost.
    pending: bool,
}

impl HostTool for AppendEvent {
    const NAME: &'static str = "kora__append_event";
    const TITLE: &'static str = "Append an event";
    const DESCRIPTION: &'static str =
        "Appends an event to a tenant's chain. Actor, source and time are set by the host.";
    const KIND: ToolKind = ToolKind::Mutating;
    const ANNOTATIONS: Annotations = Annotations::ADDS;
    type Input = New;
    type Output = Appended;

    async fn run(context: Context<'_>, input: New) -> Result<Appended, ToolFault> {
        let append = api::AppendEvent {
            tenant: context.tenant_text()?,
            event_type: input.event_type,
            payload: Value::Object(input.payload).to_string(),
            idempotency_key: input.idempotency_key,
            expected_seq: None,
        };
        let appended = context.service.append_event(context.by, append).await?;
        Ok(Appended {
            event_id: appended.event_id,
            seq: appended.seq,
            pending: appended.pending,
        })
    }
}
