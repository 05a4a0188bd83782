//! What carrying out a command needs of others.

use std::collections::BTreeSet;

use async_trait::async_trait;
use uuid::Uuid;

use crate::domain::TenantId;

/// The work that tenants do.
#[async_trait]
pub trait Work: Send + Sync + 'static {
    /// How many claims and dispatched operations of a tenant are under way.
    ///
    /// # Errors
    /// Why that is not known; the command waits then, as if there were some.
    async fn held(&self, tenant: &TenantId) -> Result<u64, String>;

    /// The tenants that are served, on whichever host, of which any is under way. One question, however many there are.
    ///
    /// # Errors
    /// As [`held`](Self::held).
    async fn at_work(&self) -> Result<BTreeSet<TenantId>, String>;

    /// Breaks off what is under way and gives claims back, or begins to. May be asked again and again.
    ///
    /// # Errors
    /// Why it could not be begun; it is asked again.
    async fn abort(&self, tenant: &TenantId) -> Result<(), String>;
}

/// The other hosts on the same store.
pub trait Elsewhere: Send + Sync + 'static {
    /// Whether another host that is up holds this tenant: it carries out the commands on it.
    fn holds(&self, tenant: &TenantId) -> bool;

    /// Whether a host other than this one is up in this run.
    fn is_up(&self, session: &str) -> bool;
}

/// The end of this host.
pub trait Exit: Send + Sync + 'static {
    /// Lets the host stop in order and exit. Returns at once; may be asked again and again. `why` is for the log.
    fn request(&self, why: String);
}

/// The tokens of this host's callers. Every host on a store has its own.
#[async_trait]
pub trait Tokens: Send + Sync + 'static {
    /// Lets nobody act for a tenant with the token that he has; for the host, lets no token be of use. May be asked again and again for
    /// a command: once it was done for it, nothing is done any more, after a restart either, so that tokens that were given since stay.
    ///
    /// # Errors
    /// Why that was not done; it is asked again.
    async fn revoke(&self, tenant: &TenantId, command: Uuid) -> Result<(), String>;
}
