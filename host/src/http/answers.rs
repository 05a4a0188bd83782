//! What a request that was not done is answered with: `application/problem+json` (RFC 9457).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use crate::service::{Problem, ProblemKind};

/// A problem with its status.
#[derive(Debug, Clone)]
pub struct HttpProblem {
    /// The status.
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub detail: String,
    /// What to do.
    pub hints: Vec<String>,
    /// What else programs may want.
    pub data: Map<String, Value>,
    /// In how many seconds it may be asked again.
    pub retry_after: Option<u64>,
}

impl HttpProblem {
    /// A problem without hints.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            detail: detail.into(),
            hints: Vec::new(),
            data: Map::new(),
            retry_after: None,
        }
    }

    /// It may be asked again in so many seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    /// No token, or one that is nobody's.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "access.unauthorized",
            "a bearer token of a caller was expected; none that is known was found",
        )
    }

    /// Nothing is here.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "http.not_found", "there is nothing here")
    }

    /// There is something here, but not for this method.
    pub fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "http.wrong_method",
            "another method was expected here: the header `Allow` names those there are",
        )
    }
}

impl From<Problem> for HttpProblem {
    fn from(problem: Problem) -> Self {
        let status = match problem.kind {
            ProblemKind::BadInput => StatusCode::BAD_REQUEST,
            ProblemKind::NotFound => StatusCode::NOT_FOUND,
            ProblemKind::WrongState | ProblemKind::Conflict => StatusCode::CONFLICT,
            ProblemKind::Denied => StatusCode::FORBIDDEN,
            ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ProblemKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            status,
            code: problem.code,
            // What went wrong inside the host is for its log.
            detail: match status {
                StatusCode::INTERNAL_SERVER_ERROR => "a fault of the host: its log says which".to_owned(),
                _ => problem.message,
            },
            hints: problem.hints,
            data: problem.data,
            retry_after: None,
        }
    }
}

impl IntoResponse for HttpProblem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if !self.hints.is_empty() {
            body["hints"] = self.hints.into();
        }
        if !self.data.is_empty() {
            body["data"] = Value::Object(self.data);
        }
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
