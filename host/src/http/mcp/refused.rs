//! What the protocol's library refuses in plain text, told as everything else is: what is wrong with the request in JSON-RPC, what is
//! wrong with its HTTP as a problem.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};

use super::{super::answers::HttpProblem, PROTOCOL_VERSION};
use crate::mcp::{Envelope, refused_version, versions};

/// There is nothing but `POST`.
pub(super) fn wrong_method() -> Response {
    let mut answer = HttpProblem::wrong_method().into_response();
    let headers = answer.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    answer
}

/// A request that is none.
pub(super) fn invalid(error: &Value) -> Response {
    rpc(StatusCode::BAD_REQUEST, error)
}

fn rpc(status: StatusCode, error: &Value) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (status, headers, error.to_string()).into_response()
}

/// What is needed of a request to say why it was refused.
pub(super) struct Asked<'a> {
    version: Option<HeaderValue>,
    is_json: bool,
    envelope: &'a Envelope<'a>,
}

impl<'a> Asked<'a> {
    pub fn of(parts: &Parts, envelope: &'a Envelope<'a>) -> Self {
        Self {
            version: parts.headers.get(PROTOCOL_VERSION).cloned(),
            is_json: is_json(&parts.headers),
            envelope,
        }
    }

    /// The refusal of a revision that the header names and that is not spoken. The protocol's library takes some that the host does not.
    /// Whoever initialises agrees upon one, and a body that names one is held against its header, both by the library.
    pub fn unspoken(&self) -> Option<Response> {
        let version = self.version.as_ref()?;
        let is_spoken = |spoken: &ProtocolVersion| spoken.as_str().as_bytes() == version.as_bytes();
        let is_negotiated = self.envelope.is_initialize() || self.envelope.has_version();
        let is_refused = !is_negotiated && !versions().iter().any(is_spoken);
        is_refused.then(|| self.refused_version())
    }

    fn refused_version(&self) -> Response {
        invalid(&refused_version(&self.version(), &self.envelope.id()))
    }

    /// The answer, in the form that the others have.
    pub fn told(&self, answer: Response) -> Response {
        let status = answer.status();
        if status.is_success() || is_json(answer.headers()) {
            return answer;
        }
        match status {
            StatusCode::NOT_ACCEPTABLE => HttpProblem::new(
                status,
                "http.not_acceptable",
                "`Accept` was expected to name both `application/json` and `text/event-stream`",
            )
            .into_response(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE if !self.is_json => HttpProblem::new(
                status,
                "http.unsupported_media_type",
                "a `Content-Type` of `application/json` was expected",
            )
            .into_response(),
            // JSON, but no message of the protocol.
            StatusCode::UNSUPPORTED_MEDIA_TYPE => self.error(
                StatusCode::BAD_REQUEST,
                -32600,
                "invalid request: expected a message of the protocol",
            ),
            StatusCode::BAD_REQUEST => self.refused_version(),
            _ => self.error(status, -32603, "a fault of the host: its log says which"),
        }
    }

    fn error(&self, status: StatusCode, code: i32, message: &str) -> Response {
        let error = json!({ "code": code, "message": message });
        rpc(
            status,
            &json!({ "jsonrpc": "2.0", "id": self.envelope.id(), "error": error }),
        )
    }

    fn version(&self) -> String {
        let version = self.version.as_ref().map(HeaderValue::as_bytes);
        String::from_utf8_lossy(version.unwrap_or_default()).into_owned()
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let essence = kind.and_then(|kind| kind.split(|byte| *byte == b';').next());
    essence.is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}
