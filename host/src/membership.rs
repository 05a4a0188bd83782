//! The hosts on one store: which are up, and which of them holds which tenant.
//!
//! A host that is up is a *member*: a document that it writes anew in each round. A member whose document stands still over
//! [several rounds](LAPSES_AFTER) is marked as lost by whoever sees it, for good; if its host runs after all, it finds out in its next
//! round, lets go of everything and comes back as another member. Nobody's clock is compared with anybody's.
//!
//! Whoever would run a tenant writes itself down as its holder first. A holder counts for as long as its member is up, so that holding
//! ten thousand tenants costs one document in each round. Of two who want the same tenant the store lets one.
//!
//! ```text
//!   round ─▶ renew own document ─▶ look at the others ─▶ mark those that stand still ─▶ somebody is gone ─▶ take what is free
//! ```
//!
//! A store that only one host can open needs none of it: that host holds every tenant, and nothing is written.

mod documents;
mod holders;
mod rounds;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use rounds::{EVERY, LAPSES_AFTER, Round};

use crate::{
    domain::{Clock, TenantId},
    store::{CommitError, Store, StoreError},
};

/// What a membership is made of.
pub struct MembershipParts {
    /// The store that hosts share.
    pub store: Arc<dyn Store>,
    /// For people: when a member came up.
    pub clock: Arc<dyn Clock>,
    /// Whether another host may use the store at the same time.
    pub is_shared: bool,
    /// How people know this host.
    pub name: String,
    /// Names this run of the host.
    pub session: String,
    /// Where this home remembers which member it was last, so that a host that was killed need not wait until that one lapses.
    pub remembered: PathBuf,
}

/// Why the members or the holders could not be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// A document is none that this release wrote.
    #[error("the document `{id}` of the hosts on this store cannot be read: {cause}")]
    Unreadable {
        /// Which.
        id: String,
        /// What is wrong with it.
        cause: String,
    },
}

/// The membership of this host. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Membership(Arc<Inner>);

struct Inner {
    parts: MembershipParts,
    known: Mutex<Known>,
    /// Held by whoever writes.
    turn: tokio::sync::Mutex<()>,
}

/// What was last seen.
#[derive(Debug, Default)]
struct Known {
    /// As which member this host is up.
    me: Option<String>,
    /// The other members that are up, by their ids.
    others: BTreeMap<String, Other>,
    /// It has ended, for good.
    has_left: bool,
    held: HashSet<TenantId>,
    /// By which member a tenant is held that is not held here.
    elsewhere: HashMap<TenantId, String>,
}

#[derive(Debug, Clone)]
struct Other {
    revision: u64,
    name: String,
    session: String,
    /// How many rounds its document stood still.
    still_for: u32,
}

impl std::ops::Deref for Inner {
    type Target = MembershipParts;

    fn deref(&self) -> &MembershipParts {
        &self.parts
    }
}

impl Inner {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Membership {
    /// Of nobody yet: see [`round`](Self::round).
    pub fn new(parts: MembershipParts) -> Self {
        Self(Arc::new(Inner {
            parts,
            known: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// Whether other hosts may use the store at the same time.
    pub fn is_shared(&self) -> bool {
        self.0.is_shared
    }

    /// How people know this host.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether this host holds a tenant, as far as it knows.
    pub fn holds(&self, tenant: &TenantId) -> bool {
        !self.0.is_shared || self.0.known().held.contains(tenant)
    }

    /// The name of the other host that holds a tenant, if one does that is up.
    pub fn holder(&self, tenant: &TenantId) -> Option<String> {
        let known = self.0.known();
        let member = known.elsewhere.get(tenant)?;
        known.others.get(member).map(|other| other.name.clone())
    }

    /// Whether another host that is up is in this run.
    pub fn is_up_elsewhere(&self, session: &str) -> bool {
        let known = self.0.known();
        known.others.values().any(|other| other.session == session)
    }
}
