//! What health asks of others: of each the source that answers, and whether that is an event, a document or a clock.

use std::time::Duration;

use async_trait::async_trait;

use crate::{
    domain::{TenantId, Timestamp},
    engine::health::{Breaker, Claims, Credential, Credit, Watcher},
};

/// The tenants that are served.
pub trait Served: Send + Sync + 'static {
    /// All of them, sorted.
    fn tenants(&self) -> Vec<TenantId>;

    /// The name of this host, if others may tell of themselves in the same chain.
    fn beside_others(&self) -> Option<String> {
        None
    }

    /// Why a tenant is stopped, if it is. Source: its operational state, and the newest transition into `stopped`.
    fn stopped(&self, tenant: &TenantId) -> Option<String>;
}

/// What a tenant holds. Source: the documents of tickets that are held, and the tenant's operational state.
#[async_trait]
pub trait ClaimsSource: Send + Sync + 'static {
    /// What it holds.
    ///
    /// # Errors
    /// Why that cannot be read.
    async fn claims(&self, tenant: &TenantId) -> Result<Claims, String>;
}

/// What a tenant spent. Source: its account of the billing period; its moments are those of the newest usage and of the newest
/// figure of the provider's.
#[async_trait]
pub trait CreditSource: Send + Sync + 'static {
    /// What it spent.
    ///
    /// # Errors
    /// Why that cannot be read.
    async fn credit(&self, tenant: &TenantId) -> Result<Credit, String>;
}

/// Who acts for a tenant. Source: the coordinator and the plugins as they are at this moment; no clock.
pub trait Acting: Send + Sync + 'static {
    /// The plugins that act for a tenant, and their daemons.
    fn breakers(&self, tenant: &TenantId) -> Vec<Breaker>;

    /// The daemon that gives signs of life in the tenant's chain, if one is meant to.
    fn pulse(&self, tenant: &TenantId) -> Option<Pulse>;
}

/// A daemon that gives signs of life: one with a periodic task of the name [`HEARTBEAT`](super::HEARTBEAT).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// How often it should beat.
    pub every: Duration,
    /// Since when it may have run.
    pub expected_since: Timestamp,
    /// Why it does not run, if it does not.
    pub failing: Option<String>,
}

/// The secrets that a tenant's plugins require. Source: the manifests of those that act for it, and each secret's place, read
/// anew. When one ends is known of a JSON Web Token alone, by its `exp`; any other is good as soon as it can be read.
#[async_trait]
pub trait CredentialSource: Send + Sync + 'static {
    /// Those secrets.
    ///
    /// # Errors
    /// Why nobody could look.
    async fn required(&self, tenant: &TenantId) -> Result<Vec<Credential>, String>;
}

/// The watch over stop commands. Source: its last round, aged by the clock that nobody sets.
pub trait WatchSource: Send + Sync + 'static {
    /// Its last look, if it ever looked.
    fn last_look(&self) -> Option<Watcher>;
}
