//! Which route is where.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{MatchedPath, State},
    http::header,
    middleware::from_fn_with_state,
    response::{IntoResponse as _, Response},
    routing::{any, get},
};

use super::{
    answers::HttpProblem,
    api,
    guard::{authenticate, check_names, count},
    health, mcp, openapi, stream,
    surface::Surface,
};
use crate::access::{AuditResult, Details, Principal};

/// All of the admin port. `/healthz` and `/readyz` are for who watches the process, and need no token.
pub fn router(surface: Arc<Surface>) -> Router {
    let described: Arc<str> = openapi::openapi().into();
    let mut gated = Router::new()
        .route("/mcp", any(mcp::endpoint))
        .route("/mcp/tools/list", get(mcp::tools_list))
        .route(health::METRICS, get(health::metrics))
        .route(stream::PATH, get(stream::open))
        .route(openapi::PATH, get(move || document(described.clone())));
    for registered in api::all() {
        gated = gated.route(registered.spec.path, registered.method);
    }
    let gated = gated
        .method_not_allowed_fallback(wrong_method_of_caller)
        .route_layer(from_fn_with_state(surface.clone(), authenticate));
    Router::new()
        .route(health::HEALTHZ, get(health::healthz))
        .route(health::READYZ, get(health::readyz))
        .method_not_allowed_fallback(wrong_method)
        .merge(gated)
        .fallback(nothing_here)
        .layer(from_fn_with_state(surface.clone(), check_names))
        .layer(from_fn_with_state(surface.clone(), count))
        .with_state(surface)
}

/// A path is its sender's text, and does not come into the audit.
async fn nothing_here(State(surface): State<Arc<Surface>>) -> Response {
    surface
        .note_refused(AuditResult::Unknown, Details::default())
        .await;
    HttpProblem::not_found().into_response()
}

async fn wrong_method() -> Response {
    HttpProblem::wrong_method().into_response()
}

/// Of one who is known: it is in the audit as any other call of his.
async fn wrong_method_of_caller(
    State(surface): State<Arc<Surface>>,
    Extension(by): Extension<Principal>,
    route: MatchedPath,
) -> Response {
    let details = Details {
        route: Some(route.as_str().to_owned()),
        ..Details::of(&by)
    };
    surface.note_refused(AuditResult::BadInput, details).await;
    wrong_method().await
}

async fn document(text: Arc<str>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.to_string()).into_response()
}
