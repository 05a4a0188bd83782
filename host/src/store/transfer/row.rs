//! What a store holds, row by row, and the form of each as a line of a backup: one JSON object whose only key is the kind.
//!
//! The form is the contract of backups: a field that is added is optional for the reader, and [`FORMAT`](super::file::FORMAT) changes
//! when an older reader would get it wrong.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    domain::{Digest, EventId, Hash, Timestamp},
    engine::chain::Record,
    store::{Document, verify::StoredRecord},
};

/// A row, of one of the kinds in the order in which they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::store) enum Row {
    Tenant(TenantRow),
    Actor(ActorRow),
    Charter(CharterRow),
    Policy(PolicyRow),
    Generation(GenerationRow),
    Value(ValueRow),
    Document(DocumentRow),
    Event(Box<EventRow>),
    Head(HeadRow),
}

impl Row {
    /// Its place among the kinds, and the name of the kind.
    pub(in crate::store) const fn kind(&self) -> (usize, &'static str) {
        match self {
            Self::Tenant(_) => (0, "tenant"),
            Self::Actor(_) => (1, "actor"),
            Self::Charter(_) => (2, "charter"),
            Self::Policy(_) => (3, "policy"),
            Self::Generation(_) => (4, "generation"),
            Self::Value(_) => (5, "value"),
            Self::Document(_) => (6, "document"),
            Self::Event(_) => (7, "event"),
            Self::Head(_) => (8, "head"),
        }
    }

    /// Whose it is.
    pub(in crate::store) fn tenant(&self) -> &str {
        match self {
            Self::Tenant(TenantRow { tenant, .. })
            | Self::Actor(ActorRow { tenant, .. })
            | Self::Charter(CharterRow { tenant, .. })
            | Self::Policy(PolicyRow { tenant, .. })
            | Self::Generation(GenerationRow { tenant, .. })
            | Self::Value(ValueRow { tenant, .. })
            | Self::Document(DocumentRow { tenant, .. })
            | Self::Head(HeadRow { tenant, .. }) => tenant,
            Self::Event(event) => &event.tenant,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct TenantRow {
    pub(in crate::store) tenant: String,
    pub(in crate::store) active: bool,
    pub(in crate::store) created_at_us: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct ActorRow {
    pub(in crate::store) tenant: String,
    pub(in crate::store) actor_id: Uuid,
    #[serde(rename = "actor_kind")]
    pub(in crate::store) kind: String,
    pub(in crate::store) name: String,
    pub(in crate::store) active: bool,
    pub(in crate::store) canonical: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct CharterRow {
    pub(in crate::store) tenant: String,
    pub(in crate::store) charter_id: Uuid,
    pub(in crate::store) schema_version: i32,
    pub(in crate::store) charter_version: i32,
    pub(in crate::store) content_md: String,
    pub(in crate::store) content_hash: Digest,
    pub(in crate::store) created_at_us: Timestamp,
    pub(in crate::store) superseded_at_us: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct PolicyRow {
    pub(in crate::store) tenant: String,
    pub(in crate::store) path: String,
    pub(in crate::store) value: String,
    pub(in crate::store) updated_at_us: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct GenerationRow {
    pub(in crate::store) tenant: String,
    pub(in crate::store) generation: i64,
    pub(in crate::store) provider: Option<String>,
    pub(in crate::store) plugin_version: Option<String>,
    pub(in crate::store) plugin_digest: Option<Digest>,
    pub(in crate::store) snapshot_hash: Digest,
    pub(in crate::store) snapshot: String,
    pub(in crate::store) event_id: EventId,
    pub(in crate::store) created_at_us: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct ValueRow {
    pub(in crate::store) plugin: String,
    pub(in crate::store) tenant: String,
    pub(in crate::store) key: String,
    #[serde(with = "base64_text")]
    pub(in crate::store) value: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct DocumentRow {
    pub(in crate::store) collection: String,
    pub(in crate::store) tenant: String,
    pub(in crate::store) id: String,
    pub(in crate::store) revision: i64,
    pub(in crate::store) status: String,
    pub(in crate::store) rank: i64,
    pub(in crate::store) due_at_us: Option<Timestamp>,
    pub(in crate::store) body: String,
}

impl From<&Document> for DocumentRow {
    fn from(document: &Document) -> Self {
        // Without `..`: a field that is added must be kept.
        let Document {
            key,
            revision,
            status,
            rank,
            due_at,
            body,
        } = document;
        Self {
            collection: key.collection.as_str().to_owned(),
            tenant: key.tenant.as_str().to_owned(),
            id: key.id.clone(),
            revision: i64::try_from(*revision).unwrap_or(i64::MAX),
            status: status.clone(),
            rank: *rank,
            due_at_us: *due_at,
            body: body.clone(),
        }
    }
}

/// With the names of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct EventRow {
    pub(in crate::store) tenant: String,
    pub(in crate::store) seq: u64,
    pub(in crate::store) event_id: EventId,
    pub(in crate::store) event_type: String,
    pub(in crate::store) occurred_at_us: Timestamp,
    pub(in crate::store) actor_kind: Option<String>,
    pub(in crate::store) actor_id: Option<String>,
    pub(in crate::store) source: String,
    pub(in crate::store) identity_generation: Option<u64>,
    pub(in crate::store) idempotency_key: Option<String>,
    pub(in crate::store) payload: String,
    pub(in crate::store) prev_hash: Hash,
    pub(in crate::store) this_hash: Hash,
}

impl EventRow {
    /// What is hashed of it.
    pub(in crate::store) fn record(&self) -> Record<'_> {
        Record {
            tenant: &self.tenant,
            seq: self.seq,
            event_id: self.event_id.as_bytes(),
            event_type: &self.event_type,
            occurred_at: self.occurred_at_us.as_micros(),
            actor_kind: self.actor_kind.as_deref(),
            actor_id: self.actor_id.as_deref(),
            source: &self.source,
            identity_generation: self.identity_generation,
            idempotency_key: self.idempotency_key.as_deref(),
            payload: &self.payload,
        }
    }

    /// With the hashes that it carries.
    pub(in crate::store) fn stored(&self) -> StoredRecord<'_> {
        StoredRecord {
            record: self.record(),
            prev_hash: self.prev_hash.as_bytes(),
            this_hash: self.this_hash.as_bytes(),
        }
    }
}

impl From<StoredRecord<'_>> for EventRow {
    fn from(stored: StoredRecord<'_>) -> Self {
        let StoredRecord {
            record,
            prev_hash,
            this_hash,
        } = stored;
        Self {
            tenant: record.tenant.to_owned(),
            seq: record.seq,
            event_id: EventId::from_bytes(*record.event_id),
            event_type: record.event_type.to_owned(),
            occurred_at_us: Timestamp::from_micros(record.occurred_at),
            actor_kind: record.actor_kind.map(str::to_owned),
            actor_id: record.actor_id.map(str::to_owned),
            source: record.source.to_owned(),
            identity_generation: record.identity_generation,
            idempotency_key: record.idempotency_key.map(str::to_owned),
            payload: record.payload.to_owned(),
            prev_hash: Hash::from_bytes(*prev_hash),
            this_hash: Hash::from_bytes(*this_hash),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct HeadRow {
    pub(in crate::store) tenant: String,
    pub(in crate::store) seq: u64,
    pub(in crate::store) hash: Hash,
}

/// Bytes as base64 with padding.
mod base64_text {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}
