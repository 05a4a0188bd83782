//! Commands as they are shown: those in force, those that were carried out lately, those before.

use super::{
    ControlError, Controls,
    book::{Found, read},
};
use crate::{
    domain::TenantId,
    engine::control::{Command, Level, Lifecycle},
    store::Document,
};

/// How many commands that were carried out are shown.
pub const RECENTLY_ENFORCED_SHOWN: usize = 10;
/// How many commands are shown in all, the newest.
pub const HISTORY_SHOWN: usize = 30;
/// How many of those in force are looked at. The others are in the chain.
const LOOKED_AT: u32 = 100;

/// A command in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// One that can be read.
    Command(Command),
    /// One that cannot, and what the store says of it.
    Unreadable {
        /// Whom it is for.
        tenant: TenantId,
        /// Its place, as it is written.
        place: String,
        /// How far it has come, as it is written.
        lifecycle: String,
    },
}

/// The commands on a tenant, or on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// In force, the one that counts first; for a tenant also those on the host.
    pub active: Vec<Entry>,
    /// Carried out, the newest first; at most [`RECENTLY_ENFORCED_SHOWN`].
    pub recently_enforced: Vec<Entry>,
    /// All, the newest first; at most [`HISTORY_SHOWN`].
    pub history: Vec<Entry>,
}

impl Entry {
    /// As which level it counts.
    pub const fn level(&self) -> Level {
        match self {
            Self::Command(command) => command.level(),
            Self::Unreadable { .. } => Level::UNREADABLE,
        }
    }

    fn is_enforced(&self) -> bool {
        matches!(self, Self::Command(command) if command.lifecycle == Lifecycle::Enforced)
    }
}

impl From<Document> for Entry {
    fn from(document: Document) -> Self {
        match read(document) {
            Found::Readable(stored) => Self::Command(stored.command),
            Found::Unreadable(document) => Self::Unreadable {
                tenant: document.key.tenant,
                place: document.key.id,
                lifecycle: document.status,
            },
        }
    }
}

impl Controls {
    /// The commands on a tenant, or on the host.
    ///
    /// # Errors
    /// If they cannot be read.
    pub async fn list(&self, tenant: &TenantId) -> Result<Listing, ControlError> {
        let book = &self.0.book;
        let mut active = self.active(tenant).await?;
        if !tenant.is_host() {
            active.extend(self.active(&TenantId::host()).await?);
            active.sort_by_key(|entry| std::cmp::Reverse(entry.level()));
        }
        let newest = book
            .newest(tenant, u32::try_from(HISTORY_SHOWN).unwrap_or(u32::MAX))
            .await?;
        let history: Vec<_> = newest.into_iter().map(Entry::from).collect();
        let enforced = history.iter().filter(|entry| entry.is_enforced());
        Ok(Listing {
            active,
            recently_enforced: enforced.take(RECENTLY_ENFORCED_SHOWN).cloned().collect(),
            history,
        })
    }

    async fn active(&self, tenant: &TenantId) -> Result<Vec<Entry>, ControlError> {
        let now = self.0.clock.now();
        let is_active = |entry: &Entry| match entry {
            Entry::Command(command) => command.is_in_force(now),
            Entry::Unreadable { lifecycle, .. } => !lifecycle.parse().is_ok_and(Lifecycle::is_lifted),
        };
        let ranked = self.0.book.ranked(tenant, LOOKED_AT).await?;
        Ok(ranked.into_iter().map(Entry::from).filter(is_active).collect())
    }
}
