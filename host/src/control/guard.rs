//! Commands in force hold a pause.

use async_trait::async_trait;

use super::{CommandBook, checks::described};
use crate::{
    domain::{OperationalState, TenantId},
    engine::control::InForce,
    state::{Blocker, ResumeGuard},
};

/// Refuses to resume a tenant while a command on it or on the host is in force, or while that cannot be read.
pub struct StopGuard(CommandBook);

impl StopGuard {
    /// Over these commands.
    pub const fn new(book: CommandBook) -> Self {
        Self(book)
    }
}

#[async_trait]
impl ResumeGuard for StopGuard {
    async fn blocked_by(&self, tenant: &TenantId, _state: &OperationalState) -> Vec<Blocker> {
        let in_force = match self.0.in_force(tenant).await {
            Ok(in_force) => in_force,
            Err(error) => {
                tracing::warn!(%tenant, %error, "[kora.control.unreadable] the pause is held");
                vec![InForce::unreadable(tenant.clone())]
            }
        };
        in_force
            .iter()
            .map(|in_force| Blocker {
                what: in_force.level.kind().to_string(),
                detail: described(in_force),
            })
            .collect()
    }
}
