//! Members and holders as the store keeps them.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::MembershipError;
use crate::{
    domain::{TenantId, Timestamp},
    store::{Collection, Document, DocumentKey},
};

/// How a member is. Only one that is up changes, and what it changes to lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Up,
    /// Its host ended in order, or its home started another one.
    Ended,
    /// Another host saw its document stand still.
    Lost,
}

impl Standing {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Ended => "ended",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a member says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MemberRecord {
    /// How people know its host.
    pub name: String,
    /// Names the run of its host.
    pub session: String,
    pub up_since: Timestamp,
}

/// Who holds a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HolderRecord {
    /// None: nobody, since it was let go.
    pub member: Option<String>,
}

/// The one status of a holder: whether it counts is its member's.
const HELD: &str = "held";

pub(super) fn member_key(id: &str) -> DocumentKey {
    DocumentKey {
        collection: Collection::Members,
        tenant: TenantId::host(),
        id: id.to_owned(),
    }
}

/// All under the host, so that they can be paged through by id.
pub(super) fn holder_key(tenant: &TenantId) -> DocumentKey {
    DocumentKey {
        collection: Collection::Holders,
        tenant: TenantId::host(),
        id: tenant.to_string(),
    }
}

/// A new one.
pub(super) fn member(id: &str, standing: Standing, record: &MemberRecord) -> Document {
    document(member_key(id), 1, standing.as_str(), record)
}

/// A member that is up no longer: as it was, but for that.
pub(super) fn no_longer_up(document: Document, standing: Standing) -> Document {
    Document {
        revision: document.revision + 1,
        status: standing.as_str().to_owned(),
        ..document
    }
}

pub(super) fn holder(tenant: &TenantId, revision: u64, member: Option<&str>) -> Document {
    let record = HolderRecord {
        member: member.map(str::to_owned),
    };
    document(holder_key(tenant), revision, HELD, &record)
}

fn document(key: DocumentKey, revision: u64, status: &str, record: &impl Serialize) -> Document {
    Document {
        key,
        revision,
        status: status.to_owned(),
        rank: 0,
        due_at: None,
        body: serde_json::to_string(record).expect("texts and numbers can always be written"),
    }
}

pub(super) fn read<T: DeserializeOwned>(document: &Document) -> Result<T, MembershipError> {
    serde_json::from_str(&document.body).map_err(|error| MembershipError::Unreadable {
        id: document.key.id.clone(),
        cause: error.to_string(),
    })
}
