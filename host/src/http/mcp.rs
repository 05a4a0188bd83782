//! `/mcp`: the protocol, and what the original spoke before it.

use std::sync::Arc;

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use serde_json::json;

use super::{body, guard::Presented, surface::Surface};
use crate::{
    access::{Principal, Source, redacted},
    mcp::{BareAnswer, McpHandler, answer_bare, is_bare, listed},
};

/// With this header a request is one of the protocol's.
const PROTOCOL_VERSION: &str = "mcp-protocol-version";

/// `GET /mcp/tools/list`, as the original had it.
pub(super) async fn tools_list(
    State(surface): State<Arc<Surface>>,
    Extension(principal): Extension<Principal>,
) -> Response {
    axum::Json(listed(&handler(&surface, principal))).into_response()
}

/// Everything at `/mcp`.
pub(super) async fn endpoint(
    State(surface): State<Arc<Surface>>,
    Extension(principal): Extension<Principal>,
    Extension(presented): Extension<Presented>,
    request: Request,
) -> Response {
    let (parts, incoming) = request.into_parts();
    if parts.method != Method::POST {
        return protocol(&surface, principal, parts, Bytes::new()).await;
    }
    let bytes = match body::take(&surface, "/mcp", incoming).await {
        Ok(bytes) => bytes,
        Err(problem) => return problem.into_response(),
    };
    let is_of_protocol = parts.headers.contains_key(PROTOCOL_VERSION);
    if is_of_protocol && let Err(refused) = check_json(&bytes) {
        return refused;
    }
    if !is_of_protocol && is_bare(&bytes) {
        let answer = answer_bare(&handler(&surface, principal), &bytes).await;
        return bare(answer, &presented.0);
    }
    let answer = protocol(&surface, principal, parts, bytes).await;
    without_token(answer, &presented.0).await
}

fn handler(surface: &Surface, principal: Principal) -> McpHandler {
    let (service, tools) = (surface.parts.service.clone(), surface.parts.tools.clone());
    McpHandler::new(service, tools, principal, Source::McpHttp)
}

/// What is no JSON, or no object, is told so in the protocol's words.
fn check_json(bytes: &[u8]) -> Result<(), Response> {
    let refused = |code: i32, message: &str| {
        let error = json!({ "jsonrpc": "2.0", "id": null, "error": { "code": code, "message": message } });
        (StatusCode::BAD_REQUEST, axum::Json(error)).into_response()
    };
    if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err() {
        return Err(refused(-32700, "parse error: the body is not JSON"));
    }
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => Ok(()),
        _ => Err(refused(-32600, "invalid request: expected one object")),
    }
}

fn bare(answer: BareAnswer, presented: &str) -> Response {
    match answer {
        BareAnswer::Nothing => StatusCode::ACCEPTED.into_response(),
        BareAnswer::Json(answer) => {
            let is_fault = answer.get("error").is_some();
            let text = answer.to_string();
            let text = match is_fault {
                true => redacted(&text, Some(presented)).into_owned(),
                false => text,
            };
            ([(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
    }
}

/// The protocol's own transport. It is made for each request, with the principal in it: nothing is kept between two.
async fn protocol(surface: &Surface, principal: Principal, parts: Parts, bytes: Bytes) -> Response {
    let handler = handler(surface, principal);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        // Both were looked at before, for every route alike.
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_max_request_body_bytes(surface.max_body_bytes)
        .with_cancellation_token(surface.parts.service.surface_token());
    let service = StreamableHttpService::new(
        move || Ok(handler.clone()),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let request = axum::http::Request::from_parts(parts, Body::from(bytes));
    service.handle(request).await.map(Body::new)
}

/// An error may repeat what it was asked for: the token that came with it goes. A stream holds none.
async fn without_token(answer: Response, presented: &str) -> Response {
    if is_stream(answer.headers()) {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let is_fault = !parts.status.is_success() || holds_error(&bytes);
    let text = std::str::from_utf8(&bytes).ok().filter(|_| is_fault);
    let clean = match text.map(|text| redacted(text, Some(presented))) {
        Some(std::borrow::Cow::Owned(clean)) => Bytes::from(clean),
        Some(std::borrow::Cow::Borrowed(_)) | None => bytes,
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(clean))
}

fn is_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

fn holds_error(bytes: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Shape {
        #[serde(default)]
        error: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Shape>(bytes).is_ok_and(|shape| shape.error.is_some())
}
