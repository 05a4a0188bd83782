//! `/mcp`: the protocol, and what the original spoke before it.

mod refused;

use std::{borrow::Cow, sync::Arc};

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
use serde::Deserialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::refused::Asked;
use super::{body, guard::Presented, stream::MaybeStream, surface::Surface, watched::is_stream};
use crate::{
    access::{AuditResult, Details, Principal, Source, redacted},
    mcp::{BareAnswer, Envelope, Malformed, McpHandler, answer_bare, is_bare, is_of_request, listed},
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
    let bytes = match parts.method {
        Method::POST => match body::take(&surface, "/mcp", incoming).await {
            Ok(bytes) => bytes,
            Err(problem) => return problem.into_response(),
        },
        _ => Bytes::new(),
    };
    let (answer, was_refused) = answered(&surface, &principal, &presented, parts, bytes).await;
    if was_refused {
        let details = Details {
            route: Some("/mcp".to_owned()),
            ..Details::of(&principal)
        };
        surface.note_refused(AuditResult::BadInput, details).await;
    }
    answer
}

/// The answer, and whether the request was turned away before anybody looked at what it asks for.
async fn answered(
    surface: &Surface,
    principal: &Principal,
    presented: &Presented,
    parts: Parts,
    bytes: Bytes,
) -> (Response, bool) {
    if parts.method != Method::POST {
        return (refused::wrong_method(), true);
    }
    let names_version = parts.headers.contains_key(PROTOCOL_VERSION);
    let envelope = Envelope::read(&bytes);
    if !names_version && is_of_the_original(&parts.headers, envelope.as_ref().ok()) {
        let answer = answer_bare(&handler(surface, principal.clone()), &bytes).await;
        return bare(answer, &presented.0);
    }
    let envelope = match asked(envelope) {
        Ok(envelope) => envelope,
        Err(malformed) => {
            let refused = refused::invalid(&malformed.to_json());
            return without_token(refused, &presented.0).await;
        }
    };
    let asked = Asked::of(&parts, &envelope);
    if let Some(refused) = asked.unspoken() {
        return without_token(refused, &presented.0).await;
    }
    let stream = MaybeStream::new(&surface.streams, principal.name());
    if envelope.is_subscription()
        && let Err(problem) = stream.take()
    {
        surface.note_limited("/mcp", principal).await;
        return (problem.into_response(), false);
    }
    let room = stream.clone();
    let handler = handler(surface, principal.clone()).streaming(Arc::new(move || room.take().is_ok()));
    let answer = asked.told(protocol(surface, handler, parts, bytes.clone()).await);
    let (answer, was_refused) = without_token(answer, &presented.0).await;
    (stream.held_by(answer), was_refused)
}

/// What was sent, if it is a request by itself.
fn asked(envelope: Result<Envelope<'_>, Malformed>) -> Result<Envelope<'_>, Malformed> {
    let envelope = envelope?;
    match envelope.malformed_as_request() {
        None => Ok(envelope),
        Some(malformed) => Err(malformed),
    }
}

/// Whether a request without the header is one of the original's: it names no revision in its body either.
fn is_of_the_original(headers: &HeaderMap, envelope: Option<&Envelope<'_>>) -> bool {
    match takes_streams(headers) {
        true => is_bare(envelope),
        // No client of the protocol, unless it says so.
        false => !envelope.is_some_and(Envelope::has_version),
    }
}

/// Whether who asks would take a stream for an answer, as every client of the protocol says that it does.
fn takes_streams(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    accepted.any(|value| {
        let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
        value.contains("text/event-stream")
    })
}

fn handler(surface: &Surface, principal: Principal) -> McpHandler {
    let (service, tools) = (surface.parts.service.clone(), surface.parts.tools.clone());
    McpHandler::new(service, tools, principal, Source::McpHttp)
}

fn bare(answer: BareAnswer, presented: &str) -> (Response, bool) {
    let (answer, was_refused) = match answer {
        BareAnswer::Nothing => return (StatusCode::ACCEPTED.into_response(), false),
        BareAnswer::Json(answer) => (answer, false),
        BareAnswer::Refused(answer) => (answer, true),
    };
    let is_fault = answer.get("error").is_some();
    let text = answer.to_string();
    let text = match is_fault {
        true => redacted(&text, Some(presented)).into_owned(),
        false => text,
    };
    let response = ([(header::CONTENT_TYPE, "application/json")], text).into_response();
    (response, was_refused)
}

/// What is the same for the transport of every request.
pub(super) struct Transport {
    config: StreamableHttpServerConfig,
    sessions: Arc<NeverSessionManager>,
}

impl Transport {
    /// For bodies of at most so many bytes, until `closing`.
    pub fn new(max_body_bytes: usize, closing: CancellationToken) -> Self {
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            // Both were looked at before, for every route alike.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(max_body_bytes)
            .with_cancellation_token(closing);
        Self {
            config,
            sessions: Arc::default(),
        }
    }
}

/// The protocol's own transport. It is made for each request, with the principal in its handler: nothing is kept between two.
async fn protocol(surface: &Surface, handler: McpHandler, parts: Parts, bytes: Bytes) -> Response {
    let Transport { config, sessions } = &surface.mcp;
    let service = StreamableHttpService::new(move || Ok(handler.clone()), sessions.clone(), config.clone());
    let request = axum::http::Request::from_parts(parts, Body::from(bytes));
    service.handle(request).await.map(Body::new)
}

/// An error may repeat what it was asked for: the token that came with it goes. Streams are cleaned as they go, see [`super::streams`].
/// Beside it, whether it refuses the request as a whole.
async fn without_token(answer: Response, presented: &str) -> (Response, bool) {
    if is_stream(answer.headers()) {
        return (answer, false);
    }
    let (mut parts, body) = answer.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return (StatusCode::INTERNAL_SERVER_ERROR.into_response(), true);
    };
    let fault = Fault::of(&bytes);
    let was_refused = !parts.status.is_success() || fault == Some(Fault::OfRequest);
    let text = std::str::from_utf8(&bytes)
        .ok()
        .filter(|_| was_refused || fault.is_some());
    let clean = match text.map(|text| redacted(text, Some(presented))) {
        Some(Cow::Owned(clean)) => Bytes::from(clean),
        Some(Cow::Borrowed(_)) | None => bytes,
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    (Response::from_parts(parts, Body::from(clean)), was_refused)
}

/// What an answer says went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The request is none, or asks for what there is not.
    OfRequest,
    /// What it asked for was not done.
    OfWork,
}

impl Fault {
    fn of(answer: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            error: Option<Error>,
            #[serde(default)]
            result: Option<Outcome>,
        }
        #[derive(Deserialize)]
        struct Error {
            code: i64,
            #[serde(default)]
            data: Value,
        }
        #[derive(Deserialize)]
        struct Outcome {
            #[serde(default, rename = "isError")]
            is_error: bool,
        }
        // Most answers tell of none, and need not be read to see that: what the host writes escapes no letter of a key.
        let text = std::str::from_utf8(answer).ok()?;
        if !text.contains("\"error\"") && !text.contains("\"isError\":true") {
            return None;
        }
        let answer: Answer = serde_json::from_slice(answer).ok()?;
        match (answer.error, answer.result) {
            (Some(error), _) if is_of_request(error.code, Some(&error.data)) => Some(Self::OfRequest),
            (Some(_), _) => Some(Self::OfWork),
            (None, outcome) => outcome
                .is_some_and(|outcome| outcome.is_error)
                .then_some(Self::OfWork),
        }
    }
}
