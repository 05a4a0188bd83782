//! Which route is where.

use std::sync::Arc;

use axum::{
    Router,
    middleware::from_fn_with_state,
    response::{IntoResponse as _, Response},
    routing::{any, get},
};

use super::{
    answers::HttpProblem,
    guard::{authenticate, check_names},
    health, mcp,
    surface::Surface,
};

/// All of the admin port. `/healthz` and `/readyz` are for who watches the process, and need no token.
pub fn router(surface: Arc<Surface>) -> Router {
    let gated = Router::new()
        .route("/mcp", any(mcp::endpoint))
        .route("/mcp/tools/list", get(mcp::tools_list))
        .route("/metrics", get(health::metrics))
        .route_layer(from_fn_with_state(surface.clone(), authenticate));
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .merge(gated)
        .fallback(nothing_here)
        .layer(from_fn_with_state(surface.clone(), check_names))
        .with_state(surface)
}

async fn nothing_here() -> Response {
    HttpProblem::not_found().into_response()
}
