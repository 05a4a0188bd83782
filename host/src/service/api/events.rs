//! Events, as they are asked for and answered.

use serde::{Deserialize, Serialize};

/// An event to append. Only types that the configuration declares under `[events] types`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppendEvent {
    /// Whose chain; may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// The type.
    pub event_type: String,
    /// The text of a JSON object, kept as it is but for white space.
    pub payload: String,
    /// Appending the same key twice is appending once.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// Refused unless the chain ends here now.
    #[serde(default)]
    pub expected_seq: Option<u64>,
}

/// Which events to show, and whether to go on showing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailEvents {
    /// Whose chain (`host` for the host's own); may be left out where there is exactly one tenant.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Only types that are this or begin with it and a dot.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Only after this sequence number, oldest first; without it, the newest.
    #[serde(default)]
    pub after_seq: Option<u64>,
    /// At most this many, 1 to 1000; 50 unless said.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Go on with those that are appended from now on.
    #[serde(default)]
    pub follow: bool,
}

/// An event that was appended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Appended {
    pub event_id: String,
    pub seq: Option<u64>,
    pub pending: bool,
    pub this_hash: Option<String>,
}

/// An event, with the fields of an export.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the record")]
pub struct Event {
    pub tenant: String,
    pub seq: u64,
    pub event_id: String,
    pub event_type: String,
    pub occurred_at_us: i64,
    pub actor_kind: Option<String>,
    pub actor_id: Option<String>,
    pub source: String,
    pub identity_generation: Option<u64>,
    pub idempotency_key: Option<String>,
    pub payload: String,
    pub prev_hash: Option<String>,
    pub this_hash: String,
}
