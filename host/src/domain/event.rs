//! Events: what is asked to be appended, and what lies in a chain.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Digest, EventId, Generation, TenantId, Timestamp, operational_state::wire_enum};

/// The hash of a record in a chain.
pub type Hash = Digest;

/// A text that has not the form of an event type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "event type `{found}` is not valid: expected at least two words of lower-case letters, digits and `_`, joined by dots, such as `kora.boot.ready`"
)]
pub struct InvalidEventType {
    /// What was given.
    pub found: String,
}

/// An event type: `^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$`, at most 128 bytes. Whether it is in the vocabulary, and whose it
/// is, is another question.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventType(Arc<str>);

impl EventType {
    /// The longest there is.
    pub const MAX_BYTES: usize = 128;

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first dot.
    pub fn first_word(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }

    /// Whether it is `prefix` or begins with `prefix` and a dot.
    pub fn is_under(&self, prefix: &str) -> bool {
        self.0
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

impl FromStr for EventType {
    type Err = InvalidEventType;

    fn from_str(text: &str) -> Result<Self, InvalidEventType> {
        let word = |word: &str| {
            let mut bytes = word.bytes();
            bytes.next().is_some_and(|b| b.is_ascii_lowercase())
                && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if text.len() <= Self::MAX_BYTES && text.contains('.') && text.split('.').all(word) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidEventType {
                found: text.chars().take(80).collect(),
            })
        }
    }
}

impl TryFrom<String> for EventType {
    type Error = InvalidEventType;
    fn try_from(text: String) -> Result<Self, InvalidEventType> {
        text.parse()
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.0.to_string()
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

wire_enum! {
    /// What kind of actor caused an event.
    ActorKind, "actor kind" {
        /// The host itself.
        Host = "host",
        /// A plugin.
        Plugin = "plugin",
        /// The operator of this machine, over the socket in the home.
        Operator = "operator",
        /// A caller with a token.
        Caller = "caller",
    }
}

/// Who caused an event. Always set by the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// What kind.
    pub kind: ActorKind,
    /// Which: a plugin's name, `uid:<n>` for an operator; absent for the host itself.
    pub id: Option<String>,
}

impl Actor {
    /// The host itself.
    pub const fn host() -> Self {
        Self {
            kind: ActorKind::Host,
            id: None,
        }
    }
}

/// A payload: the text of one JSON object without insignificant white space, at most 64 KiB, no key twice in one object.
/// Numbers, key order and escapes are as they were given. Made by [`engine::payload`](crate::engine::payload).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload(Arc<str>);

impl Payload {
    /// Takes text that was checked.
    pub(crate) fn from_checked(text: String) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An event on its way into a chain: everything that is hashed but its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Whose chain.
    pub tenant: TenantId,
    /// Its id. Appending the same id twice is appending it once.
    pub event_id: EventId,
    /// Its type.
    pub event_type: EventType,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Who caused it.
    pub actor: Actor,
    /// Which code wrote it: `plugin@version#digest`, or `kora-host@version`.
    pub source: String,
    /// The identity generation that spoke for the tenant then.
    pub identity_generation: Option<Generation>,
    /// Appending the same key to a tenant twice is appending once.
    pub idempotency_key: Option<String>,
    /// What happened.
    pub payload: Payload,
}

/// An event as it lies in a chain. Its fields are what the store holds, so that a broken record can be shown; nothing here
/// is proved before it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whose chain.
    pub tenant: TenantId,
    /// Its place, from 1, without gaps.
    pub seq: u64,
    /// Its id.
    pub event_id: EventId,
    /// Its type.
    pub event_type: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// What kind of actor caused it.
    pub actor_kind: Option<String>,
    /// Which actor.
    pub actor_id: Option<String>,
    /// Which code wrote it.
    pub source: String,
    /// The identity generation that spoke for the tenant then.
    pub identity_generation: Option<u64>,
    /// The key under which it was appended once.
    pub idempotency_key: Option<String>,
    /// The payload as stored.
    pub payload: String,
    /// The hash of the record before it.
    pub prev_hash: Hash,
    /// The hash of this record.
    pub this_hash: Hash,
}
