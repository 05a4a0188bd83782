//! State beside the chains that is more than a key and a value: commands, tickets, accounts. The store looks at a document's place,
//! status, rank and time alone; what its body says is its owner's. What happened to it is told by events.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::domain::{TenantId, Timestamp};

/// Documents of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Collection {
    /// Boots of the host and of tenants, each with its gates.
    Boots,
    /// Control commands.
    Commands,
    /// What a tenant may spend and has spent, one document for each billing period.
    CostAccounts,
    /// What was spent by one call of a model.
    Usages,
    /// The epoch of the store that the host knows.
    Epochs,
    /// What each tenant's chain was last told of its health.
    Health,
    /// Which host of those on one store holds each tenant.
    Holders,
    /// The hosts on one store.
    Members,
    /// The operation ledger.
    Operations,
    /// Tickets.
    Tickets,
}

impl Collection {
    /// Every collection.
    pub const ALL: [Self; 10] = [
        Self::Boots,
        Self::Commands,
        Self::CostAccounts,
        Self::Usages,
        Self::Epochs,
        Self::Health,
        Self::Holders,
        Self::Members,
        Self::Operations,
        Self::Tickets,
    ];

    /// As it is written in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Boots => "boots",
            Self::Commands => "commands",
            Self::CostAccounts => "cost_accounts",
            Self::Usages => "usages",
            Self::Epochs => "epochs",
            Self::Health => "health",
            Self::Holders => "holders",
            Self::Members => "members",
            Self::Operations => "operations",
            Self::Tickets => "tickets",
        }
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A collection that this release does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no collection that this release knows")]
pub struct UnknownCollection(String);

impl FromStr for Collection {
    type Err = UnknownCollection;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|collection| collection.as_str() == text)
            .ok_or_else(|| UnknownCollection(text.to_owned()))
    }
}

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentKey {
    /// Among which.
    pub collection: Collection,
    /// Whose; the host's own belong to [`TenantId::host`].
    pub tenant: TenantId,
    /// Its name in the collection of that tenant. Ids that sort as they were made (UUIDv7) make `newest first` true.
    pub id: String,
}

/// A document, as it is or as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Where it is.
    pub key: DocumentKey,
    /// Counts from 1; each change adds one.
    pub revision: u64,
    /// By which it is found, for example `claimed`.
    pub status: String,
    /// Its place among those of its status: the smaller, the sooner.
    pub rank: i64,
    /// When it is due: when it may be picked, or when it expires. Its owner says which.
    pub due_at: Option<Timestamp>,
    /// What it says: a JSON object.
    pub body: String,
}

/// In which order documents are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DocumentOrder {
    /// By id, the last first.
    #[default]
    NewestFirst,
    /// By rank, then by id, the smaller first.
    Ranked,
}

/// Which documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFilter {
    /// Among which.
    pub collection: Collection,
    /// Whose; absent: everybody's.
    pub tenant: Option<TenantId>,
    /// Only of these. Empty: of any.
    pub statuses: Vec<String>,
    /// Only what is due at this time or before; what has no time is due.
    pub due_by: Option<Timestamp>,
    /// Only ids before this one, in the order of ids: the cursor of [`DocumentOrder::NewestFirst`].
    pub before_id: Option<String>,
    /// Only those behind this rank and id: the cursor of [`DocumentOrder::Ranked`].
    pub after_rank: Option<(i64, String)>,
    /// Leaves out what another host is changing at this moment, where the store can tell.
    pub skip_locked: bool,
    /// At most this many.
    pub limit: u32,
    /// Which way.
    pub order: DocumentOrder,
}

impl DocumentFilter {
    /// The newest 50 of a collection.
    pub const fn of(collection: Collection) -> Self {
        Self {
            collection,
            tenant: None,
            statuses: Vec::new(),
            due_by: None,
            before_id: None,
            after_rank: None,
            skip_locked: false,
            limit: 50,
            order: DocumentOrder::NewestFirst,
        }
    }

    /// Only this tenant's.
    #[must_use]
    pub fn tenant(self, tenant: &TenantId) -> Self {
        Self {
            tenant: Some(tenant.clone()),
            ..self
        }
    }

    /// Only of one of these statuses.
    #[must_use]
    pub fn statuses<S: Into<String>>(self, statuses: impl IntoIterator<Item = S>) -> Self {
        Self {
            statuses: statuses.into_iter().map(Into::into).collect(),
            ..self
        }
    }
}
