//! `/healthz`, `/readyz` and `/metrics`.

use std::{sync::Arc, time::Instant};

use axum::{
    Extension,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::{answers::HttpProblem, api::audited, surface::Surface};
use crate::{
    access::Principal,
    service::{Problem, ProblemKind},
};

pub(super) const HEALTHZ: &str = "/healthz";
pub(super) const READYZ: &str = "/readyz";
pub(super) const METRICS: &str = "/metrics";

/// The process answers.
pub(super) async fn healthz() -> Response {
    axum::Json(json!({ "status": "ok" })).into_response()
}

/// The host has booted, does not stop, and its store is there.
pub(super) async fn readyz(State(surface): State<Arc<Surface>>) -> Response {
    let readiness = surface.parts.service.readiness();
    let status = match readiness {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = match readiness {
        Ok(()) => json!({ "status": "ready" }),
        Err(why) => json!({ "status": "not_ready", "reason": why }),
    };
    (status, axum::Json(body)).into_response()
}

/// The host's metrics and those of its plugins, as Prometheus reads them. They are of all tenants together, and the labels of a plugin's are
/// texts of its own: no filter over them would keep one tenant from another, so whoever may not know of all of them is refused.
pub(super) async fn metrics(
    State(surface): State<Arc<Surface>>,
    Extension(by): Extension<Principal>,
) -> Response {
    if !by.sees_all() {
        let began = Instant::now();
        let message = "metrics are of all tenants together: a caller of all tenants was expected";
        let problem = Problem::new(ProblemKind::Denied, "tenant.all_expected", message)
            .hint("`kora callers add NAME --all-tenants` makes one");
        audited(&surface, METRICS, &by, None, Some(&problem), began).await;
        return HttpProblem::from(problem).into_response();
    }
    let metrics = &surface.parts.service.metrics;
    metrics.host.set_audit_lines_lost(surface.parts.audit.lost());
    let text = metrics.render();
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}
