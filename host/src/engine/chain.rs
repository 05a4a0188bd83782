//! The hash chain: what a record is, byte for byte, and what its hash is.
//!
//! The functions borrow what they hash, so that a verifier can feed them straight from a row. Whether a record may be appended
//! is not decided here.
//!
//! ```text
//! record    = tenant, seq, event_id, event_type, occurred_at, actor_kind, actor_id, source, identity_generation,
//!             idempotency_key, payload: each as length (u32, big-endian) and bytes; absent = length 0xFFFFFFFF
//! this_hash = SHA-256("kora.event.v1" 0x00 prev_hash record)
//! genesis   = SHA-256("kora.genesis.v1" 0x00 tenant)                    what the first record's prev_hash is
//! ```
//!
//! Text is UTF-8, numbers have 8 bytes, big-endian (`occurred_at` signed, in microseconds since 1970 UTC), ids 16. The lengths
//! keep two fields from being read as one; the words in front keep a record from being read as anything else.

use sha2::{Digest as _, Sha256};

use crate::domain::{Event, Hash, NewEvent};

const EVENT_DOMAIN: &[u8] = b"kora.event.v1\0";
const GENESIS_DOMAIN: &[u8] = b"kora.genesis.v1\0";
const ABSENT: [u8; 4] = u32::MAX.to_be_bytes();

/// Everything of a record that is hashed but `prev_hash`, in the order in which it is hashed.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Whose chain.
    pub tenant: &'a str,
    /// Its place in the chain, from 1.
    pub seq: u64,
    /// Its id.
    pub event_id: &'a [u8; 16],
    /// Its type.
    pub event_type: &'a str,
    /// Microseconds since 1970 UTC.
    pub occurred_at: i64,
    /// What kind of actor caused it.
    pub actor_kind: Option<&'a str>,
    /// Which actor.
    pub actor_id: Option<&'a str>,
    /// Which code wrote it.
    pub source: &'a str,
    /// The identity generation that spoke for the tenant then.
    pub identity_generation: Option<u64>,
    /// The key under which it was appended once.
    pub idempotency_key: Option<&'a str>,
    /// The payload as stored.
    pub payload: &'a str,
}

impl<'a> Record<'a> {
    /// The record that `event` becomes at `seq`.
    pub fn of_new(event: &'a NewEvent, seq: u64) -> Self {
        Self {
            tenant: event.tenant.as_str(),
            seq,
            event_id: event.event_id.as_bytes(),
            event_type: event.event_type.as_str(),
            occurred_at: event.occurred_at.as_micros(),
            actor_kind: Some(event.actor.kind.as_str()),
            actor_id: event.actor.id.as_deref(),
            source: &event.source,
            identity_generation: event.identity_generation,
            idempotency_key: event.idempotency_key.as_deref(),
            payload: event.payload.as_str(),
        }
    }

    /// The record that `event` claims to be.
    pub fn of(event: &'a Event) -> Self {
        Self {
            tenant: event.tenant.as_str(),
            seq: event.seq,
            event_id: event.event_id.as_bytes(),
            event_type: &event.event_type,
            occurred_at: event.occurred_at.as_micros(),
            actor_kind: event.actor_kind.as_deref(),
            actor_id: event.actor_id.as_deref(),
            source: &event.source,
            identity_generation: event.identity_generation,
            idempotency_key: event.idempotency_key.as_deref(),
            payload: &event.payload,
        }
    }
}

/// What the `prev_hash` of the first record of a chain is.
pub fn genesis(tenant: &str) -> Hash {
    let hasher = Sha256::new_with_prefix(GENESIS_DOMAIN).chain_update(tenant);
    Hash::from_bytes(hasher.finalize().into())
}

/// Hashes records, one after another, through one buffer: no allocation once the buffer fits the longest.
#[derive(Debug, Default)]
pub struct RecordHasher {
    encoded: Vec<u8>,
}

impl RecordHasher {
    /// With an empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// The `this_hash` of a record that follows the one whose hash is `prev_hash`.
    pub fn hash(&mut self, prev_hash: &[u8; 32], record: &Record<'_>) -> Hash {
        Hash::from_bytes(Sha256::digest(self.encode(prev_hash, record)).into())
    }

    /// How many bytes the last record had, with what stands before it.
    pub fn last_bytes(&self) -> u64 {
        self.encoded.len() as u64
    }

    /// What is hashed of a record, for the documentation's vectors.
    #[cfg(test)]
    pub(crate) fn encoded(&mut self, prev_hash: &[u8; 32], record: &Record<'_>) -> &[u8] {
        self.encode(prev_hash, record)
    }

    fn encode(&mut self, prev_hash: &[u8; 32], record: &Record<'_>) -> &[u8] {
        // One by one and without `..`: a field that is added must be hashed.
        let Record {
            tenant,
            seq,
            event_id,
            event_type,
            occurred_at,
            actor_kind,
            actor_id,
            source,
            identity_generation,
            idempotency_key,
            payload,
        } = record;
        self.encoded.clear();
        self.encoded.extend_from_slice(EVENT_DOMAIN);
        self.encoded.extend_from_slice(prev_hash);
        self.field(tenant.as_bytes());
        self.field(&seq.to_be_bytes());
        self.field(*event_id);
        self.field(event_type.as_bytes());
        self.field(&occurred_at.to_be_bytes());
        self.optional(actor_kind.map(str::as_bytes));
        self.optional(actor_id.map(str::as_bytes));
        self.field(source.as_bytes());
        self.optional(
            identity_generation
                .map(u64::to_be_bytes)
                .as_ref()
                .map(<[u8; 8]>::as_slice),
        );
        self.optional(idempotency_key.map(str::as_bytes));
        self.field(payload.as_bytes());
        &self.encoded
    }

    fn field(&mut self, bytes: &[u8]) {
        // No store holds a value of 4 GiB: SQLite's limit is 1 GB, and a payload's is 64 KiB.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.encoded.extend_from_slice(&length.to_be_bytes());
        self.encoded.extend_from_slice(bytes);
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.field(bytes),
            None => self.encoded.extend_from_slice(&ABSENT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record<'static> {
        Record {
            tenant: "acme",
            seq: 42,
            event_id: &[0x01, 0x99, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0x2a],
            event_type: "kora.boot.ready",
            occurred_at: -1,
            actor_kind: Some("operator"),
            actor_id: None,
            source: "kora-host@0.1.0",
            identity_generation: Some(7),
            idempotency_key: Some(""),
            payload: r#"{"é":1.0}"#,
        }
    }

    fn hash(record: &Record<'_>) -> Hash {
        RecordHasher::new().hash(genesis("acme").as_bytes(), record)
    }

    // Computed apart from this code, with Python's `hashlib` and `struct`.
    #[test]
    fn the_hash_is_the_one_that_another_implementation_gets() {
        assert_eq!(
            genesis("acme").to_string(),
            "5301df8388c77ed5f7baf4fae7861c45bfb183b46fff488080e58a8e7d6532ee"
        );
        assert_eq!(
            genesis("host").to_string(),
            "d92be95fb4c23c5237d3d1e2b5f89c3c4f86fbfc8311392a6d4f9ed7518dcac7"
        );
        assert_eq!(
            hash(&record()).to_string(),
            "62d2e487dd6c96be0a49410873e5b01ef9f62c8e3ccfb501517bd27dbbb5e6cf"
        );
    }

    #[test]
    fn a_change_of_any_field_changes_the_hash() {
        let base = record();
        let changed = [
            Record {
                tenant: "acmf",
                ..base
            },
            Record { seq: 43, ..base },
            Record {
                event_id: &[0; 16],
                ..base
            },
            Record {
                event_type: "kora.boot.failed",
                ..base
            },
            Record {
                occurred_at: 0,
                ..base
            },
            Record {
                actor_kind: None,
                ..base
            },
            Record {
                actor_id: Some(""),
                ..base
            },
            Record {
                source: "kora-host@0.1.1",
                ..base
            },
            Record {
                identity_generation: None,
                ..base
            },
            Record {
                idempotency_key: None,
                ..base
            },
            Record {
                payload: r#"{"é":1}"#,
                ..base
            },
        ];
        let mut hashes: Vec<_> = changed.iter().map(hash).collect();
        hashes.push(hash(&base));
        hashes.push(RecordHasher::new().hash(genesis("other").as_bytes(), &base));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), changed.len() + 2);
    }

    #[test]
    fn bytes_that_move_from_one_field_to_the_next_change_the_hash() {
        let base = record();
        let left = Record {
            actor_kind: Some("ab"),
            actor_id: Some("c"),
            ..base
        };
        let right = Record {
            actor_kind: Some("a"),
            actor_id: Some("bc"),
            ..base
        };
        assert_ne!(hash(&left), hash(&right));
    }

    #[test]
    fn a_hasher_forgets_the_record_before() {
        let mut hasher = RecordHasher::new();
        let long = Record {
            payload: &"x".repeat(1000),
            ..record()
        };
        hasher.hash(&[1; 32], &long);
        assert_eq!(
            hasher.hash(genesis("acme").as_bytes(), &record()),
            hash(&record())
        );
    }
}
