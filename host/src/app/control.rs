//! What stop commands need of the host: its exit, and the work that tenants hold.

use async_trait::async_trait;

use crate::{
    control::{Exit, Work},
    coordinator::{CoordinatorHandle, ShutdownReason},
    domain::TenantId,
};

/// Ends the host by its coordinator.
pub struct CoordinatorExit(pub CoordinatorHandle);

impl Exit for CoordinatorExit {
    fn request(&self, why: String) {
        if self.0.shutdown_reason().is_none() {
            self.0.request_shutdown(ShutdownReason::Requested(why));
        }
    }
}

/// No part of this host hands out work to tenants, so there is none to wait for and none to break off.
pub struct NoWork;

#[async_trait]
impl Work for NoWork {
    async fn held(&self, _tenant: &TenantId) -> Result<u64, String> {
        Ok(0)
    }

    async fn abort(&self, _tenant: &TenantId) -> Result<(), String> {
        Ok(())
    }
}
