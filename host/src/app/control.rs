//! What stop commands need of the host: its exit, and the tokens of its callers.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use uuid::Uuid;

use super::revocations::Revocations;
use crate::{
    access::CallersDocument,
    control::{Exit, Tokens},
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

/// The callers of this file.
pub struct CallersFile {
    path: PathBuf,
    revocations: Arc<Revocations>,
}

impl CallersFile {
    pub fn new(path: PathBuf) -> Self {
        let revocations = Arc::new(Revocations::beside(&path));
        Self { path, revocations }
    }
}

#[async_trait]
impl Tokens for CallersFile {
    async fn revoke(&self, tenant: &TenantId, command: Uuid) -> Result<(), String> {
        let (path, tenant, revocations) = (self.path.clone(), tenant.clone(), self.revocations.clone());
        let work = move || revocations.once(command, || revoke(&path, &tenant));
        let written = tokio::task::spawn_blocking(work).await;
        written.map_err(|error| error.to_string())?
    }
}

fn revoke(path: &std::path::Path, tenant: &TenantId) -> Result<(), String> {
    if !path.exists() {
        return Ok(());
    }
    let revoked = CallersDocument::change(path, |document| Ok(document.revoke_tenant(tenant)))
        .map_err(|error| error.to_string())?;
    if revoked.is_empty() {
        return Ok(());
    }
    tracing::warn!(%tenant, callers = revoked.join(", "), "[kora.access.revoked] tokens are of no use any more");
    Ok(())
}
