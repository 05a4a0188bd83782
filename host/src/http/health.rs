//! `/healthz`, `/readyz` and `/metrics`.

use std::{sync::Arc, time::Instant};

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::{
    answers::HttpProblem,
    api::audited,
    surface::{Surface, SurfaceParts},
};
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

/// The host has booted, does not stop, and its store and its audit can be written.
pub(super) async fn readyz(State(surface): State<Arc<Surface>>) -> Response {
    let SurfaceParts { service, audit, .. } = &surface.parts;
    let readiness = service.readiness().and_then(|()| match audit.is_over() {
        true => Err("audit_unavailable".to_owned()),
        false => Ok(()),
    });
    let (status, body) = match readiness {
        Ok(()) => (StatusCode::OK, json!({ "status": "ready" })),
        Err(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            json!({ "status": "not_ready", "reason": why }),
        ),
    };
    (status, axum::Json(body)).into_response()
}

/// The host's metrics and those of its plugins, as Prometheus reads them. They are of all tenants together, and the labels of a plugin's are
/// texts of its own: no filter over them would keep one tenant from another, so whoever may not know of all of them is refused.
pub(super) async fn metrics(
    State(surface): State<Arc<Surface>>,
    Extension(by): Extension<Principal>,
    headers: HeaderMap,
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
    let (content_type, text) = match prefers_openmetrics(&headers) {
        true => (
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            metrics.render(),
        ),
        false => (
            "text/plain; version=0.0.4; charset=utf-8",
            metrics.render_text_format(),
        ),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::VARY, HeaderValue::from_static("Accept")),
    ];
    (headers, text).into_response()
}

/// Whether who asks takes OpenMetrics, and likes the older format no better. Who says nothing gets that one, which every reader knows.
fn prefers_openmetrics(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let accepted = accepted.filter_map(|value| value.to_str().ok());
    let ranges: Vec<_> = accepted.flat_map(|value| value.split(',')).map(range).collect();
    let weight_of = |wanted: &str| {
        let weights = ranges.iter().filter(|(kind, _)| kind == wanted);
        weights.map(|(_, weight)| *weight).fold(0.0, f32::max)
    };
    let openmetrics = weight_of("application/openmetrics-text");
    openmetrics > 0.0 && openmetrics >= weight_of("text/plain")
}

/// A media range in lower case, and how much it is liked.
fn range(text: &str) -> (String, f32) {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    (kind, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openmetrics(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        prefers_openmetrics(&headers)
    }

    #[test]
    fn who_asks_for_openmetrics_gets_it_and_nobody_else_does() {
        assert!(!prefers_openmetrics(&HeaderMap::new()));
        for accept in [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        ] {
            assert!(openmetrics(accept), "{accept}");
        }
        for accept in [
            "text/plain;version=0.0.4",
            "*/*",
            "text/html, */*",
            "text/plain;version=0.0.4;q=0.9, application/openmetrics-text;q=0.1",
            "application/openmetrics-text;q=0",
        ] {
            assert!(!openmetrics(accept), "{accept}");
        }
    }
}
