//! What cost needs of others.

use async_trait::async_trait;

use crate::{domain::TenantId, engine::cost::Policy};

/// What holds for each tenant's spending. Answers from memory.
pub trait Policies: Send + Sync + 'static {
    /// As it is configured now.
    fn policy(&self, tenant: &TenantId) -> Policy;
}

/// Stops a tenant that has nothing left.
#[async_trait]
pub trait Brake: Send + Sync + 'static {
    /// Pauses the tenant for the reason `cost`. One that is paused already is given the reason as well; nothing happens to one that is
    /// stopped, not served, or halted already.
    ///
    /// # Errors
    /// What went wrong, for the log: the tenant may still take work, but may not spend.
    async fn halt(&self, tenant: &TenantId) -> Result<(), String>;

    /// Whether the tenant is paused for the reason `cost`, or takes no work for want of a state.
    fn is_halted(&self, tenant: &TenantId) -> bool;
}
