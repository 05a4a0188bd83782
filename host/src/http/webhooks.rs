//! The way in for webhooks, on a port of its own: whoever sends needs no token, for it is the plugin that finds out whether it is who it
//! says. What is turned away leaves a line in the audit and none of what it holds.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
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

use super::{
    answers::HttpProblem,
    body::{refusal, take_within},
    health,
    names::Names,
    surface::Surface,
};
use crate::{
    access::{AuditEntry, AuditResult, Details, Rates, Seam, Source},
    config::Config,
    domain::TenantId,
    service::{IncomingWebhook, WebhookOutcome, WebhookReply},
};

/// The address at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Where webhooks are.
const ROUTE: &str = "/api/webhooks/{plugin}/{webhook}";
/// When a sender had better try again: boots may take minutes.
const RETRY_AFTER_SECONDS: u64 = 30;
/// Headers that are handed on, at most: more than any sender has reason for.
const HEADERS_MAX: usize = 100;

/// What the routes of this port work with.
pub struct WebhookDoor {
    surface: Arc<Surface>,
    names: Names,
    max_body_bytes: u64,
    /// Of addresses. Apart from those of callers, which no crowd of senders is to crowd out.
    rates: Rates,
}

impl WebhookDoor {
    /// With the limits of this configuration.
    pub fn new(surface: Arc<Surface>, config: &Config) -> Arc<Self> {
        Arc::new(Self {
            names: Names::new(&config.webhooks.allowed_hosts, &[]),
            max_body_bytes: config.webhooks.max_body_bytes,
            rates: Rates::default(),
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

    /// Notes one that did not get as far as a plugin. Anybody can send such, to any name: whoever sends many cannot fill the disk.
    async fn refuse(&self, result: AuditResult, details: Details) {
        let (why, route) = (result.clone(), details.route.clone());
        let refusals = &self.surface.parts.refusals;
        if refusals
            .note(Seam::WebhookDeadLetter, Source::Webhook, result, details)
            .await
        {
            tracing::warn!(route, result = %why, "[kora.webhook.dead_letter]");
        }
    }

    /// Turns away what is for no webhook that there is: for good once the plugins are up, and before that for a while, since nobody knows yet
    /// which there will be. A sender takes the first for an answer and does not send again.
    async fn turn_away(&self, details: Details) -> Response {
        if self.surface.parts.service.is_running() {
            self.refuse(AuditResult::NoReceiver, details).await;
            return HttpProblem::not_found().into_response();
        }
        self.refuse(AuditResult::Unavailable, details).await;
        send_again(
            "webhook.not_yet",
            "the host boots or stops, and takes no webhooks meanwhile: send it again later",
        )
    }
}

/// All of the webhook port.
pub fn webhook_router(door: Arc<WebhookDoor>) -> Router {
    let limited = Router::new()
        .route(ROUTE, post(receive))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_here)
        .layer(from_fn_with_state(door.clone(), check_rate));
    // Whoever watches the process is not to take it for dead because of what strangers, or he himself, sent from the same address.
    limited
        .route(health::HEALTHZ, get(health::healthz))
        .layer(from_fn_with_state(door.clone(), check_names))
        .with_state(door)
}

async fn wrong_method(State(door): State<Arc<WebhookDoor>>, Extension(peer): Extension<Peer>) -> Response {
    door.refuse(AuditResult::BadInput, from_peer(peer)).await;
    HttpProblem::wrong_method().into_response()
}

async fn nothing_here(State(door): State<Arc<WebhookDoor>>, Extension(peer): Extension<Peer>) -> Response {
    door.refuse(AuditResult::Unknown, from_peer(peer)).await;
    HttpProblem::not_found().into_response()
}

fn from_peer(peer: Peer) -> Details {
    Details {
        peer: Some(masked(peer.0.ip())),
        ..Details::default()
    }
}

/// For which host it is.
async fn check_names(
    State(door): State<Arc<WebhookDoor>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if door.names.take(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    door.refuse(AuditResult::ForeignOrigin, from_peer(peer)).await;
    HttpProblem::new(
        StatusCode::FORBIDDEN,
        "http.foreign_origin",
        "the `Host` of the request is not one of this host's: `webhooks.allowed_hosts` names others",
    )
    .into_response()
}

/// How often its sender sends.
async fn check_rate(
    State(door): State<Arc<WebhookDoor>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let service = &door.surface.parts.service;
    let per_minute = service.config.load().webhooks.requests_per_minute;
    let burst = u32::try_from(per_minute).unwrap_or(u32::MAX);
    let sender = sender(peer.0.ip()).to_string();
    let now = service.clock.monotonic();
    if door.rates.admit(&sender, burst, f64::from(burst) / 60.0, now) {
        return next.run(request).await;
    }
    door.refuse(AuditResult::RateLimited, from_peer(peer)).await;
    HttpProblem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "http.rate_limited",
        format!("at most {per_minute} webhooks of one address are taken in a minute"),
    )
    // When there is room for the next one.
    .retry_after(60_u64.div_ceil(per_minute.max(1)))
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
    let mut details = Details {
        route: Some(ROUTE.to_owned()),
        ..from_peer(peer)
    };
    let Some(max_bytes) = service.webhook_max_bytes(&plugin, &webhook) else {
        return door.turn_away(details).await;
    };
    // Its name is one of a plugin's now, and no stranger's text.
    details.route = Some(format!("{plugin}/{webhook}"));
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
            door.dead_letter(refusal(&problem), details).await;
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
            door.dead_letter(AuditResult::Rejected { reason }, details).await;
            if reply.body.is_some() {
                return replied(StatusCode::UNAUTHORIZED, reply);
            }
            // Whoever tries out signatures is not told what was wrong with one: the reason is the operator's.
            let status = status_of(&reply, StatusCode::UNAUTHORIZED);
            HttpProblem::new(status, "webhook.rejected", "the webhook was turned away").into_response()
        }
        WebhookOutcome::NotTaken { kind } => {
            let details = Details {
                code: Some(format!("plugin.{kind}")),
                ..details
            };
            door.dead_letter(AuditResult::NoReceiver, details).await;
            send_again(
                "webhook.not_taken",
                "the plugin that takes this did not answer as it should: send it again later",
            )
        }
    }
}

fn send_again(code: &str, detail: &str) -> Response {
    HttpProblem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
        .retry_after(RETRY_AFTER_SECONDS)
        .into_response()
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

/// Whose rate counts. Of IPv6 it is the network: a sender has as many addresses of it as he likes.
fn sender(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
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
    fn a_sender_is_an_address_or_a_network_of_ipv6() {
        let of = |text: &str| sender(text.parse().unwrap()).to_string();
        assert_eq!(of("203.0.113.9"), "203.0.113.9");
        assert_eq!(of("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("2001:db8:1:3::1"), "2001:db8:1:3::");
    }

    #[test]
    fn an_address_is_masked_in_its_last_part() {
        assert_eq!(masked("203.0.113.9".parse().unwrap()), "203.0.113.x");
        assert_eq!(masked("::ffff:203.0.113.9".parse().unwrap()), "203.0.113.x");
        assert_eq!(masked("2001:db8:1:2::9".parse().unwrap()), "2001:db8:1::x");
    }
}
