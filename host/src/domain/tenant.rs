//! Tenants and who acts in them.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{TenantId, Timestamp};

/// Counts the identities that spoke for a tenant, from 1.
pub type Generation = u64;

/// A tenant as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRecord {
    /// Its id.
    pub tenant: TenantId,
    /// Whether it is served. A disabled tenant keeps its chain and its identity.
    pub active: bool,
    /// When it was added.
    pub created_at: Timestamp,
    /// Who acts in it; exactly one is canonical.
    pub actors: Vec<TenantActor>,
}

/// Somebody who acts in a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantActor {
    /// Its id.
    pub actor_id: Uuid,
    /// For example `kora`.
    pub kind: String,
    /// For humans.
    pub name: String,
    /// Whether it may act.
    pub active: bool,
    /// Whether it is the one that acts for the tenant's agent.
    pub canonical: bool,
}
