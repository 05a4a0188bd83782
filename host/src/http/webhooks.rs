//! The way in for webhooks, on a port of its own: whoever sends needs no token, for it is the plugin that finds out whether it is who it
//! says. What is turned away leaves a line in the audit and none of what it holds.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};

use super::{answers::HttpProblem, body::take_within, health, names::Names, surface::Surface};
use crate::{
    access::{AuditEntry, AuditResult, Details, Seam, Source},
    config::Config,
    domain::TenantId,
    service::{IncomingWebhook, WebhookOutcome, WebhookReply},
};

/// The address at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Headers that are handed on, at most: more than any sender has reason for.
const HEADERS_MAX: usize = 100;

/// What the routes of this port work with.
pub struct WebhookDoor {
    surface: Arc<Surface>,
    names: Names,
    max_body_bytes: u64,
}

impl WebhookDoor {
    /// With the limits of this configuration.
    pub fn new(surface: Arc<Surface>, config: &Config) -> Arc<Self> {
        Arc::new(Self {
            names: Names::new(&config.webhooks.allowed_hosts, &[]),
            max_body_bytes: config.webhooks.max_body_bytes,
            surface,
        })
    }

    async fn note(&self, seam: Seam, result: AuditResult, details: Details) {
        let service = &self.surface.parts.service;
        let entry = AuditEntry {
            emitted_at: service.clock.now(),
            tenant: TenantId::host(),
            seam,
            source: Source::Webhook,
            result,
            details,
        };
        self.surface.parts.audit.note(entry).await;
    }

    /// Notes one that nobody took.
    async fn dead_letter(&self, result: AuditResult, details: Details) {
        tracing::warn!(
            route = details.route.as_deref(), %result, bytes = details.body_bytes,
            "[kora.webhook.dead_letter]"
        );
        self.note(Seam::WebhookDeadLetter, result, details).await;
    }
}

/// All of the webhook port.
pub fn webhook_router(door: Arc<WebhookDoor>) -> Router {
    Router::new()
        .route("/api/webhooks/{plugin}/{webhook}", post(receive))
        .route("/healthz", get(health::healthz))
        .fallback(async || HttpProblem::not_found().into_response())
        .layer(from_fn_with_state(door.clone(), check))
        .with_state(door)
}

/// For which host it is, and how often its sender sends.
async fn check(
    State(door): State<Arc<WebhookDoor>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let details = || Details {
        peer: Some(masked(peer.0.ip())),
        ..Details::default()
    };
    if !door.names.take(request.uri(), request.headers()) {
        door.surface
            .note_refused(AuditResult::ForeignOrigin, details())
            .await;
        return HttpProblem::new(
            StatusCode::FORBIDDEN,
            "http.foreign_origin",
            "the `Host` of the request is not one of this host's: `webhooks.allowed_hosts` names others",
        )
        .into_response();
    }
    let service = &door.surface.parts.service;
    let per_minute = service.config.load().webhooks.requests_per_minute;
    let burst = u32::try_from(per_minute).unwrap_or(u32::MAX);
    let address = peer.0.ip().to_canonical();
    let now = service.clock.monotonic();
    if door
        .surface
        .parts
        .rates
        .admit(&format!("webhook {address}"), burst, f64::from(burst) / 60.0, now)
    {
        return next.run(request).await;
    }
    door.surface
        .note_refused(AuditResult::RateLimited, details())
        .await;
    HttpProblem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "http.rate_limited",
        format!("at most {per_minute} webhooks of one address are taken in a minute"),
    )
    .into_response()
}

async fn receive(
    State(door): State<Arc<WebhookDoor>>,
    Extension(peer): Extension<Peer>,
    Path((plugin, webhook)): Path<(String, String)>,
    request: Request,
) -> Response {
    let began = Instant::now();
    let service = &door.surface.parts.service;
    let Some(max_bytes) = service.webhook_max_bytes(&plugin, &webhook) else {
        return HttpProblem::not_found().into_response();
    };
    // Its name is one of a plugin's now, and no stranger's text.
    let mut details = Details {
        route: Some(format!("{plugin}/{webhook}")),
        peer: Some(masked(peer.0.ip())),
        ..Details::default()
    };
    let (parts, body) = request.into_parts();
    let headers = parts.headers.iter().take(HEADERS_MAX);
    let headers = headers.filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    let headers = headers.collect();
    let body = match taken(&door, body, max_bytes).await {
        Ok(body) => body,
        Err(problem) => {
            let result = match problem.status {
                StatusCode::REQUEST_TIMEOUT => AuditResult::TooSlow,
                _ => AuditResult::TooLarge,
            };
            door.dead_letter(result, details).await;
            return problem.into_response();
        }
    };
    details.body_bytes = Some(body.len() as u64);
    let incoming = IncomingWebhook {
        plugin,
        webhook,
        headers,
        body,
        peer: masked(peer.0.ip()),
    };
    let outcome = service.receive_webhook(incoming).await;
    details.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    answer(&door, outcome, details).await
}

async fn taken(door: &WebhookDoor, body: Body, max_bytes: u64) -> Result<Vec<u8>, HttpProblem> {
    let max_bytes = usize::try_from(max_bytes.min(door.max_body_bytes)).unwrap_or(usize::MAX);
    let taken = take_within(body, max_bytes, door.surface.read_timeout).await?;
    Ok(taken.to_vec())
}

async fn answer(door: &WebhookDoor, outcome: WebhookOutcome, details: Details) -> Response {
    match outcome {
        WebhookOutcome::Accepted(reply) => {
            door.note(Seam::WebhookDelivered, AuditResult::Ok, details).await;
            replied(StatusCode::OK, reply)
        }
        WebhookOutcome::Rejected { reason, reply } => {
            let result = AuditResult::Rejected {
                reason: reason.clone(),
            };
            door.dead_letter(result, details).await;
            if reply.body.is_some() {
                return replied(StatusCode::UNAUTHORIZED, reply);
            }
            let status = status_of(&reply, StatusCode::UNAUTHORIZED);
            HttpProblem::new(
                status,
                &format!("webhook.{reason}"),
                "the webhook was turned away",
            )
            .into_response()
        }
        WebhookOutcome::NotTaken { kind } => {
            let details = Details {
                code: Some(format!("plugin.{kind}")),
                ..details
            };
            door.dead_letter(AuditResult::NoReceiver, details).await;
            let mut response = HttpProblem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "webhook.not_taken",
                "the plugin that takes this did not answer as it should: send it again later",
            )
            .into_response();
            let later = HeaderValue::from_static("30");
            response.headers_mut().insert(header::RETRY_AFTER, later);
            response
        }
    }
}

fn status_of(reply: &WebhookReply, usual: StatusCode) -> StatusCode {
    let status = reply.status.and_then(|status| StatusCode::from_u16(status).ok());
    status.unwrap_or(usual)
}

fn replied(usual: StatusCode, reply: WebhookReply) -> Response {
    let status = status_of(&reply, usual);
    let content_type = reply
        .content_type
        .and_then(|kind| HeaderValue::from_str(&kind).ok())
        .unwrap_or(HeaderValue::from_static("text/plain; charset=utf-8"));
    let body = reply.body.unwrap_or_default();
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// Enough to tell where trouble comes from, and too little to tell who.
fn masked(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.x")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}::x")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_masked_in_its_last_part() {
        assert_eq!(masked("203.0.113.9".parse().unwrap()), "203.0.113.x");
        assert_eq!(masked("::ffff:203.0.113.9".parse().unwrap()), "203.0.113.x");
        assert_eq!(masked("2001:db8:1:2::9".parse().unwrap()), "2001:db8:1::x");
    }
}
