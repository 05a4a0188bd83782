//! What the tenants of other hosts are doing, as their chains tell: they have no state here. Kept, so that looking at ten thousand of
//! them asks the store nothing; read again whenever a chain moved.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Service;
use crate::{domain::TenantId, engine::transition::Recorded};

/// The last change of state that each tenant's chain tells of.
#[derive(Default)]
pub(super) struct Elsewhere(Mutex<HashMap<TenantId, Recorded>>);

impl Elsewhere {
    fn locked(&self) -> MutexGuard<'_, HashMap<TenantId, Recorded>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Reads again what a tenant of another host is doing.
    pub(super) async fn follow_state(&self, tenant: &TenantId) {
        if self.membership.holds(tenant) {
            self.elsewhere.locked().remove(tenant);
            return;
        }
        match self.states.last_told(tenant).await {
            Ok(Some(told)) => drop(self.elsewhere.locked().insert(tenant.clone(), told)),
            Ok(None) => {}
            Err(error) => tracing::debug!(%tenant, %error, "what it does on its host is not known"),
        }
    }

    /// What was last told of a tenant of another host.
    pub(super) fn told_elsewhere(&self, tenant: &TenantId) -> Option<Recorded> {
        self.elsewhere.locked().get(tenant).cloned()
    }
}
