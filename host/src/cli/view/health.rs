//! How healthy the host or a tenant is.

use super::{
    table::{Table, fields},
    text::or_nothing,
};
use crate::service::api::Health;

/// What it comes to, and what it is made of.
pub(in crate::cli) fn health(health: &Health) -> String {
    let whose = health.tenant.clone().unwrap_or_else(|| "the host".to_owned());
    let facts = fields([
        ("of", whose),
        ("overall", health.overall_status.clone()),
        ("control plane", health.control_plane_status.clone()),
        ("worker", health.worker_status.clone()),
        ("stopped because", or_nothing(health.stopped_reason.as_deref())),
    ]);
    let subsignals = Table::new(["SUBSIGNAL", "STATUS", "LAST UPDATE", "DETAIL"])
        .rows(&health.subsignals, |signal| {
            [
                signal.name.clone(),
                signal.status.clone(),
                or_nothing(signal.last_update_at.as_deref()),
                signal.detail.clone(),
            ]
        })
        .to_text("nothing is looked at");
    if health.tenant.is_some() {
        return format!("{facts}\n{subsignals}");
    }
    let tenants = Table::new(["TENANT", "HEALTH"])
        .rows(&health.tenants, |tenant| {
            [tenant.tenant.clone(), tenant.overall_status.clone()]
        })
        .to_text("there are no tenants: add one with `kora tenants add TENANT`");
    format!("{facts}\n{subsignals}\n{tenants}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::api::{Subsignal, TenantHealth};

    #[test]
    fn health_is_shown_with_what_is_wrong_and_with_whom() {
        let signal = |name: &str, status: &str, at: Option<&str>, detail: &str| Subsignal {
            name: name.to_owned(),
            status: status.to_owned(),
            last_update_at: at.map(str::to_owned),
            detail: detail.to_owned(),
        };
        let shown = Health {
            tenant: None,
            overall_status: "outage".to_owned(),
            control_plane_status: "healthy".to_owned(),
            worker_status: "outage".to_owned(),
            stopped_reason: None,
            subsignals: vec![
                signal(
                    "credit_burn",
                    "degraded",
                    Some("2026-11-20T10:00:00Z"),
                    "`acme`: 95.00 of 100.00 USD are spent",
                ),
                signal("dispatch_reachable", "fresh", None, "the store answers"),
            ],
            tenants: vec![TenantHealth {
                tenant: "acme".to_owned(),
                overall_status: "outage".to_owned(),
            }],
        };
        insta::assert_snapshot!(health(&shown), @r"
        of               the host
        overall          outage
        control plane    healthy
        worker           outage
        stopped because  -

        SUBSIGNAL           STATUS    LAST UPDATE           DETAIL
        credit_burn         degraded  2026-11-20T10:00:00Z  `acme`: 95.00 of 100.00 USD are spent
        dispatch_reachable  fresh     -                     the store answers

        TENANT  HEALTH
        acme    outage
        ");
    }
}
