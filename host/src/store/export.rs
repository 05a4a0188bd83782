//! Export: a chain as lines of JSON that anybody can verify without this program.
//!
//! ```text
//! {"kind":"header","format":"kora.events.v1","tenant":…,"genesis":…,"exported_at_us":…}
//! {"kind":"event","tenant":…,"seq":…,…,"payload":"{…}","prev_hash":…,"this_hash":…}      one for each record
//! {"kind":"trailer","tenant":…,"first_seq":…,"last_seq":…,"count":…,"last_hash":…}
//! ```
//!
//! The payload is a JSON *string*: its bytes are hashed, and a reader must not render them anew. Hashes are hexadecimal, what
//! is absent is `null`. Header and trailer catch a file that was cut at a line. Which records to write is the backend's.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Event, EventId, Hash, TenantId, Timestamp},
    engine::chain,
};

/// The format that [`ChainExport`] writes.
pub const FORMAT: &str = "kora.events.v1";

/// Why an export was not written to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// No such chain.
    #[error("there is no chain of `{tenant}`")]
    TenantUnknown {
        /// Whose was asked for.
        tenant: TenantId,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] super::StoreError),
    /// The lines could not be written.
    #[error("the export cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Exported {
    /// How many chains.
    pub chains: u64,
    /// How many events.
    pub events: u64,
}

/// A line, as it is written and as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Line<'a> {
    Header {
        format: Cow<'a, str>,
        tenant: Cow<'a, str>,
        genesis: Hash,
        exported_at_us: Timestamp,
    },
    Event {
        tenant: Cow<'a, str>,
        seq: u64,
        event_id: EventId,
        event_type: Cow<'a, str>,
        occurred_at_us: Timestamp,
        actor_kind: Option<Cow<'a, str>>,
        actor_id: Option<Cow<'a, str>>,
        source: Cow<'a, str>,
        identity_generation: Option<u64>,
        idempotency_key: Option<Cow<'a, str>>,
        payload: Cow<'a, str>,
        prev_hash: Hash,
        this_hash: Hash,
    },
    Trailer {
        tenant: Cow<'a, str>,
        first_seq: Option<u64>,
        last_seq: Option<u64>,
        count: u64,
        last_hash: Option<Hash>,
    },
}

/// Writes one chain, line by line, as it is read.
#[derive(Debug)]
pub struct ChainExport<'a, W> {
    out: W,
    tenant: &'a TenantId,
    first_seq: Option<u64>,
    last: Option<(u64, Hash)>,
    count: u64,
}

impl<'a, W: Write> ChainExport<'a, W> {
    /// Writes the header.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn begin(out: W, tenant: &'a TenantId, exported_at: Timestamp) -> io::Result<Self> {
        let mut export = Self {
            out,
            tenant,
            first_seq: None,
            last: None,
            count: 0,
        };
        export.line(&Line::Header {
            format: FORMAT.into(),
            tenant: tenant.as_str().into(),
            genesis: chain::genesis(tenant.as_str()),
            exported_at_us: exported_at,
        })?;
        Ok(export)
    }

    /// Writes the next event.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        // Without `..`: a field that is added must be exported.
        let Event {
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
            prev_hash,
            this_hash,
        } = event;
        self.first_seq.get_or_insert(*seq);
        self.last = Some((*seq, *this_hash));
        self.count += 1;
        self.line(&Line::Event {
            tenant: tenant.as_str().into(),
            seq: *seq,
            event_id: *event_id,
            event_type: event_type.into(),
            occurred_at_us: *occurred_at,
            actor_kind: actor_kind.as_deref().map(Cow::Borrowed),
            actor_id: actor_id.as_deref().map(Cow::Borrowed),
            source: source.into(),
            identity_generation: *identity_generation,
            idempotency_key: idempotency_key.as_deref().map(Cow::Borrowed),
            payload: payload.into(),
            prev_hash: *prev_hash,
            this_hash: *this_hash,
        })
    }

    /// Writes the trailer. Answers how many events there were.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn end(mut self) -> io::Result<u64> {
        let trailer = Line::Trailer {
            tenant: self.tenant.as_str().into(),
            first_seq: self.first_seq,
            last_seq: self.last.map(|(seq, _)| seq),
            count: self.count,
            last_hash: self.last.map(|(_, hash)| hash),
        };
        self.line(&trailer)?;
        Ok(self.count)
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}
