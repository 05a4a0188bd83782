//! What every request passes before it reaches a route: for which host it is, whose it is, how often he asks.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{answers::HttpProblem, cors, surface::Surface, watched};
use crate::access::{AuditResult, Authenticated, Details, Principal};

/// The token that a request came with, kept so that nothing that is answered repeats it.
#[derive(Clone)]
pub(super) struct Presented(pub Arc<str>);

/// Counts what is answered, by route and status.
pub(super) async fn count(State(surface): State<Arc<Surface>>, request: Request, next: Next) -> Response {
    let route = of_route(&request).route;
    let response = next.run(request).await;
    // A path that there is not is the stranger's text.
    let route = route.as_deref().unwrap_or("unmatched");
    let host = &surface.parts.service.metrics.host;
    host.http_answered(route, response.status().as_u16());
    response
}

/// Refuses what names another host, or comes from a foreign page; pages of the origins that are configured may read what is answered.
pub(super) async fn check_names(
    State(surface): State<Arc<Surface>>,
    request: Request,
    next: Next,
) -> Response {
    let names = &surface.names;
    if !names.take(request.uri(), request.headers()) {
        surface
            .note_refused(AuditResult::ForeignOrigin, of_route(&request))
            .await;
        return HttpProblem::new(
            StatusCode::FORBIDDEN,
            "http.foreign_origin",
            "the `Host` or `Origin` of the request is not one of this host's",
        )
        .into_response();
    }
    let page = names.page(request.headers()).cloned();
    if let Some(page) = page.clone().filter(|_| cors::is_preflight(&request)) {
        return cors::preflight(page);
    }
    let mut answer = next.run(request).await;
    if names.lists_any() {
        cors::vary(answer.headers_mut());
    }
    if let Some(page) = page {
        cors::let_read(answer.headers_mut(), page);
    }
    answer
}

/// Finds out who asks, and lets no stranger pass.
pub(super) async fn authenticate(
    State(surface): State<Arc<Surface>>,
    mut request: Request,
    next: Next,
) -> Response {
    let token = bearer(request.headers());
    let authenticated = token.map(|token| surface.parts.callers.authenticate(token));
    let (Some(Authenticated::As(principal)), Some(token)) = (authenticated, token) else {
        surface
            .note_refused(AuditResult::Unauthorized, of_route(&request))
            .await;
        return HttpProblem::unauthorized().into_response();
    };
    let presented = Presented(token.into());
    if !admit(&surface, &principal) {
        let details = Details {
            route: of_route(&request).route,
            ..Details::of(&principal)
        };
        surface.note_refused(AuditResult::RateLimited, details).await;
        return HttpProblem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "http.rate_limited",
            "this caller asks more often than it may",
        )
        .retry_after(1)
        .into_response();
    }
    request.extensions_mut().insert(principal.clone());
    request.extensions_mut().insert(presented.clone());
    let answer = next.run(request).await;
    watched::watched(answer, surface, principal, presented)
}

fn admit(surface: &Surface, principal: &Principal) -> bool {
    let service = &surface.parts.service;
    let per_second = service.config.load().access.requests_per_second;
    let now = service.clock.monotonic();
    surface.parts.rates.admit_caller(principal, per_second, now)
}

/// The token of `Authorization: Bearer …`, if there is exactly one such header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(header), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Only routes that there are: a path is the stranger's text.
fn of_route(request: &Request) -> Details {
    let known = request
        .extensions()
        .get::<axum::extract::MatchedPath>()
        .map(|path| path.as_str().to_owned());
    Details {
        route: known,
        ..Details::default()
    }
}
