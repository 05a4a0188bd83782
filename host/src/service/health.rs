//! How healthy the host and its tenants are.

use std::{collections::BTreeMap, time::Duration};

use super::{Problem, Service, api};
use crate::{
    domain::{TenantId, Timestamp},
    engine::health::{Health, Reading, Rollup},
};

/// How long an operator waits who asks for all tenants. Whom there is no time for is shown as last found.
const HEALTH_BUDGET: Duration = Duration::from_secs(10);
/// Less, since health is one word of many there.
const STATUS_BUDGET: Duration = Duration::from_millis(300);

impl Service {
    /// How healthy a tenant is; without one, the host with all its tenants.
    ///
    /// # Errors
    /// If there is no such tenant, it is not served, or another host holds it.
    pub async fn health(&self, input: &api::MaybeTenant) -> Result<api::Health, Problem> {
        if let Some(text) = &input.tenant {
            let tenant = self.tenant(text)?;
            if self.membership.holder(&tenant).is_some() {
                return Err(self.not_held(&tenant));
            }
            let rollup = self.health.of_tenant(&tenant).await;
            return Ok(shown(Some(&tenant), rollup, &[]));
        }
        let (host, tenants) = self.health.of_host(HEALTH_BUDGET).await;
        Ok(shown(None, host, &tenants))
    }

    /// A word for each tenant that is served and was ever looked at; none while the host boots, which has better to do.
    pub(super) async fn health_words(&self) -> BTreeMap<TenantId, Health> {
        if !self.booted.load(std::sync::atomic::Ordering::Acquire) {
            return BTreeMap::new();
        }
        let tenants = self.health.of_tenants(STATUS_BUDGET).await;
        tenants
            .into_iter()
            .map(|(tenant, rollup)| (tenant, rollup.overall))
            .collect()
    }
}

fn shown(tenant: Option<&TenantId>, rollup: Rollup, tenants: &[(TenantId, Rollup)]) -> api::Health {
    let of_tenant = |(tenant, rollup): &(TenantId, Rollup)| api::TenantHealth {
        tenant: tenant.to_string(),
        overall_status: rollup.overall.to_string(),
    };
    api::Health {
        tenant: tenant.map(ToString::to_string),
        overall_status: rollup.overall.to_string(),
        control_plane_status: rollup.control_plane.to_string(),
        worker_status: rollup.worker.to_string(),
        stopped_reason: rollup.stopped_reason,
        subsignals: rollup.subsignals.into_iter().map(api::Subsignal::from).collect(),
        tenants: tenants.iter().map(of_tenant).collect(),
    }
}

impl From<Reading> for api::Subsignal {
    fn from(reading: Reading) -> Self {
        Self {
            name: reading.name.to_string(),
            status: reading.status.to_string(),
            last_update_at: reading.last_update_at.map(Timestamp::to_rfc3339_seconds),
            detail: reading.detail,
        }
    }
}
