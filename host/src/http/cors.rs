//! Letting pages of the origins that are configured read what is answered (the CORS protocol of the Fetch standard). Which origin a request
//! may have is looked at before ([`Names`](super::names::Names)); a token is needed as by everybody, and never sent by a browser on its own.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
/// What requests to this host are made of.
const HEADERS: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, last-event-id, mcp-protocol-version, mcp-method, mcp-name",
);
/// What answers of this host say beside what every page may read.
const EXPOSED: HeaderValue = HeaderValue::from_static("allow, retry-after, www-authenticate");
/// How long a browser need not ask again. A changed configuration takes a restart anyway.
const KEPT_SECONDS: HeaderValue = HeaderValue::from_static("600");

/// Whether a browser asks what a page may do. Such a request has no token.
pub(super) fn is_preflight(request: &Request) -> bool {
    let names_method = request
        .headers()
        .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    request.method() == Method::OPTIONS && names_method
}

/// What it is told.
pub(super) fn preflight(page: HeaderValue) -> Response {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, KEPT_SECONDS);
    let_read(headers, page);
    vary(headers);
    answer
}

/// Lets the page read the answer.
pub(super) fn let_read(headers: &mut HeaderMap, page: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// Keeps what stores answers from giving one page what another was answered.
pub(super) fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}
