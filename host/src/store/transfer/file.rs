//! The backup file: JSON lines in one zstd frame.
//!
//! ```text
//! {"header":{"format":"kora.store.v1","made_at_us":…,"made_by":…,"backend":…,"schema":…,"epoch":{…} or null}}
//! {"tenant":{…}} … {"actor":{…}} … {"charter":{…}} … {"policy":{…}} … {"generation":{…}} … {"value":{…}} … {"document":{…}} …
//! {"event":{…}} … {"head":{…}} …
//! {"trailer":{"counts":{…},"header_sha256":…,"rows_sha256":…}}
//! ```
//!
//! A line is accepted only in the one form in which it is written, so that equal digests mean equal stores. The trailer shows where a
//! file was cut and that a byte was changed; against somebody who writes a new trailer it proves nothing, checkpoints do.

mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use self::read::BackupFile;
pub(super) use self::write::{NewFile, refuse_existing};
use super::{
    Origin,
    check::{Counts, Summary, checked_text},
    row::DocumentRow,
};
use crate::{
    domain::{Digest, TenantId, Timestamp},
    store::{Collection, Document, DocumentKey},
};

/// The format that is written.
pub(super) const FORMAT: &str = "kora.store.v1";

/// The newest schema that this release reads from a backup: the rows of all before have the same form.
pub(super) fn known_schema() -> u32 {
    crate::store::sqlite::known_schema().max(crate::store::postgres::known_schema())
}

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Header {
    /// When it was made.
    pub made_at: Timestamp,
    /// Which release made it.
    pub made_by: String,
    /// What it was made of.
    #[serde(skip)]
    pub origin: Origin,
}

/// The first line and the last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Edge {
    Header(HeaderLine),
    Trailer(TrailerLine),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderLine {
    format: String,
    made_at_us: Timestamp,
    made_by: String,
    backend: String,
    schema: u32,
    epoch: Option<DocumentRow>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrailerLine {
    counts: Counts,
    header_sha256: Digest,
    rows_sha256: Digest,
}

impl From<&Header> for HeaderLine {
    fn from(header: &Header) -> Self {
        let Origin {
            backend,
            schema,
            epoch,
        } = &header.origin;
        Self {
            format: FORMAT.to_owned(),
            made_at_us: header.made_at,
            made_by: header.made_by.clone(),
            backend: backend.clone(),
            schema: *schema,
            epoch: epoch.as_ref().map(DocumentRow::from),
        }
    }
}

impl HeaderLine {
    /// What it says, in words if that is nothing.
    fn header(self) -> Result<Header, String> {
        Ok(Header {
            made_at: self.made_at_us,
            made_by: self.made_by,
            origin: Origin {
                backend: self.backend,
                schema: self.schema,
                epoch: self.epoch.map(epoch).transpose()?,
            },
        })
    }
}

impl TrailerLine {
    fn of(summary: &Summary, header: &[u8]) -> Self {
        let Summary { counts, sha256 } = *summary;
        Self {
            counts,
            header_sha256: Digest::of(header),
            rows_sha256: sha256,
        }
    }
}

/// The document of an epoch. Only the host has one.
fn epoch(row: DocumentRow) -> Result<Document, String> {
    let collection: Collection = checked_text(&row.collection)?;
    if collection != Collection::Epochs || row.tenant != TenantId::host().as_str() {
        return Err("expected the document of an epoch in the header, found another".to_owned());
    }
    Ok(Document {
        key: DocumentKey {
            collection,
            tenant: TenantId::host(),
            id: row.id,
        },
        revision: u64::try_from(row.revision).map_err(|error| error.to_string())?,
        status: row.status,
        rank: row.rank,
        due_at: row.due_at_us,
        body: row.body,
    })
}
