//! `GET /api/events/stream`: events of the caller's tenants as they are appended, as server-sent events.
//!
//! Each has as its `id` how far every chain of the stream was told, so that a client that comes back with `Last-Event-ID` goes on there
//! without a gap. Nothing is kept for a slow reader; one that takes nothing at all loses its connection
//! ([`stalls`](super::stalls)).

mod cursor;
mod open;

use std::{convert::Infallible, sync::Arc, time::Instant};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream::unfold;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{
    answers::HttpProblem,
    api::{About, ChainEvent, PREFIX, PREFIX_MAX_CHARS, Parameters, Spec, audited, failed},
    guard::Presented,
    surface::Surface,
};
use crate::{
    access::Principal,
    domain::TenantId,
    service::{EventStream, Places, Problem, ProblemKind, STATE_CHANGED, Service, api},
};
pub(super) use open::{MaybeStream, Streams};

pub(super) const PATH: &str = "/api/events/stream";
/// How often a quiet stream says that it is there, and looks whether its tenants still are.
const HEARTBEAT: std::time::Duration = std::time::Duration::from_secs(5);
/// Tenants of a stream that names none: each has its place in every `id`.
const TENANTS_MAX: usize = 16;

/// Which events.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only types that are this or begin with it and a dot.
    #[serde(default)]
    #[schemars(extend("pattern" = PREFIX, "maxLength" = PREFIX_MAX_CHARS))]
    prefix: Option<String>,
}

/// What is said of it.
pub(super) fn spec() -> Spec {
    Spec {
        path: PATH,
        summary: "Stream of events",
        description: "Events of the caller's tenants from now on, as server-sent events. The first is `opened`; then come \
             `state_changed` for a change of a tenant's operational state and `event` for any other, with the fields of an event of \
             `/api/chain-events`. Sent back as `Last-Event-ID`, the `id` of any of them goes on after it without a gap. The stream \
             ends when the host does, and within a second once the token is revoked.",
        about: About::Tenants,
        parameters: Parameters::of::<Which>(About::Tenants),
        answer: serde_json::json!({ "type": "string" }),
    }
}

/// Opens a stream.
pub(super) async fn open(
    State(surface): State<Arc<Surface>>,
    Extension(by): Extension<Principal>,
    Extension(presented): Extension<Presented>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let began = Instant::now();
    let opened = begin(&surface, &by, uri.query(), &headers).await;
    let named = opened.as_ref().ok().and_then(|stream| stream.only_tenant());
    match opened {
        Ok(stream) => {
            audited(&surface, PATH, &by, named, None, began).await;
            answer(stream)
        }
        Err(Refused::Problem(problem)) => {
            audited(&surface, PATH, &by, None, Some(&problem), began).await;
            failed(problem, &presented)
        }
        Err(Refused::TooMany(problem)) => {
            surface.note_limited(PATH, &by).await;
            problem.into_response()
        }
    }
}

enum Refused {
    Problem(Problem),
    TooMany(HttpProblem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

async fn begin(
    surface: &Arc<Surface>,
    by: &Principal,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<Open, Refused> {
    let service = &surface.parts.service;
    let (named, which) = surface.stream_parameters.read::<Which>(query)?;
    let tenants = match named {
        Some(named) => vec![service.tenant_to_show(by, "tenant", Some(&named)).await?],
        None => all_of(service.seen_tenants(by))?,
    };
    let from = last_event_id(headers)?;
    let place = surface.streams.open(&by.name()).map_err(Refused::TooMany)?;
    let events = service
        .event_stream(&tenants, which.prefix.as_deref(), &from)
        .await?;
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once.
    heartbeat.tick().await;
    Ok(Open {
        events,
        heartbeat,
        closing: service.surface_token(),
        service: service.clone(),
        was_opened: false,
        _place: place,
    })
}

fn all_of(tenants: Vec<TenantId>) -> Result<Vec<TenantId>, Problem> {
    if (1..=TENANTS_MAX).contains(&tenants.len()) {
        return Ok(tenants);
    }
    let message = format!(
        "`tenant` is needed: a stream without it is of 1 to {TENANTS_MAX} tenants, and this caller has {}",
        tenants.len()
    );
    Err(Problem::new(ProblemKind::BadInput, "tenant.missing", message))
}

fn last_event_id(headers: &HeaderMap) -> Result<Places, Problem> {
    let Some(id) = headers.get("last-event-id") else {
        return Ok(Places::new());
    };
    let places = id.to_str().ok().and_then(cursor::read);
    places.ok_or_else(|| {
        let message = "`Last-Event-ID`: expected the `id` of an event of this stream";
        Problem::new(ProblemKind::BadInput, "http.parameter", message)
    })
}

/// A stream that is open.
struct Open {
    events: EventStream,
    heartbeat: Interval,
    closing: CancellationToken,
    service: Arc<Service>,
    was_opened: bool,
    _place: open::Place,
}

impl Open {
    fn only_tenant(&self) -> Option<TenantId> {
        let mut tenants = self.events.places().keys();
        let first = tenants.next().cloned();
        first.filter(|_| tenants.next().is_none())
    }

    /// What is sent next; nothing once it ends.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.was_opened {
            self.was_opened = true;
            let tenants: Vec<_> = self.events.places().keys().map(TenantId::as_str).collect();
            let data = serde_json::json!({ "tenants": tenants }).to_string();
            return Some(self.frame("opened", &data));
        }
        let event = tokio::select! {
            () = self.closing.cancelled() => return None,
            _ = self.heartbeat.tick() => {
                return self.is_served().then(|| Bytes::from_static(b": still here\n\n"));
            }
            event = self.events.next() => event,
        };
        let event = match event {
            Ok(event) => event?,
            Err(error) => {
                // The client comes back and goes on where it was.
                tracing::debug!(%error, "a stream of events ends: the store cannot be read");
                return None;
            }
        };
        let name = match event.event_type == STATE_CHANGED {
            true => "state_changed",
            false => "event",
        };
        self.told(name, event)
    }

    fn told(&self, name: &str, event: api::Event) -> Option<Bytes> {
        let data = serde_json::to_string(&ChainEvent::from(event));
        // Texts and numbers always have a JSON form.
        Some(self.frame(name, &data.ok()?))
    }

    fn frame(&self, name: &str, data: &str) -> Bytes {
        let id = cursor::written(self.events.places());
        // JSON holds no line ends outside texts, where they are escaped; a payload is stored without them.
        Bytes::from(format!("id: {id}\nevent: {name}\ndata: {data}\n\n"))
    }

    /// Whether its tenants are still served. Whose the token is, is looked at for every stream alike ([`watched`](super::watched)).
    fn is_served(&self) -> bool {
        let tenants = &self.service.tenants;
        let mut told = self.events.places().keys();
        told.all(|tenant| tenant.is_host() || tenants.is_served(tenant))
    }
}

fn answer(stream: Open) -> Response {
    let body = unfold(stream, |mut stream| async move {
        let bytes = stream.next().await?;
        Some((Ok::<_, Infallible>(bytes), stream))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // A proxy is not to hold back what is small.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
