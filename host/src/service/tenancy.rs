//! Which tenant a caller means: the one that it names, or its only one.

use super::{Principal, Problem, ProblemKind, Service};
use crate::domain::TenantId;

impl Service {
    /// The tenant that is named, or the caller's only one. Unknown and forbidden are answered alike, and no other tenants than the caller's
    /// are named. `parameter` is what the rim calls it.
    ///
    /// # Errors
    /// If it is none of the caller's, or none is named and there is not exactly one.
    pub fn tenant_for(
        &self,
        by: &Principal,
        parameter: &str,
        named: Option<&str>,
    ) -> Result<TenantId, Problem> {
        let Some(text) = named else {
            let mut tenants = self.seen_tenants(by);
            if tenants.len() == 1 {
                return Ok(tenants.remove(0));
            }
            let message = format!(
                "`{parameter}` is needed: the tenants of this caller are {}",
                listed(&tenants)
            );
            return Err(Problem::new(ProblemKind::BadInput, "tenant.missing", message));
        };
        let tenant = text
            .parse()
            .ok()
            .filter(|tenant| by.sees(tenant) && self.tenants.is_served(tenant));
        tenant.ok_or_else(|| {
            let message = format!(
                "`{parameter}` names no tenant of this caller: those are {}",
                listed(&self.seen_tenants(by))
            );
            Problem::new(ProblemKind::NotFound, "tenant.unknown", message)
        })
    }

    /// The same, or the host itself for whom its affairs are no secret; a tenant that waits to boot boots next.
    ///
    /// # Errors
    /// As [`tenant_for`](Self::tenant_for).
    pub async fn tenant_to_show(
        &self,
        by: &Principal,
        parameter: &str,
        named: Option<&str>,
    ) -> Result<TenantId, Problem> {
        if named == Some(TenantId::host().as_str()) && by.sees_all() {
            return Ok(TenantId::host());
        }
        let tenant = self.tenant_for(by, parameter, named)?;
        self.need(Some(tenant.as_str())).await;
        Ok(tenant)
    }
}

fn listed(tenants: &[TenantId]) -> String {
    match tenants {
        [] => "none".to_owned(),
        some => {
            let shown: Vec<_> = some.iter().map(|tenant| format!("`{tenant}`")).collect();
            shown.join(", ")
        }
    }
}
